"""MarketSharp as Airflow knows it."""

from crm_warehouse.hooks.source_api import SourceApiHook


class MarketSharpHook(SourceApiHook):
    """Connection type ``marketsharp``: base URL and API key."""

    default_conn_name = "marketsharp_default"
    conn_type = "marketsharp"
    hook_name = "MarketSharp"
    source_name = "marketsharp"
