"""What a source keeps for a while only: the alarm before it forgets, the word after.

A window that begins where nothing is kept any more reads what is left. That is said and
written down, once for each job, because nobody can see it from what came.
"""

import logging
from datetime import datetime
from typing import NamedTuple

from crm_warehouse.engine import jobs
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.moments import utc_text
from crm_warehouse.spec import Source

_log = logging.getLogger(__name__)


class Behind(NamedTuple):
    """An entity that must be read soon; columns as in ``ops.horizons``."""

    entity_type: str
    watermark: datetime
    lost_at: datetime
    state: str


def note(conn: Connection, source_system: str) -> list[Behind]:
    """Bring the warnings about horizons up to date, and return what they are about."""
    rows = conn.execute(query("note_horizons"), {"source_system": source_system})
    return [Behind(*row) for row in rows.fetchall()]


def watch(conn: Connection, job: Job, source: Source, now: datetime) -> None:
    """Say what of a job's window the source has forgotten, or is about to.

    Args:
        conn: Connection in autocommit mode that holds the entity's lock.
        job: The job, about to read.
        source: Definition to run with.
        now: The warehouse's time.
    """
    if source.horizon is None or source.horizon_alarm is None:
        return
    note(conn, job.source_system)
    begins = _begins(conn, job)
    kept_from = now - source.horizon
    name = f"job {job.id}: {job.source_system} {job.entity_type}"
    if begins is None:
        _log.warning(
            "%s: reads for the first time, and only from %s on: what is older is lost,"
            " for the source keeps %d days",
            *(name, utc_text(kept_from), source.horizon.days),
        )
    elif begins <= kept_from:
        _log.warning(
            "%s: what was recorded from %s to %s and not read is lost: the source keeps"
            " %d days",
            *(name, utc_text(begins), utc_text(kept_from), source.horizon.days),
        )
    elif begins <= now - source.horizon_alarm:
        _log.warning(
            "%s: reads from %s on, %d days ago; from %s on the source forgets what is"
            " still to be read",
            *(name, utc_text(begins), (now - begins).days),
            utc_text(begins + source.horizon),
        )
        return
    else:
        return
    _write_down(conn, job, begins, kept_from)


def _begins(conn: Connection, job: Job) -> datetime | None:
    """From when on the warehouse wants what there is; None: from the beginning."""
    if job.window_start is not None:
        return job.window_start
    row = conn.execute(
        query("load_watermark"),
        {
            "source_system": job.source_system,
            "entity_type": job.entity_type,
            "via": job.via,
        },
    ).fetchone()
    watermark: datetime | None = row[0] if row else None
    return watermark


def _write_down(
    conn: Connection, job: Job, begins: datetime | None, kept_from: datetime
) -> None:
    """Keep for good what is lost, in the audit trail; of one job once a day."""
    row = conn.execute(query("told_horizon"), {"job_id": job.id}).fetchone()
    if row and row[0]:
        return
    jobs.audit(
        conn,
        job,
        "job.horizon",
        lost_from=begins.isoformat() if begins else None,
        lost_until=kept_from.isoformat(),
    )
