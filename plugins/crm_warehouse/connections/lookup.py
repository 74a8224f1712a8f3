"""Find a connection without Airflow."""

import os
from collections.abc import Mapping
from pathlib import Path

from crm_warehouse.connections.model import Connection, parse_connection
from crm_warehouse.errors import ConfigurationError

FILE_VARIABLE = "CRM_WAREHOUSE_CONNECTIONS"
#: Opens the file. Here and not in ``sealing``, whose import costs more.
KEY_VARIABLE = "CRM_WAREHOUSE_SEALING_KEY"


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


def look_up(conn_id: str, environ: Mapping[str, str] = os.environ) -> Connection | None:
    """The connection of the environment, else of the sealed export, or None.

    Raises:
        ConfigurationError: It is there, but cannot be read.
    """
    connection = from_environment(conn_id, environ)
    path = sealed_file(environ)
    if connection or not path.exists() or is_locked(environ):
        return connection
    # Only here: cryptography is not needed when the variable is set.
    from crm_warehouse.sealing import open_connections

    return open_connections(path, environ).get(conn_id)


def find(conn_id: str, environ: Mapping[str, str] = os.environ) -> Connection:
    """The same, where it must be known.

    Raises:
        ConfigurationError: It is in neither, or cannot be read.
    """
    connection = look_up(conn_id, environ)
    if connection is None:
        raise unknown(conn_id, environ)
    return connection


def unknown(
    conn_id: str, environ: Mapping[str, str] = os.environ
) -> ConfigurationError:
    """What to say of a connection that nobody has set."""
    path = sealed_file(environ)
    how = (
        f"{KEY_VARIABLE} to open {path}"
        if is_locked(environ)
        else "define it in Airflow and run `python -m crm_warehouse connections "
        f"export`, which writes {path}"
    )
    return ConfigurationError(
        f"connection {conn_id!r} is not known: set {_variable(conn_id)} (URI or JSON), "
        f"or {how}"
    )


def is_locked(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there is a sealed export, but no key to open it."""
    has_key = bool(environ.get(KEY_VARIABLE, "").strip())
    return not has_key and sealed_file(environ).exists()


def sealed_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where exported connections are: the variable's path, or the repository's."""
    chosen = environ.get(FILE_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(__file__).parents[3] / ".var" / "connections.sealed"


def _variable(conn_id: str) -> str:
    return f"AIRFLOW_CONN_{conn_id.upper()}"
