"""ActiveProspect as Airflow knows it."""

from crm_warehouse.hooks.source_api import SourceApiHook


class ActiveProspectHook(SourceApiHook):
    """Connection type ``activeprospect``: base URL and API key."""

    default_conn_name = "activeprospect_default"
    conn_type = "activeprospect"
    hook_name = "ActiveProspect"
    source_name = "activeprospect"
