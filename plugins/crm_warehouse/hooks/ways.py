"""Ways into a source, on Airflow's connections."""

from collections.abc import Callable

from airflow.sdk import BaseHook

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.databases import factory as databases
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks.conversion import plain_connection
from crm_warehouse.hooks.registry import hook_of
from crm_warehouse.spec import Source, Via


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
    return hook_of(source).reached(source) if source.profiles else source


def _api(source: Source) -> ClientFactory:
    return hook_of(source).client_factory(source)


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
