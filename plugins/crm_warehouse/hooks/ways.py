"""Ways into a source, on Airflow's connections.

Not by the hooks of the sources: these are for Airflow's pages, and what they build upon
takes each task longer to import than webhooks of a second take to be merged.
"""

from collections.abc import Callable

from airflow.sdk import BaseHook

from crm_warehouse.clients import registry
from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.clients.oauth import TokenStore
from crm_warehouse.connections.profiles import profile_of
from crm_warehouse.databases import factory as databases
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks.conversion import plain_connection
from crm_warehouse.spec import Source, Via, with_profile


def client_factory(source: Source, via: Via) -> ClientFactory:
    """What builds the client of a way in around a job's gate.

    Raises:
        ConfigurationError: The connection is missing or unusable.
    """
    return _WAYS[via](source)


def reached(source: Source) -> Source:
    """The source with the profile that its connection names.

    Raises:
        ConfigurationError: The connection is missing, or names no known profile.
    """
    if not source.profiles:
        return source
    connection = plain_connection(BaseHook, source.connection)
    return with_profile(source, profile_of(connection))


def token_store() -> TokenStore:
    """Where OAuth's tokens are kept: in the warehouse."""
    # Imported here: few connections use OAuth.
    from crm_warehouse.engine.oauth_tokens import StoredTokens
    from crm_warehouse.hooks.warehouse import WarehouseHook

    return StoredTokens(WarehouseHook().conninfo())


def _api(source: Source) -> ClientFactory:
    connection = plain_connection(BaseHook, source.connection)
    return registry.client_factory(source, connection, token_store)


def _database(source: Source) -> ClientFactory:
    # Any hook: the connection is of a type that Airflow has no package for, perhaps.
    connection = plain_connection(BaseHook, source.database_connection)
    return databases.client_factory(source, connection)


def _file(source: Source) -> ClientFactory:
    raise ConfigurationError(
        f"{source.name}: nobody knows here where the file of the job is; put it into "
        "the drop folder again, or import it by sync --via csv --file"
    )


#: Way in -> what opens it.
_WAYS: dict[Via, Callable[[Source], ClientFactory]] = {
    "api": _api,
    "database": _database,
    "csv": _file,
}
