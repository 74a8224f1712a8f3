"""What this repository adds to Airflow itself.

Every task process executes this file, so it must stay light: import inside
properties, never at the top.
"""

from airflow.sdk.plugins_manager import AirflowPlugin


class CrmWarehousePlugin(AirflowPlugin):
    """Name under which Airflow lists the plugin."""

    name = "crm_warehouse"
