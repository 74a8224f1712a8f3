"""Which scheduled runs load everything.

Airflow drops a cron time that falls into a run still at work, into a pause or into an
outage: without catch-up it starts the latest time only. A weekly full run would then
be lost for a week, and with it every deletion. So a scheduled run is full not only at
a time of the full cron, but also when it is the first scheduled run after one, and as
long as the full load of that time never began (``engine/full_loads.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run of the same DAG before the present one.

    Attributes:
        logical_date: Its logical date.
        scheduled: Whether the schedule started it, not a person or program.
    """

    logical_date: datetime
    scheduled: bool


def last_full_time(cron: str, logical_date: datetime) -> datetime:
    """The latest time of the full cron, UTC, that a run of this date has reached."""
    # Imported here: this module is imported whenever a DAG file is parsed.
    from croniter import croniter  # type: ignore[import-untyped]

    after = logical_date + timedelta(seconds=1)
    found: datetime = croniter(cron, after).get_prev(datetime)
    return found


def full_is_due(
    cron: str, logical_date: datetime, earlier: Iterable[EarlierRun]
) -> bool:
    """Whether a scheduled run has to load everything.

    Args:
        cron: Cron of the full runs, UTC.
        logical_date: Aware logical date of the scheduled run.
        earlier: Earlier runs, latest first; read only as far as needed.
    """
    due = last_full_time(cron, logical_date)
    if due == logical_date:
        return True
    for run in earlier:
        if run.logical_date < due:
            return True
        if run.scheduled:
            return False
    return False
