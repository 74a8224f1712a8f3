"""Which client speaks to which source. Light to import: no HTTP library is loaded."""

from collections.abc import Callable

from crm_warehouse import connections
from crm_warehouse.clients.activeprospect import ActiveProspectClient
from crm_warehouse.clients.auth import TokenSource
from crm_warehouse.clients.delivered_leads import (
    CARRIED,
    parse_leadconduit,
    parse_specified,
)
from crm_warehouse.clients.genius import GeniusClient
from crm_warehouse.clients.hubspot import HubSpotClient
from crm_warehouse.clients.hubspot_events import parse_events as parse_hubspot_events
from crm_warehouse.clients.interface import ClientFactory, Gate, SourceClient
from crm_warehouse.clients.leadconduit import LeadConduitClient
from crm_warehouse.clients.marketsharp import MarketSharpClient
from crm_warehouse.clients.marketsharp_odata import MarketSharpODataClient
from crm_warehouse.clients.oauth import OAuthTokens, TokenStore
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.clients.webhook_events import WebhookParser
from crm_warehouse.connections.oauth import OAuthSettings, oauth_settings
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Source

#: Longest wait for a token: other processes wait for its lock meanwhile, and who holds
#: that for long is cut off.
_MOST_TOKEN_SECONDS = 60.0

#: The ``client`` of a source's YAML file, and the class it names.
CLIENTS: dict[str, type[RestClient]] = {
    "genius": GeniusClient,
    "hubspot": HubSpotClient,
    "marketsharp": MarketSharpClient,
    "marketsharp_odata": MarketSharpODataClient,
    "activeprospect": ActiveProspectClient,
    "leadconduit": LeadConduitClient,
    # Whatever else needs no code of its own: its YAML says all.
    "rest": RestClient,
}

#: The same word -> what reads the deliveries of its webhooks.
WEBHOOK_PARSERS: dict[str, WebhookParser] = {
    "hubspot": WebhookParser(parse_hubspot_events),
    "activeprospect": WebhookParser(parse_specified, CARRIED),
    "leadconduit": WebhookParser(parse_leadconduit, CARRIED, drafts=True),
}


def announced(source: Source) -> list[Entity]:
    """Entities whose records the source's webhooks carry, or say to read again."""
    parser = WEBHOOK_PARSERS.get(source.client)
    if parser is None or not parser.carries:
        return source.announced
    return [each for each in source.entities.values() if each.name in parser.carries]


def client_class(source: Source) -> type[RestClient]:
    """The class that speaks to a source.

    Raises:
        ConfigurationError: Unknown client.
    """
    if source.client not in CLIENTS:
        raise ConfigurationError(
            f"source {source.name}: client {source.client!r} is unknown; known are "
            f"{', '.join(sorted(CLIENTS))}"
        )
    return CLIENTS[source.client]


def build_client(
    source: Source, *, base_url: str, token: str | TokenSource, gate: Gate
) -> SourceClient:
    """Client of a source, ready to send.

    Args:
        source: Definition of the source.
        base_url: The connection's host, or ``source.base_url``.
        token: The connection's password; or what gives the token to be sent now.
        gate: Grants quota, tells the time, and waits.

    Raises:
        ConfigurationError: Unknown client, or unusable address or token.
    """
    make = client_class(source)
    # Only here, so that DAG files parse without the HTTP library.
    from crm_warehouse.clients.requests_transport import RequestsTransport

    transport = RequestsTransport(base_url, timeout_seconds=source.timeout_seconds)
    return make(source, base_url=base_url, token=token, gate=gate, transport=transport)


def client_factory(
    source: Source,
    connection: connections.Connection,
    open_store: Callable[[], TokenStore],
) -> ClientFactory:
    """What builds the source's client around a job's gate.

    Args:
        source: Definition of the source.
        connection: Its host is the whole base URL (empty: the one of the YAML), its
            password the key or token; with ``auth: basic`` its login counts too. A
            ``refresh_token`` in its extra means OAuth instead.
        open_store: Where OAuth's tokens are kept; called for such connections only.

    Raises:
        ConfigurationError: The connection has no password, or a bad URL.
    """
    base_url = connections.base_url(connection, source.base_url)
    if (settings := oauth_settings(connection)) is not None:
        return _oauth_factory(source, base_url, settings, open_store())
    token = client_class(source).token_of(source, connection)

    # A closure, not functools.partial: a partial shows the token in its repr.
    def open_client(gate: Gate) -> SourceClient:
        return build_client(source, base_url=base_url, token=token, gate=gate)

    return open_client


def _oauth_factory(
    source: Source, base_url: str, settings: OAuthSettings, store: TokenStore
) -> ClientFactory:
    if source.auth.style != "bearer":
        raise ConfigurationError(
            f"source {source.name}: OAuth goes with auth style bearer, not with"
            f" {source.auth.style}"
        )

    def open_client(gate: Gate) -> SourceClient:
        from crm_warehouse.clients.requests_transport import RequestsTransport

        seconds = min(source.timeout_seconds, _MOST_TOKEN_SECONDS)
        transport = RequestsTransport(settings.token_url, timeout_seconds=seconds)
        tokens = OAuthTokens(settings, store, transport)
        return build_client(source, base_url=base_url, token=tokens, gate=gate)

    return open_client
