"""The client of a source from a connection that needs no Airflow."""

from crm_warehouse import connections
from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Source


def client_factory(source: Source) -> ClientFactory:
    """What builds the source's client around a gate.

    Raises:
        ConfigurationError: The connection is missing, or has no password or URL.
    """
    connection = connections.find(source.connection)
    base_url = connections.base_url(connection, source.base_url)
    token = connection.password
    if not token:
        raise ConfigurationError(
            f"connection {source.connection!r}: has no password; put the API key or "
            f"token of {source.title} there"
        )
    # A closure, not functools.partial: a partial shows the token in its repr.
    return lambda gate: build_client(source, base_url=base_url, token=token, gate=gate)
