"""Twelve loads wait and hold nothing: ``python -m tests.proof.stack_waiting``.

A stack with four worker slots. Genius, HubSpot and MarketSharp refuse all but one
request in three minutes, so all twelve of their DAGs come to wait. While they do, no
slot of the executor or of a pool may be held, and the fourth CRM's DAGs run to their
end as if nothing were. Then the quota is back, and the twelve end by themselves.
"""

import argparse
import subprocess
from typing import Any

from include.local_stack.errors import StackError
from include.sandbox.crm import Crm
from tests.proof.report import Report
from tests.proof.stack_house import StackHouse, enforce_quotas, stack_house

SLOTS = 4
WAITING = ("genius", "hubspot", "marketsharp")
_RUN = "waiting"
_BESIDE = "beside"
_PROSPECTS = 600
#: What is allowed of each quota until it is back.
_TIGHT = {"requests": 1, "per_seconds": 180, "enabled": True}
_PARKED_SECONDS = 400
_OTHERS_SECONDS = 120
_ENDED_SECONDS = 600
_TASKS = """
SELECT dag_id, state, pool FROM task_instance WHERE run_id = %s ORDER BY dag_id
"""
_POOLS = """
SELECT
    p.pool, p.slots,
    count(*) FILTER (WHERE t.state IN ('running', 'queued')
        OR p.include_deferred AND t.state = 'deferred') AS held,
    count(*) FILTER (WHERE t.state = 'deferred') AS deferred
FROM slot_pool AS p
LEFT JOIN task_instance AS t ON t.pool = p.pool
WHERE p.pool = ANY(%s)
GROUP BY p.pool, p.slots, p.include_deferred
ORDER BY p.pool
"""
_JOBS = """
SELECT dag_id, source_system, status, resume_at, resume_at > now() AS later,
    error_message
FROM ops.sync_jobs WHERE run_id = %s
"""


def prove(while_waiting: list[str], report: Report) -> None:
    """Run it.

    Args:
        while_waiting: Command that is given the UI's address and the stack's folder
            while all twelve wait; empty for none.
        report: Is told what was seen.

    Raises:
        StackError: What must come to pass does not.
    """
    with stack_house(_PROSPECTS, AIRFLOW__CORE__PARALLELISM=str(SLOTS)) as house:
        waiting = [
            entity.dag_id
            for name in WAITING
            for entity in house.sources[name].entities.values()
        ]
        for name in WAITING:
            _tighten(house.crms[name])
        for dag_id in waiting:
            house.start(dag_id, _RUN, {"mode": "full"})
        house.until(lambda: _parked(house, waiting), _PARKED_SECONDS, "all waiting")
        _look(house, waiting, report)
        if while_waiting:
            folder = str(house.stack.settings.var)
            subprocess.run([*while_waiting, house.stack.ui_url(), folder], check=True)
        _run_others(house, waiting, report)
        for name in WAITING:
            enforce_quotas(house.crms[name], enabled=False)
        house.until(lambda: house.ended(_RUN), _ENDED_SECONDS, "the end of the twelve")
        report.fail(
            f"{run['dag_id']} is {run['state']}"
            for run in house.runs(_RUN)
            if run["state"] != "success"
        )
        report.fail(house.faults())


def _tighten(crm: Crm) -> None:
    if crm.system == "hubspot":
        crm.configure(retry_after=True)
    crm.configure(quota=_TIGHT)


def _parked(house: StackHouse, dag_ids: list[str]) -> bool:
    """Whether all are deferred, and will be for a while."""
    states = _states(house)
    jobs = {job["dag_id"]: job for job in house.rows(_JOBS, _RUN)}
    return all(
        states.get(dag_id) == "deferred"
        and dag_id in jobs
        and jobs[dag_id]["status"] == "waiting"
        and jobs[dag_id]["later"]
        for dag_id in dag_ids
    )


def _states(house: StackHouse) -> dict[str, Any]:
    return {t["dag_id"]: t["state"] for t in house.airflow_rows(_TASKS, _RUN)}


def _look(house: StackHouse, dag_ids: list[str], report: Report) -> None:
    """Tell why and until when each waits, and what they hold: nothing."""
    held = house.airflow_rows(
        "SELECT dag_id, state FROM task_instance"
        " WHERE state IN ('running', 'queued') AND dag_id = ANY(%s)",
        dag_ids,
    )
    report.fail(f"{task['dag_id']} is {task['state']} while all wait" for task in held)
    pools = {
        pool["pool"]: pool
        for pool in house.airflow_rows(
            _POOLS, [house.sources[name].pool for name in WAITING]
        )
    }
    for job in sorted(house.rows(_JOBS, _RUN), key=lambda job: str(job["dag_id"])):
        pool = pools[f"{job['source_system']}_api"]
        report.add(
            {
                "DAG": job["dag_id"],
                "task": "deferred",
                "job": job["status"],
                "until": f"{job['resume_at']:%H:%M:%S}",
                "why": job["error_message"],
                "slots held of pool": f"{pool['held']} of {pool['slots']}",
            }
        )
        if pool["held"]:
            report.fail([f"pool {pool['pool']} is held"])
        if not job["error_message"]:
            report.fail([f"{job['dag_id']} does not say why it waits"])


def _run_others(house: StackHouse, waiting: list[str], report: Report) -> None:
    """Let the DAGs that need not wait run to their end beside those that do."""
    others = [e.dag_id for e in house.entities if e.dag_id not in waiting]
    for dag_id in others:
        house.start(dag_id, _BESIDE, {"mode": "full"})
    house.until(lambda: house.ended(_BESIDE), _OTHERS_SECONDS, "the others' end")
    for run in house.runs(_BESIDE):
        if run["state"] != "success":
            report.fail([f"{run['dag_id']} is {run['state']} beside those that wait"])
    states = _states(house)
    ended = [dag_id for dag_id in waiting if states[dag_id] == "success"]
    report.fail(f"{dag_id} had ended before the others" for dag_id in ended)


def main() -> None:
    """Run it.

    Raises:
        SystemExit: Something was not as promised.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--while-waiting",
        nargs="+",
        default=[],
        metavar="COMMAND",
        help="is run with the UI's address and the stack's folder while all wait",
    )
    words = parser.parse_args()
    report = Report("stack_waiting", f"Twelve loads wait beside {SLOTS} worker slots")
    try:
        prove(words.while_waiting, report)
    except StackError as error:
        report.fail(str(error).splitlines())
    report.end()


if __name__ == "__main__":
    main()
