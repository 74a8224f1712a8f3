"""A hundred syncs through faults: ``python -m tests.proof.stack_syncs``.

Small syncs of every entity through Airflow, while two of a hundred requests fail: with
5xx, a reset, half a body, or a page of HTML. Every run must end with success, by
itself, and the warehouse must equal the truth in the end.
"""

import argparse
import itertools
import time
from statistics import median
from typing import Any

from include.local_stack.errors import StackError
from tests.proof.oracle import FILLED
from tests.proof.report import Report
from tests.proof.stack_house import StackHouse, stack_house

_PROSPECTS = 3_000
#: Kind of fault and its options; together they strike two of a hundred requests.
_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 503}),
    ("status", {"status": 500}),
    ("reset", {}),
    ("truncate", {"length": "full"}),
    ("html", {}),
)
_PROBABILITY = 0.02
#: Longest time for a run, retries included.
_RUN_SECONDS = 60
_PREFIX = "small-"


def prove(count: int, report: Report) -> None:
    """Run so many syncs.

    Raises:
        StackError: They do not end.
    """
    with stack_house(_PROSPECTS) as house:
        house.run_everything("syncs__begin", 300)
        for crm in house.crms.values():
            crm.admin("DELETE", "/stats")
            for kind, options in _FAULTS:
                share = _PROBABILITY / len(_FAULTS)
                crm.fault(kind, probability=share, **options)
        began = time.monotonic()
        _start_all(house, count)
        house.until(
            lambda: house.ended(f"{_PREFIX}%"),
            count * _RUN_SECONDS,
            f"the end of {count} runs",
            1.0,
        )
        wall = time.monotonic() - began
        _tell(house, wall, report)
        for crm in house.crms.values():
            crm.clear_faults()
        house.run_everything("syncs__end", 300)
        report.fail(house.faults())


def _start_all(house: StackHouse, count: int) -> None:
    """Runs of one DAG queue up behind each other."""
    turns = itertools.cycle(
        (system, entity) for system in FILLED for entity in FILLED[system]
    )
    for number, (system, entity) in enumerate(itertools.islice(turns, count), 1):
        crm = house.crms[system]
        crm.move(entity, "change", 5)
        # Every other one reads all pages, so that faults have more to strike.
        conf = {"mode": "full"} if number % 2 else {}
        dag_id = house.sources[system].entities[entity].dag_id
        house.start(dag_id, f"{_PREFIX}{number:03}", conf)


def _tell(house: StackHouse, wall: float, report: Report) -> None:
    """Tell the figures, and which runs did not end with success."""
    runs = house.runs(f"{_PREFIX}%")
    struck = sum(
        fault["struck"]
        for crm in house.crms.values()
        for fault in crm.admin("GET", "/faults")["faults"]
    )
    requests = sum(crm.stats()["requests"] for crm in house.crms.values())
    tries = house.airflow_rows(
        "SELECT count(*) FILTER (WHERE try_number > 1) AS again FROM task_instance"
        " WHERE run_id LIKE %s",
        f"{_PREFIX}%",
    )[0]["again"]
    seconds = [
        float(job["seconds"])
        for job in house.rows(
            "SELECT extract(epoch FROM completed_at - started_at) AS seconds"
            " FROM ops.sync_jobs WHERE run_id LIKE %s",
            f"{_PREFIX}%",
        )
    ]
    good = sum(run["state"] == "success" for run in runs)
    report.add(
        {
            "runs": len(runs),
            "success": good,
            "requests": requests,
            "failed requests": struck,
            "another try": tries,
            "s a run": round(wall / len(runs), 1),
            "median s of a job": round(median(seconds), 1),
            "longest s": round(max(seconds), 1),
        }
    )
    report.fail(
        f"{run['dag_id']} {run['run_id']} is {run['state']}"
        for run in runs
        if run["state"] != "success"
    )


def main() -> None:
    """Run it.

    Raises:
        SystemExit: Not all ended with success.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--syncs", type=int, default=100)
    words = parser.parse_args()
    report = Report("stack_syncs", f"{words.syncs} syncs through Airflow, with faults")
    try:
        prove(words.syncs, report)
    except StackError as error:
        report.fail(str(error).splitlines())
    report.end()


if __name__ == "__main__":
    main()
