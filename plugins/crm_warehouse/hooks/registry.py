"""Which hook belongs to which client."""

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks.activeprospect import ActiveProspectHook
from crm_warehouse.hooks.genius import GeniusHook
from crm_warehouse.hooks.hubspot import HubSpotHook
from crm_warehouse.hooks.marketsharp import MarketSharpHook
from crm_warehouse.hooks.rest import RestHook
from crm_warehouse.hooks.source_api import SourceApiHook
from crm_warehouse.spec import Source

#: ``client`` of a source's definition -> its hook.
HOOKS: dict[str, type[SourceApiHook]] = {
    "genius": GeniusHook,
    "hubspot": HubSpotHook,
    "marketsharp": MarketSharpHook,
    "activeprospect": ActiveProspectHook,
    "rest": RestHook,
}


def hook_of(source: Source) -> SourceApiHook:
    """The hook of a source, on the connection that the source's definition names.

    Raises:
        ConfigurationError: No hook is made for this client.
    """
    hook = HOOKS.get(source.client)
    if hook is None:
        raise ConfigurationError(
            f"source {source.name}: no hook for client '{source.client}'; "
            f"known are {', '.join(sorted(HOOKS))}"
        )
    return hook(source.connection)
