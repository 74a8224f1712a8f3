"""The warehouse as the command line finds it."""

from datetime import datetime
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crm_warehouse import connections
from crm_warehouse.errors import ConfigurationError

#: A person waits; libpq's own patience is minutes.
_CONNECT_SECONDS = 10


def warehouse_conninfo() -> str:
    """Libpq connection string of connection ``crm_warehouse``; holds the password.

    Raises:
        ConfigurationError: The connection is missing or wrong.
    """
    text = connections.conninfo(connections.find("crm_warehouse"))
    if "connect_timeout" in conninfo_to_dict(text):
        return text
    return make_conninfo(text, connect_timeout=_CONNECT_SECONDS)


def begin(conninfo: str) -> datetime:
    """Look whether the warehouse answers and has its tables.

    Returns:
        The warehouse's time.

    Raises:
        ConfigurationError: It has no tables yet.
        psycopg.OperationalError: It does not answer.
    """
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(
            "SELECT clock_timestamp(), to_regclass('ops.sync_jobs')"
        ).fetchone()
    now, jobs = row or (None, None)
    if jobs is None:
        raise no_tables()
    moment: datetime = now
    return moment


def no_tables() -> ConfigurationError:
    """What to say of a database that nobody has migrated."""
    return ConfigurationError(
        "the warehouse has no tables yet; run `python -m crm_warehouse migrate`"
    )


Connection = psycopg.Connection[Any]
