"""The result line of a sync that failed: the job's counters, when there is a job."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from crm_warehouse.engine.job import SyncResult

_FIND_JOB = """
SELECT * FROM ops.sync_jobs
WHERE source_system = %s AND entity_type = %s AND job_type = %s
    AND greatest(heartbeat_at, completed_at) >= %s
ORDER BY greatest(heartbeat_at, completed_at) DESC
LIMIT 1
"""


@dataclass(slots=True)
class Attempt:
    """One call of ``sync``.

    Attributes:
        source: Source as given.
        entity: Entity as given, then its contract name.
        mode: Mode.
        conninfo: The warehouse, once it has answered.
        began: The warehouse's time then.
    """

    source: str
    entity: str
    mode: str
    conninfo: str | None = None
    began: datetime | None = None


def failed_line(attempt: Attempt, errors: tuple[str, ...]) -> dict[str, Any]:
    """The contract's JSON object of a sync that did not end well.

    Its ``job_id`` is null when no job was begun.
    """
    found = _find_job(attempt)
    result = found or _nothing(attempt)
    line = replace(result, status="failed", errors=errors).as_contract()
    return line if found else {**line, "job_id": None}


def _find_job(attempt: Attempt) -> SyncResult | None:
    """The job of this attempt: the entity's lock lets no other one move meanwhile."""
    if attempt.conninfo is None:
        return None
    import psycopg
    from psycopg.rows import class_row

    from crm_warehouse.engine.jobs import Job

    values = (attempt.source, attempt.entity, attempt.mode, attempt.began)
    try:
        with (
            psycopg.connect(attempt.conninfo) as conn,
            conn.cursor(row_factory=class_row(Job)) as cursor,
        ):
            job = cursor.execute(_FIND_JOB, values).fetchone()
    except psycopg.Error:
        return None  # why the sync failed is known; this only adds counters
    return job.result() if job else None


def _nothing(attempt: Attempt) -> SyncResult:
    return SyncResult(
        job_id=0,
        source=attempt.source,
        entity=attempt.entity,
        mode=attempt.mode,
        status="failed",
        records_received=0,
        records_repeated=0,
        records_processed=0,
        records_created=0,
        records_updated=0,
        records_unchanged=0,
        records_deleted=0,
        records_failed=0,
        warnings=0,
        requests=0,
        duration_seconds=0.0,
        last_sync_timestamp=None,
        errors=(),
    )
