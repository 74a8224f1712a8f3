"""HubSpot as Airflow knows it."""

from crm_warehouse.hooks.source_api import SourceApiHook


class HubSpotHook(SourceApiHook):
    """Connection type ``hubspot``: base URL and private-app token."""

    default_conn_name = "hubspot_default"
    conn_type = "hubspot"
    hook_name = "HubSpot"
    source_name = "hubspot"
