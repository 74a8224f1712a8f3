"""Find a connection without Airflow."""

import os
from collections.abc import Mapping
from pathlib import Path

from crm_warehouse.connections.model import Connection, parse_connection
from crm_warehouse.errors import ConfigurationError

FILE_VARIABLE = "CRM_WAREHOUSE_CONNECTIONS"


def from_environment(
    conn_id: str, environ: Mapping[str, str] = os.environ
) -> Connection | None:
    """The connection of ``AIRFLOW_CONN_<ID>`` (URI or JSON), or None when unset.

    Raises:
        ConfigurationError: The variable cannot be read; its value is not shown.
    """
    variable = _variable(conn_id)
    text = environ.get(variable, "").strip()
    return parse_connection(conn_id, text, variable) if text else None


def find(conn_id: str, environ: Mapping[str, str] = os.environ) -> Connection:
    """The connection of the environment, else of the sealed export.

    Raises:
        ConfigurationError: It is in neither, or cannot be read.
    """
    connection = from_environment(conn_id, environ)
    if connection:
        return connection
    path = sealed_file(environ)
    if path.exists():
        # Only here: cryptography is not needed when the variable is set.
        from crm_warehouse.sealing import open_connections

        connection = open_connections(path, environ).get(conn_id)
    if connection:
        return connection
    raise ConfigurationError(
        f"connection {conn_id!r} is not known: set {_variable(conn_id)} (URI or JSON), "
        "or define it in Airflow and run `python -m crm_warehouse connections export`, "
        f"which writes {path}"
    )


def sealed_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where exported connections are: the variable's path, or the repository's."""
    chosen = environ.get(FILE_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(__file__).parents[3] / ".var" / "connections.sealed"


def _variable(conn_id: str) -> str:
    return f"AIRFLOW_CONN_{conn_id.upper()}"
