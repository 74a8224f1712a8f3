"""Connections as commands find them."""

import os

from crm_warehouse import connections
from crm_warehouse.cli.local_variables import KEY_VARIABLE
from crm_warehouse.errors import ConfigurationError


def find(conn_id: str) -> connections.Connection:
    """The connection of the environment, else of the sealed file.

    Raises:
        ConfigurationError: It is in neither, or cannot be read.
    """
    found = connections.from_environment(conn_id)
    if found:
        return found
    sealed = connections.sealed_file()
    if sealed.exists() and not os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigurationError(
            f"connection {conn_id!r} is not known: set AIRFLOW_CONN_{conn_id.upper()} "
            f"(URI or JSON), or {KEY_VARIABLE} to open {sealed}. The connections of a "
            "stack on this machine are used only where no AIRFLOW_CONN_ variable is set"
        )
    return connections.find(conn_id)
