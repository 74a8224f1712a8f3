"""Where the time of a webhook goes between its 200 and its row, by Airflow's clock."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from tests.proof.stack_house import StackHouse

DAG_ID = "hubspot__webhooks"
#: What a webhook waits for, one after the other, and the moment at which each is over.
STAGES = (
    ("a run that waits", "waiting"),
    ("end of wait", "waited"),
    ("place for merge", "queued"),
    ("its process", "started"),
    ("its job", "claimed"),
)
LAST = "the row"
_RUNS = """
SELECT
    m.run_id, coalesce(r.start_date, m.queued_dttm) AS waiting,
    w.end_date AS waited, m.queued_dttm AS queued, m.start_date AS started
FROM task_instance AS m
JOIN task_instance AS w USING (dag_id, run_id)
JOIN dag_run AS r USING (dag_id, run_id)
WHERE dag_id = %s AND m.task_id = 'merge' AND w.task_id = 'wait'
    AND m.start_date IS NOT NULL
"""
_JOBS = "SELECT run_id, started_at FROM ops.sync_jobs WHERE dag_id = %s"

#: Seconds since 1970 by the names in :data:`STAGES`.
Run = Mapping[str, float]


def runs_of(house: StackHouse) -> list[Run]:
    """Moments of each run whose merge has begun, in this order."""
    claimed = {job["run_id"]: job["started_at"] for job in house.rows(_JOBS, DAG_ID)}
    runs = [
        {
            name: _seconds({**run, "claimed": claimed[run["run_id"]]}[name])
            for _, name in STAGES
        }
        for run in house.airflow_rows(_RUNS, DAG_ID)
        if run["run_id"] in claimed
    ]
    return sorted(runs, key=lambda run: run["claimed"])


def stages(
    runs: Sequence[Run], seen: Sequence[tuple[float, float]]
) -> dict[str, float]:
    """Median seconds of each stage.

    What was over when a webhook came cost it nothing.

    Args:
        runs: By when their job was claimed.
        seen: Of each webhook, when it was acknowledged and when its row was there.
    """
    begins = [run["claimed"] for run in runs]
    spans: dict[str, list[float]] = {name: [] for name, _ in STAGES}
    spans[LAST] = []
    for acknowledged, merged in seen:
        run = runs[bisect_right(begins, merged) - 1]
        before = acknowledged
        for name, moment in STAGES:
            until = max(before, run[moment])
            spans[name].append(until - before)
            before = until
        spans[LAST].append(merged - before)
    return {name: median(values) for name, values in spans.items()}


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()
