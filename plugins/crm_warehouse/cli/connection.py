"""Connections as commands find them."""

from crm_warehouse import connections
from crm_warehouse.errors import ConfigurationError


def find(conn_id: str) -> connections.Connection:
    """The connection of the environment, else of the sealed file.

    Raises:
        ConfigurationError: It is in neither, or cannot be read.
    """
    found = connections.look_up(conn_id)
    if found:
        return found
    error = connections.unknown(conn_id)
    if connections.is_locked():
        # The file may be a local stack's, which somebody expects to be used.
        raise ConfigurationError(
            f"{error}. The connections of a stack on this machine are used only where "
            "no AIRFLOW_CONN_ variable is set"
        )
    raise error
