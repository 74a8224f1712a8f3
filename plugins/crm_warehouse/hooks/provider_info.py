"""Connection types for Airflow's UI: the form, and the class behind its test button.

Found through the entry point in ``plugins/crm_warehouse-1.0.dist-info``, which works
in every process that has ``plugins`` on its path from the start.
"""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """What Airflow's provider manager reads; imports no hook."""
    return {
        "package-name": "crm-warehouse",
        "name": "CRM warehouse",
        "description": "Source systems of the CRM warehouse.",
        "connection-types": [
            {
                "connection-type": "genius",
                "hook-name": "Genius CRM",
                "hook-class-name": "crm_warehouse.hooks.genius.GeniusHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "port"],
                    "relabeling": {"host": "Base URL", "password": "API token"},
                    "placeholders": {"host": "empty: base_url of the source's YAML"},
                },
            }
        ],
    }
