"""Genius CRM as Airflow knows it."""

from crm_warehouse.hooks.source_api import SourceApiHook


class GeniusHook(SourceApiHook):
    """Connection type ``genius``: base URL and bearer token."""

    default_conn_name = "genius_default"
    conn_type = "genius"
    hook_name = "Genius CRM"
    source_name = "genius"
