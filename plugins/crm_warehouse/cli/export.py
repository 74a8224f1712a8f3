"""``connections export``: Airflow's connections, sealed, for programs without it.

The one command that imports Airflow.
"""

import os
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.connections import Connection, sealed_file
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.sealing import Sealer, open_connections, seal_connections
from crm_warehouse.source_files import default_directory, load_sources

_ROOT = Path(__file__).resolve().parents[3]


def run(words: Namespace) -> int:
    """Seal the connections that the sources name, and the warehouse's."""
    sources = load_sources(default_directory()).values()
    wanted = sorted({"crm_warehouse", *(c for s in sources for c in s.connections)})
    path = words.to or sealed_file()
    Sealer.from_environment()  # a missing key is told before Airflow's slow import
    kept = _exported_before(path)
    # Airflow logs to standard output.
    with redirect_stdout(sys.stderr):
        found = {each.id: each for each in _from_airflow(wanted)}
    if not found:
        raise ConfigurationError(
            f"Airflow has none of {', '.join(wanted)}: create them under Admin, "
            "Connections; or AIRFLOW_HOME and AIRFLOW__DATABASE__SQL_ALCHEMY_CONN "
            "point to another Airflow"
        )
    seal_connections({**kept, **found}.values(), path)
    for conn_id in wanted:
        print(f"{conn_id}: {_told(conn_id, found, kept)}")
    print(f"written to {path}")
    return Exit.SUCCESS


def _exported_before(path: Path) -> dict[str, Connection]:
    if not path.exists():
        return {}
    try:
        return open_connections(path)
    except ConfigurationError as error:
        logs.logger.warning("%s; the file is written anew", error)
        return {}


def _told(
    conn_id: str, found: dict[str, Connection], kept: dict[str, Connection]
) -> str:
    if conn_id in found:
        return "exported"
    if conn_id in kept:
        return "not in Airflow; kept as it was exported before"
    return "not in Airflow; left out"


def _from_airflow(conn_ids: list[str]) -> list[Connection]:
    os.environ.setdefault("AIRFLOW_HOME", str(_ROOT))
    from airflow.configuration import ensure_secrets_loaded
    from airflow.sdk.exceptions import AirflowException
    from cryptography.fernet import InvalidToken
    from sqlalchemy.exc import SQLAlchemyError

    # Connection.get_connection_from_secrets calls a connection missing when the
    # database is only out of reach: the backends themselves tell one from the other.
    backends = ensure_secrets_loaded()
    try:
        return [each for conn_id in conn_ids if (each := _look_up(backends, conn_id))]
    except (AirflowException, SQLAlchemyError, InvalidToken, ValueError) as error:
        # Their messages may show the database's address with its password.
        raise ConfigurationError(
            f"Airflow cannot be asked for connections ({type(error).__name__}): "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN and AIRFLOW__CORE__FERNET_KEY must be "
            "those of its servers"
        ) from None


def _look_up(backends: list[Any], conn_id: str) -> Connection | None:
    for backend in backends:
        made = backend.get_connection(conn_id=conn_id)
        if made is not None:
            return _plain(conn_id, made)
    return None


def _plain(conn_id: str, made: Any) -> Connection:
    return Connection(
        conn_id,
        conn_type=made.conn_type or "",
        host=made.host,
        login=made.login,
        password=made.password,
        schema=made.schema,
        port=made.port,
        extra=made.extra_dejson,
    )
