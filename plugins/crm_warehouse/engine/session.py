"""The session in which a job, or maintenance, works on the warehouse."""

import psycopg

from crm_warehouse.engine.gate import with_options
from crm_warehouse.engine.jobs import Connection

#: An orphan that sits on rows or on the lock is cut off by the server itself.
#: Compiling statements (jit) takes longer than they run.
SESSION_OPTIONS = (
    "-c idle_in_transaction_session_timeout=60s -c idle_session_timeout=120s -c jit=off"
)


def open_session(conninfo: str, name: str) -> Connection:
    """A connection in autocommit mode that bears a migration beside it.

    Nothing is prepared: a prepared ``RETURNING *`` fails for ever after a migration has
    added a column, and chunks are too few to gain by it.

    Args:
        conninfo: libpq connection string of the warehouse.
        name: Whose it is, for ``pg_stat_activity``.
    """
    return psycopg.connect(
        conninfo,
        autocommit=True,
        prepare_threshold=None,
        application_name=f"crm_warehouse {name}",
        options=with_options(conninfo, SESSION_OPTIONS),
    )
