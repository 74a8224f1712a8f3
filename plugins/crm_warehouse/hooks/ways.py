"""Ways into a source, on Airflow's connections."""

from collections.abc import Callable

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.errors import ConfigurationError
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


def _unknown(source: Source) -> ClientFactory:
    raise ConfigurationError(f"{source.name} is loaded by api only")


#: Way in -> what opens it.
_WAYS: dict[Via, Callable[[Source], ClientFactory]] = {
    "api": _api,
    "database": _unknown,
    "csv": _unknown,
}
