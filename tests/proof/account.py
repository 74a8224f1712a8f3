"""What the books of a warehouse say: the part that no kill may change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

#: Counters that a kill must not move. ``received`` and ``repeated`` may grow
#: together, ``requests`` by what is fetched again.
_KEPT = (
    "records_processed",
    "records_created",
    "records_updated",
    "records_unchanged",
    "records_deleted",
    "records_failed",
    "new_rejects",
)
_JOBS = "SELECT * FROM ops.sync_jobs WHERE id > %s ORDER BY id"
_QUARANTINE = """
    SELECT entity_type, fingerprint, severity, field, error_type, resolved
    FROM ops.sync_errors WHERE fingerprint NOT LIKE 'job:%' ORDER BY 1, 2, 3, 4
"""
_EVENTS = "SELECT state, count(*) FROM staging.webhook_events GROUP BY 1 ORDER BY 1"


@dataclass(frozen=True)
class Account:
    """Books of one warehouse, behind a certain job.

    Attributes:
        jobs: Rows of the jobs since then.
        quarantine: All rejects and warnings, open or not.
        events: Events by their state.
    """

    jobs: list[dict[str, Any]]
    quarantine: Sequence[Any]
    events: Sequence[Any]

    @property
    def is_done(self) -> bool:
        """Whether the first of the jobs came to its end."""
        return bool(self.jobs) and self.jobs[0]["status"] in ("success", "partial")

    def kept(self) -> dict[str, Any]:
        """The first job's counters that no kill may change."""
        return {name: self.jobs[0][name] for name in _KEPT}


def last_job(conninfo: str) -> int:
    """Highest id of a job, or 0."""
    with psycopg.connect(conninfo) as conn:
        row = conn.execute("SELECT coalesce(max(id), 0) FROM ops.sync_jobs").fetchone()
    assert row is not None
    return int(row[0])


def read(conninfo: str, after_job: int) -> Account:
    """The books behind a job."""
    with psycopg.connect(conninfo) as conn:
        jobs = conn.cursor(row_factory=dict_row).execute(_JOBS, [after_job]).fetchall()
        quarantine = conn.execute(_QUARANTINE).fetchall()
        events = conn.execute(_EVENTS).fetchall()
    return Account(jobs, quarantine, events)


def adds_up(job: dict[str, Any]) -> bool:
    """Law 7: every record received is accounted for, once."""
    outcomes = ("created", "updated", "unchanged", "deleted", "failed")
    processed = job["records_processed"]
    return bool(
        job["records_received"] == processed + job["records_repeated"]
        and processed == sum(job[f"records_{name}"] for name in outcomes)
    )


def problems(found: Account, undisturbed: Account, *, was_done: bool) -> list[str]:
    """What the books must not say.

    Args:
        found: Of the warehouse that was struck.
        undisturbed: Of the same load that nothing disturbed.
        was_done: The job had ended when it was struck, so the retry began another.
    """
    wrong = []
    expected_jobs = 2 if was_done else 1
    if len(found.jobs) != expected_jobs:
        wrong.append(f"{len(found.jobs)} jobs instead of {expected_jobs}")
    if not found.is_done:
        return [*wrong, f"the job ended as {[job['status'] for job in found.jobs]}"]
    if found.kept() != undisturbed.kept():
        wrong.append(f"counters {found.kept()} instead of {undisturbed.kept()}")
    wrong += [
        f"the counters of job {job['id']} do not add up"
        for job in found.jobs
        if not adds_up(job)
    ]
    written = ("records_created", "records_updated", "records_deleted", "new_rejects")
    if was_done and any(found.jobs[-1][name] for name in written):
        wrong.append(f"the load after a finished one wrote: {found.jobs[-1]}")
    if found.quarantine != undisturbed.quarantine:
        wrong.append("the quarantine is another than without a kill")
    if found.events != undisturbed.events:
        wrong.append(f"events {found.events} instead of {undisturbed.events}")
    return wrong
