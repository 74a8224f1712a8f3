"""Connection types for Airflow's UI: the form, and the class behind its test button.

Found through the entry point in ``plugins/crm_warehouse-1.0.dist-info``, which works
in every process that has ``plugins`` on its path from the start.
"""

from typing import Any

#: What the receiver needs of a source whose webhooks it takes.
_WEBHOOK_EXTRA = '{"webhook_secrets": ["…"], "public_url": "https://…"}'
#: What MarketSharp's real API needs besides.
_MARKETSHARP_EXTRA = '{"profile": "odata", "secret": "…"}'


def get_provider_info() -> dict[str, Any]:
    """What Airflow's provider manager reads; imports no hook."""
    return {
        "package-name": "crm-warehouse",
        "name": "CRM warehouse",
        "description": "Source systems of the CRM warehouse.",
        "connection-types": [
            _source_api("genius", "Genius CRM", "Genius", "API token"),
            _source_api(
                "hubspot",
                "HubSpot",
                "HubSpot",
                "Private-app token",
                extra=_WEBHOOK_EXTRA,
            ),
            _source_api(
                "marketsharp",
                "MarketSharp",
                "MarketSharp",
                "API key",
                extra=_MARKETSHARP_EXTRA,
                login="Company id (real API)",
            ),
            _source_api(
                "activeprospect",
                "ActiveProspect",
                "ActiveProspect",
                "API token",
                extra='{"profile": "leadconduit", ' + _WEBHOOK_EXTRA.removeprefix("{"),
            ),
            _rest(),
        ],
    }


def _source_api(
    name: str,
    title: str,
    prefix: str,
    secret: str,
    *,
    extra: str | None = None,
    login: str | None = None,
) -> dict[str, Any]:
    """Connection type of a source: its base URL, and the secret that it calls so."""
    placeholders = {"host": "empty: base_url of the source's YAML"}
    if extra is not None:
        placeholders["extra"] = extra
    labels = {"host": "Base URL", "password": secret}
    if login is not None:
        labels["login"] = login
    return {
        "connection-type": name,
        "hook-name": title,
        "hook-class-name": f"crm_warehouse.hooks.{name}.{prefix}Hook",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", *([] if login else ["login"])],
            "relabeling": labels,
            "placeholders": placeholders,
        },
    }


def _rest() -> dict[str, Any]:
    """Connection type of all sources that need no code: the source's file says more."""
    return {
        "connection-type": "crm_rest",
        "hook-name": "REST API of a CRM",
        "hook-class-name": "crm_warehouse.hooks.rest.RestHook",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port"],
            "relabeling": {
                "host": "Base URL",
                "login": "Login, if it has one",
                "password": "API key, token or password",
            },
            "placeholders": {
                "host": "empty: base_url of the source's YAML",
                "extra": '{"source": "name of the source, for Test"}',
            },
        },
    }
