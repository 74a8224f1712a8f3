"""The rows of ``ops.sync_jobs``: begun, resumed, moved on and ended, always fenced."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NoReturn

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from crm_warehouse.clients.tally import Tally
from crm_warehouse.engine.job import JobRequest, Status, SyncResult
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import CrmWarehouseError, FencedError, GuardError

Connection = psycopg.Connection[Any]

#: Failures after which the next sync goes on where the job stopped.
RESUMABLE = ["transient", "incomplete_read", "quota", "internal"]


@dataclass(frozen=True, slots=True)
class Job:
    """One row of ``ops.sync_jobs``; columns as in its migration."""

    id: int
    source_system: str
    entity_type: str
    job_type: str
    via: str
    status: Status
    arguments: dict[str, Any]
    overrides: list[str]
    triggered_by: str
    dag_id: str | None
    run_id: str | None
    attempt: int
    backend_pid: int | None
    started_at: datetime
    heartbeat_at: datetime
    completed_at: datetime | None
    resume_at: datetime | None
    window_start: datetime | None
    window_end: datetime | None
    checkpoint: dict[str, Any] | None
    chunks: int
    records_received: int
    records_repeated: int
    records_processed: int
    records_created: int
    records_updated: int
    records_unchanged: int
    records_deleted: int
    records_absent: int
    records_failed: int
    new_rejects: int
    warnings: int
    requests: int
    retries: int
    faults: int
    throttles: int
    faulted_at: datetime | None
    last_processed_timestamp: datetime | None
    error_type: str | None
    error_message: str | None
    guard: str | None

    @property
    def looked_at(self) -> datetime:
        """What was observed since then may live, though the job does not see it.

        A file says what was true when it was written.
        """
        if self.via == "csv" and self.window_end is not None:
            return self.window_end
        return self.started_at

    def result(self) -> SyncResult:
        """The job's counters as a sync's outcome."""
        ended = self.completed_at or self.heartbeat_at
        return SyncResult(
            job_id=self.id,
            source=self.source_system,
            entity=self.entity_type,
            mode=self.job_type,
            status=self.status,
            records_received=self.records_received,
            records_repeated=self.records_repeated,
            records_processed=self.records_processed,
            records_created=self.records_created,
            records_updated=self.records_updated,
            records_unchanged=self.records_unchanged,
            records_deleted=self.records_deleted,
            records_failed=self.records_failed,
            warnings=self.warnings,
            requests=self.requests,
            duration_seconds=(ended - self.started_at).total_seconds(),
            last_sync_timestamp=self.window_end,
            errors=(self.error_message,) if self.error_message else (),
            resume_at=self.resume_at,
            retries=self.retries,
            new_rejects=self.new_rejects,
            records_absent=self.records_absent,
        )

    def tally(self) -> Tally:
        """Where the counting of its requests goes on."""
        return Tally(
            requests=self.requests,
            retries=self.retries,
            faults=self.faults,
            throttles=self.throttles,
            faulted_at=self.faulted_at,
        )


_COLUMNS = frozenset(field.name for field in fields(Job))


def job_row(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Job]:
    """Row factory that bears columns of a later release on a live database."""
    names = [column.name for column in cursor.description or ()]
    known = [(at, name) for at, name in enumerate(names) if name in _COLUMNS]
    return lambda row: Job(**{name: row[at] for at, name in known})


def change(conn: Connection, statement: str, job: Job, **values: Any) -> Job:
    """Run a fenced statement of ``sql/engine`` that returns the job's row.

    Raises:
        FencedError: A successor owns the job; the caller's transaction must end.
    """
    values |= {"job_id": job.id, "attempt": job.attempt}
    with conn.cursor(row_factory=job_row) as cursor:
        row = cursor.execute(query(statement), values).fetchone()
    return row if row is not None else _fenced(job)


def beat(conn: Connection, job: Job) -> None:
    """Say that the job's process lives; the server ends a session silent for long.

    Raises:
        FencedError: A successor owns the job.
    """
    values = {"job_id": job.id, "attempt": job.attempt}
    if conn.execute(query("heartbeat"), values).fetchone() is None:
        _fenced(job)


def _fenced(job: Job) -> NoReturn:
    raise FencedError(
        f"job {job.id} was taken over by a later attempt than {job.attempt};"
        " this process writes nothing more"
    )


def claim(
    conn: Connection,
    request: JobRequest,
    *,
    arguments: dict[str, Any],
    window_start: datetime | None = None,
    spec: dict[str, Any] | None = None,
    only: int | None = None,
) -> Job:
    """The job to work on: the one to resume, else a new one. Holds the lock already.

    Args:
        conn: Connection in autocommit mode.
        request: What is asked for.
        arguments: What a job to resume must have been begun with.
        window_start: Start of a new job's window.
        spec: Definition of the entity, for ``ops.source_specs``; None: of no one.
        only: The job to resume, and no other; None: whichever there is.

    Raises:
        FencedError: There is another job to work on than ``only``.
    """
    values = {
        "source_system": request.source_system,
        "entity_type": request.entity_type,
        "job_type": request.mode,
        "via": request.via,
        "dag_id": request.dag_id,
        "run_id": request.run_id,
        "try_number": request.try_number,
        "overrides": sorted(request.override),
    }
    with conn.transaction(), conn.cursor(row_factory=job_row) as cursor:
        found = None
        if not request.restart:
            found = cursor.execute(
                query("find_resumable"),
                {
                    **values,
                    "arguments": Jsonb(arguments),
                    "resumable": RESUMABLE,
                    "only": only,
                },
            ).fetchone()
        resumed_id = found.id if found else None
        if only not in (None, resumed_id):
            raise FencedError(f"job {only} is not to be resumed any more")
        cursor.execute(query("supersede_jobs"), {**values, "resumed_id": resumed_id})
        if found:
            cursor.execute(query("resume_job"), {**values, "job_id": found.id})
        else:
            begun = {
                **values,
                "arguments": Jsonb(arguments),
                "triggered_by": request.triggered_by,
                "window_start": window_start,
                "window_end": None,
                **_cleared_window(conn, request, values),
            }
            cursor.execute(query("forget_dead_ids"), values)
            cursor.execute(query("begin_job"), begun)
        job = cursor.fetchone()
        assert job is not None  # noqa: S101  both statements return their row
        if spec is not None:
            conn.execute(
                query("save_spec"), {**values, "spec": Jsonb(spec), "job_id": job.id}
            )
        if found:
            count_metrics(conn, job, found.completed_at)  # its failure is undone
        audit(conn, job, "job.resumed" if found else "job.begun", **_asked(request))
    return job


def _asked(request: JobRequest) -> dict[str, Any]:
    """Who asked for what the guards forbid; {} when nobody did."""
    if not request.override:
        return {}
    return {
        "override": sorted(request.override),
        "triggered_by": request.triggered_by,
        "asked_by": request.asked_by,
        "run_id": request.run_id,
    }


def load(conn: Connection, job_id: int) -> Job | None:
    """The job as it is now, or None."""
    with conn.cursor(row_factory=job_row) as cursor:
        return cursor.execute(query("load_job"), {"job_id": job_id}).fetchone()


def ended(
    conn: Connection, request: JobRequest, arguments: dict[str, Any]
) -> Job | None:
    """The job that an earlier try of this Airflow task brought to its end, or None.

    Its process was killed after the last commit, or maintenance went on with its job.
    """
    if request.try_number is None or request.restart:
        return None
    values = {
        "source_system": request.source_system,
        "entity_type": request.entity_type,
        "job_type": request.mode,
        "via": request.via,
        "dag_id": request.dag_id,
        "run_id": request.run_id,
        "try_number": request.try_number,
        "first_try": request.first_try,
        "arguments": Jsonb(arguments),
    }
    with conn.cursor(row_factory=job_row) as cursor:
        return cursor.execute(query("find_ended"), values).fetchone()


def _cleared_window(
    conn: Connection, request: JobRequest, values: dict[str, Any]
) -> dict[str, Any]:
    """Window of the same Airflow run when it was cleared after its end, or {}."""
    # A run may import several files, each with a time of its own.
    if request.run_id is None or request.via == "csv":
        return {}
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("find_run_window"), values).fetchone() or {}


def spent(job: Job, tally: Tally) -> dict[str, int]:
    """Requests and retries that the job's row does not have yet."""
    return {
        "requests": max(tally.requests - job.requests, 0),
        "retries": max(tally.retries - job.retries, 0),
    }


def _patience(tally: Tally) -> dict[str, Any]:
    """What the next attempt goes on with, lest a dead source be asked for ever."""
    return {
        "faults": tally.faults,
        "throttles": tally.throttles,
        "faulted_at": tally.faulted_at,
    }


def stop(conn: Connection, job: Job, error: BaseException, tally: Tally) -> Job:
    """End the job as failed, with its reason in ``ops.sync_errors``."""
    category = error.category if isinstance(error, CrmWarehouseError) else "internal"
    # Only our own messages are known to be free of personal data.
    message = (
        str(error)
        if isinstance(error, CrmWarehouseError)
        else f"{type(error).__name__}; the stack trace is in ops.sync_errors"
    )
    with conn.transaction():
        stopped = change(
            conn,
            "stop_job",
            job,
            status="failed",
            resume_at=None,
            error_type=category,
            error_message=message,
            guard=error.guard if isinstance(error, GuardError) else None,
            **spent(job, tally),
            **_patience(tally),
        )
        trace = "".join(traceback.format_tb(error.__traceback__))
        conn.execute(
            query("fail_job"),
            {
                "job_id": job.id,
                "error_type": category,
                "error_message": message,
                "stack_trace": trace,
            },
        )
        count_metrics(conn, stopped, stopped.completed_at)
        audit(conn, stopped, "job.failed", error_type=category)
    return stopped


def park(
    conn: Connection, job: Job, resume_at: datetime, reason: str, tally: Tally
) -> Job:
    """Leave the job waiting until ``resume_at``."""
    with conn.transaction():
        parked = change(
            conn,
            "stop_job",
            job,
            status="waiting",
            resume_at=resume_at,
            error_type=None,
            error_message=reason,
            guard=None,
            **spent(job, tally),
            **_patience(tally),
        )
        audit(conn, parked, "job.waiting", resume_at=resume_at.isoformat())
    return parked


def count_metrics(conn: Connection, job: Job, ended_at: datetime | None) -> None:
    """Bring ``ops.sync_metrics`` up to date for the day on which a job ended."""
    if ended_at is None:
        return
    values = {
        "source_system": job.source_system,
        "entity_type": job.entity_type,
        "day": ended_at.astimezone(UTC).date(),
    }
    conn.execute(query("count_metrics"), values)


def audit(conn: Connection, job: Job, action: str, **details: Any) -> None:
    """Append an act of the job to ``ops.audit_log``."""
    details |= {
        "source_system": job.source_system,
        "entity_type": job.entity_type,
        "mode": job.job_type,
        "attempt": job.attempt,
    }
    conn.execute(
        query("audit"),
        {
            "actor": job.triggered_by,
            "action": action,
            "object_type": "sync_job",
            "object_id": str(job.id),
            "details": Jsonb(details),
        },
    )
