"""The result line of a sync that failed: the job's counters, when there is a job."""

from dataclasses import dataclass, replace
from typing import Any

from crm_warehouse.engine.job import SyncResult

_JOB = "SELECT * FROM ops.sync_jobs WHERE id = %s"


@dataclass(slots=True)
class Attempt:
    """One call of ``sync``.

    Attributes:
        source: Source as given.
        entity: Entity as given, then its contract name.
        mode: Mode.
        conninfo: The warehouse, once it has answered.
        reached: Where the job of this call was last seen; None before it is claimed.
    """

    source: str
    entity: str
    mode: str
    conninfo: str | None = None
    reached: SyncResult | None = None


def failed_line(attempt: Attempt, errors: tuple[str, ...]) -> dict[str, Any]:
    """The contract's JSON object of a sync that did not end well.

    Its ``job_id`` is null when no job was begun.
    """
    reached = attempt.reached and (_now(attempt) or attempt.reached)
    result = replace(reached or nothing(attempt), status="failed", errors=errors)
    return result.as_contract() | ({} if reached else {"job_id": None})


def _now(attempt: Attempt) -> SyncResult | None:
    """The job as the warehouse has it: with what was counted after the last chunk."""
    if attempt.conninfo is None or attempt.reached is None:
        return None
    import psycopg

    from crm_warehouse.engine.jobs import job_row

    try:
        with (
            psycopg.connect(attempt.conninfo) as conn,
            conn.cursor(row_factory=job_row) as cursor,
        ):
            job = cursor.execute(_JOB, [attempt.reached.job_id]).fetchone()
    except psycopg.Error:
        return None  # why the sync failed is known; this only adds counters
    return job.result() if job else None


def nothing(attempt: Attempt) -> SyncResult:
    """The result of a call that began no job: it did nothing, with success."""
    return SyncResult(
        job_id=0,
        source=attempt.source,
        entity=attempt.entity,
        mode=attempt.mode,
        status="success",
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
