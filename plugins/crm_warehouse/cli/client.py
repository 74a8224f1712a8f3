"""The client of a source from a connection that needs no Airflow."""

from crm_warehouse.cli.connection import find
from crm_warehouse.clients import registry
from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.clients.oauth import TokenStore
from crm_warehouse.databases import factory as databases
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Source, Via


def client_factory(source: Source, via: Via = "api") -> ClientFactory:
    """What builds the client of a way into a source around a gate.

    Raises:
        ConfigurationError: The connection is missing, or has no password or URL; with
            OAuth also the warehouse's, which keeps the tokens.
    """
    if via == "database":
        return databases.client_factory(source, find(source.database_connection))
    if via == "csv":
        raise ConfigurationError(
            f"{source.name}: nobody knows here where the file of the job is; import it "
            "again by sync --via csv --file"
        )
    return registry.client_factory(source, find(source.connection), _token_store)


def _token_store() -> TokenStore:
    # Only here: few connections log in by OAuth.
    from crm_warehouse.cli.warehouse import warehouse_conninfo
    from crm_warehouse.engine.oauth_tokens import StoredTokens

    return StoredTokens(warehouse_conninfo())
