"""The warehouse as the command line finds it."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crm_warehouse.cli.connection import find
from crm_warehouse.connections import conninfo
from crm_warehouse.errors import ConfigurationError

#: A person waits; libpq's own patience is minutes.
_CONNECT_SECONDS = 10


def warehouse_conninfo() -> str:
    """Libpq connection string of connection ``crm_warehouse``; holds the password.

    Raises:
        ConfigurationError: The connection is missing or wrong.
    """
    text = conninfo(find("crm_warehouse"))
    if "connect_timeout" in conninfo_to_dict(text):
        return text
    return make_conninfo(text, connect_timeout=_CONNECT_SECONDS)


def check_tables(target: str) -> None:
    """Look whether the warehouse answers and has its tables.

    Args:
        target: Its connection string.

    Raises:
        ConfigurationError: It has no tables yet.
        psycopg.OperationalError: It does not answer.
    """
    with psycopg.connect(target) as conn:
        row = conn.execute("SELECT to_regclass('ops.sync_jobs')").fetchone()
    if row is None or row[0] is None:
        raise no_tables()


def no_tables() -> ConfigurationError:
    """What to say of a database that nobody has migrated."""
    return ConfigurationError(
        "the warehouse has no tables yet; run `python -m crm_warehouse migrate`"
    )
