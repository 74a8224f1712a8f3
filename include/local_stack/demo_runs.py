"""One run of every DAG: started, followed, and explained when it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from crm_warehouse.spec import Entity
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_patience import wait_until
from include.local_stack.demo_screen import Screen
from include.local_stack.errors import StackError

_DAG_SECONDS = 180.0
_RUN_SECONDS = 1800.0
_LATE = f"The runs are not done after {_RUN_SECONDS:.0f} s; see `make logs`."
_TASK = "sync"
_EVER = "2000-01-01T00:00:00Z"
#: Everything since the beginning: the schedule may fire before a run by hand, and
#: then has loaded what that one finds unchanged.
_JOBS = """
SELECT
    source_system, entity_type, dag_id,
    (array_agg(status ORDER BY id DESC))[1] AS status,
    (array_agg(error_message ORDER BY id DESC))[1] AS error_message,
    sum(records_processed) AS records_processed,
    sum(records_created) AS records_created,
    sum(records_updated) AS records_updated,
    sum(records_unchanged) AS records_unchanged,
    sum(records_failed) AS records_failed,
    sum(warnings) AS warnings,
    sum(extract(epoch FROM coalesce(completed_at, heartbeat_at) - started_at))
        AS seconds
FROM ops.sync_jobs
WHERE dag_id IS NOT NULL AND started_at >= %s
GROUP BY source_system, entity_type, dag_id
ORDER BY source_system, min(id)
"""


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one demonstration.

    Attributes:
        run_id: Their common id.
        states: DAG id -> Airflow's state at the end.
        jobs: Counters of each DAG's jobs since the beginning, with ``seconds``.
    """

    run_id: str
    states: dict[str, str]
    jobs: list[dict[str, Any]]

    @property
    def green(self) -> bool:
        """Whether every run is."""
        return all(state == "success" for state in self.states.values())


def run_all(
    api: DemoApi, conninfo: str, entities: Sequence[Entity], screen: Screen
) -> Runs:
    """Start one run of each entity's DAG and wait for all of them.

    Raises:
        StackError: Airflow does not do what it is asked.
    """
    dag_ids = [entity.dag_id for entity in entities]
    api.wait_for_dags(dag_ids, _DAG_SECONDS)
    now = datetime.now(UTC)
    run_id = f"demo__{now:%Y-%m-%dT%H:%M:%S.%f}"
    loaded = _loaded_before(conninfo)
    for entity in entities:
        # Once more everything, so that one sees that a second time changes nothing.
        known = (entity.source, entity.name) in loaded
        api.start(entity.dag_id, run_id, {"since": _EVER} if known else {})
    since = (now - timedelta(minutes=1)).isoformat()
    shown: dict[str, str] = {}
    jobs: list[dict[str, Any]] = []

    def done() -> bool:
        nonlocal jobs
        states = api.states(dag_ids, run_id, since)
        jobs = _jobs(conninfo, now)
        shown.update({dag_id: states.get(dag_id, "queued") for dag_id in dag_ids})
        screen.show(shown, _details(jobs))
        return all(state in ("success", "failed") for state in shown.values())

    wait_until(done, _RUN_SECONDS, lambda: _LATE)
    return Runs(run_id, shown, jobs)


def explain_failures(api: DemoApi, runs: Runs) -> str:
    """Why runs failed: the job's own words, and the end of the task's log."""
    errors = {job["dag_id"]: job["error_message"] for job in runs.jobs}
    texts = []
    for dag_id, state in runs.states.items():
        if state != "success":
            log = "\n".join(f"    {t}" for t in _tail(api, dag_id, runs.run_id))
            reason = errors.get(dag_id) or "no job was begun"
            texts.append(f"{dag_id} failed: {reason}\n{log}")
    return "\n\n".join(texts)


def _tail(api: DemoApi, dag_id: str, run_id: str) -> list[str]:
    try:
        return api.log_tail(dag_id, run_id, _TASK)
    except StackError as error:
        return [str(error)]


def _jobs(conninfo: str, began: datetime) -> list[dict[str, Any]]:
    with psycopg.connect(conninfo, row_factory=dict_row) as conn:
        return conn.execute(_JOBS, [began]).fetchall()


def _loaded_before(conninfo: str) -> set[tuple[str, str]]:
    with psycopg.connect(conninfo) as conn:
        rows = conn.execute("SELECT source_system, entity_type FROM ops.watermarks")
        return set(rows.fetchall())


def _details(jobs: list[dict[str, Any]]) -> dict[str, str]:
    return {
        job["dag_id"]: f"{job['records_processed']:>7,} records  {job['seconds']:.1f} s"
        for job in jobs
    }
