"""One writer per (source, entity): a session's advisory lock, and cutting off orphans.

PostgreSQL frees the lock when the session ends, so a killed process needs no clean-up.
What can stay is an orphan: a process that Airflow gave up, stopped or cut off, whose
session lives. Its successor ends that session; the fence of ``ops.sync_jobs`` keeps
the orphan from writing through another one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.rows import dict_row

from crm_warehouse.engine.job import JobRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import SyncConflictError
from crm_warehouse.moments import utc_text

#: A job whose process has not said for so long that it lives is taken for dead, unless
#: its session is at work. Every process says so each five seconds. With maintenance's
#: ten seconds and the start of a task, a stopped one is replaced within a minute.
STALE_AFTER_SECONDS = 30.0
#: How long a sync waits for another one to end before it gives up.
_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.1


@contextmanager
def entity_lock(conn: Connection, request: JobRequest) -> Iterator[None]:
    """Hold the lock of the request's (source, entity).

    Raises:
        SyncConflictError: Another sync of the entity is at work.
    """
    name = _name(request.source_system, request.entity_type)
    row = conn.execute("SELECT hashtextextended(%s, 0)", [name]).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM returns one row
    key = row[0]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _try(conn, key):
        holder = _holder(conn, request, key)
        if holder is not None and _is_orphan(holder, request):
            conn.execute("SELECT pg_terminate_backend(%s)", [holder["pid"]])
        elif time.monotonic() > deadline:
            raise SyncConflictError(_busy(request, holder))
        time.sleep(_POLL_SECONDS)  # the lock cannot be waited for with a limit
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", [key])


def is_free(conn: Connection, source_system: str, entity_type: str) -> bool:
    """Hold the lock to the end of the transaction, if nobody else does."""
    statement = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
    row = conn.execute(statement, [_name(source_system, entity_type)]).fetchone()
    return bool(row and row[0])


def _name(source_system: str, entity_type: str) -> str:
    return f"crm_warehouse:{source_system}:{entity_type}"


def _try(conn: Connection, key: int) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
    return bool(row and row[0])


def _holder(conn: Connection, request: JobRequest, key: int) -> dict[str, Any] | None:
    values = {
        "source_system": request.source_system,
        "entity_type": request.entity_type,
        "key": key,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("find_lock_holder"), values).fetchone()


def _is_orphan(holder: dict[str, Any], request: JobRequest) -> bool:
    if holder["job_id"] is None:
        return False  # it is about to begin its job, or has just ended it
    same_run = request.run_id is not None and (
        (holder["dag_id"], holder["run_id"]) == (request.dag_id, request.run_id)
    )
    is_silent = holder["idle_seconds"] > STALE_AFTER_SECONDS
    return same_run or (is_silent and not holder["is_at_work"])


def _busy(request: JobRequest, holder: dict[str, Any] | None) -> str:
    who = f"{request.source_system} {request.entity_type}"
    if holder is None or holder["job_id"] is None:
        return f"another sync of {who} is at work; try again when it has ended"
    return (
        f"another sync of {who} is at work: job {holder['job_id']}, begun"
        f" {utc_text(holder['started_at'])}; try again when it has ended"
    )
