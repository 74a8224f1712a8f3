"""When maintenance has something to do: one cheap question, asked again and again."""

from collections.abc import Iterable
from typing import Any

from psycopg import sql

from crm_warehouse.engine import lock
from crm_warehouse.engine.jobs import RESUMABLE
from crm_warehouse.engine.queries import query

#: A job at work holds its lock and says every five seconds that it lives; one whose
#: lock is free and that said nothing for so long is dead. Where only the task was
#: killed, Airflow's own retry has mostly come by then.
DEAD_AFTER_SECONDS = 15.0
#: A task whose wait is over needs a while to get its worker slot.
LATE_AFTER_SECONDS = 60.0
#: Nobody tries a failed job of the command line again; Airflow's last retry comes after
#: 16 minutes.
FAILED_AFTER_SECONDS = 60.0
AIRFLOW_AFTER_SECONDS = 20 * 60.0
#: Tries for a job that gets no chunk further, over about seven hours.
MOST_TRIES = 10
#: Webhooks are merged within seconds, where somebody merges them.
OVERDUE_AFTER_SECONDS = 5 * 60.0
OVERDUE_AGAIN_SECONDS = 15 * 60.0
#: Between two whole rounds.
ROUND_SECONDS = 3600.0

#: Kinds of jobs that can be taken up. A reprocessing is begun anew instead.
_JOB_TYPES = ["incremental", "full", "replay", "webhook"]


def values(sources: Iterable[str], webhook_sources: Iterable[str]) -> dict[str, Any]:
    """What the statements about stale work are asked with.

    Args:
        sources: Source systems to look after.
        webhook_sources: Those of them that announce changes by webhook.
    """
    return {
        "sources": list(sources),
        "webhook_sources": list(webhook_sources),
        "job_types": _JOB_TYPES,
        "resumable": RESUMABLE,
        "dead_after": DEAD_AFTER_SECONDS,
        "cut_after": lock.STALE_AFTER_SECONDS,
        "late_after": LATE_AFTER_SECONDS,
        "failed_after": FAILED_AFTER_SECONDS,
        "airflow_after": AIRFLOW_AFTER_SECONDS,
        "most_tries": MOST_TRIES,
        "overdue_after": OVERDUE_AFTER_SECONDS,
        "again_after": OVERDUE_AGAIN_SECONDS,
        "round_seconds": ROUND_SECONDS,
    }


def stale_jobs() -> sql.Composed:
    """Statement that finds jobs nobody works on."""
    return query("find_stale_jobs")


def overdue_webhooks() -> sql.Composed:
    """Statement that finds webhooks nobody merges."""
    return query("find_overdue_webhooks")


def is_due() -> sql.Composed:
    """Statement that answers in one row: something urgent, the whole round."""
    return query("find_maintenance_due", stale=stale_jobs(), overdue=overdue_webhooks())
