"""Keeps loads of all CRMs under way, kills, and measures the recovery."""

import os
import random
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from include.local_stack.procfs import Identity
from include.local_stack.state import State
from tests.proof.stack_house import StackHouse
from tests.proof.stack_journal import Kill
from tests.proof.stack_processes import find, new_and_healthy

#: Longer than that a kill is not waited for.
_GIVE_UP_SECONDS = 240.0
#: System -> its entities whose loads take many requests.
_LONG = {
    "genius": ("prospects", "appointments"),
    "hubspot": ("contacts", "deals"),
    "marketsharp": ("contacts", "leads"),
    "activeprospect": ("leads", "events"),
}
_MOVES = (("change", 20), ("create", 3), ("delete", 2))
_UNDER_WAY = """
SELECT run_id, source_system FROM ops.sync_jobs
WHERE status = 'running' AND job_type <> 'webhook'
"""
_JOBS = (
    "SELECT id, run_id, status, chunks, attempt FROM ops.sync_jobs"
    " WHERE run_id = ANY(%s) ORDER BY id"
)
_TASKS = """
SELECT run_id, state, pid FROM task_instance
WHERE run_id = ANY(%s) AND task_id = 'sync'
"""


@dataclass(frozen=True)
class Load:
    """A load at one moment.

    Attributes:
        task: State of its task.
        pid: Process that runs or ran the task.
        job: Status of its job.
        chunks: Chunks that the job has committed.
        attempt: Id of the job and its attempt; greater once another process has it.
    """

    task: str
    pid: int | None
    job: str
    chunks: int
    attempt: tuple[int, int]

    def went_on(self, before: "Load", living: Collection[int]) -> bool:
        """Whether it ended well since then, or is at work again and gets on.

        Args:
            before: The same load at the kill.
            living: Processes in which tasks run now.
        """
        if self.task == "success":
            return True
        if self.task != "running" or self.pid not in living:
            return False
        if self.job in ("success", "partial"):
            return True
        same = self.pid == before.pid
        return self.chunks > before.chunks if same else self.attempt > before.attempt


class Killer:
    """Keeps loads under way and strikes.

    Args:
        house: The stack.
        rng: Decides everything that is left to chance.
        batch: Name of the batch.
    """

    def __init__(self, house: StackHouse, rng: random.Random, batch: str) -> None:
        self._house = house
        self._rng = rng
        self._batch = batch
        self._runs: dict[str, tuple[str, str]] = {}
        self._count = 0

    def strike(self, number: int, victim: str) -> Kill:
        """Kill once and measure the recovery."""
        self._load_everywhere()
        self._move_everywhere()
        self._house.until(self._all_under_way, 120, "four loads under way")
        time.sleep(self._rng.uniform(0.0, 2.0))  # the random moment itself
        struck = self._under_way()
        target = self._find(victim)
        began = time.monotonic()
        os.kill(target.pid, signal.SIGKILL)
        if victim == "supervisor":
            self._house.until(lambda: not target.alive(), 10, "its death", 0.05)
            self._house.stack.up()
        parts, loads = self._recovery(target, struck, began)
        after = self._look(struck)
        repeated = sum(after[run].attempt > struck[run].attempt for run in struck)
        return Kill(number, self._batch, victim, parts, loads, len(struck), repeated)

    def _find(self, victim: str) -> Identity:
        found: list[Identity] = []

        def look() -> bool:
            found[:] = find(self._house.stack.state(), victim)
            return bool(found)

        self._house.until(look, 60, f"a {victim} to kill")
        return self._rng.choice(found)

    def _recovery(
        self, target: Identity, struck: dict[str, Load], began: float
    ) -> tuple[float, float]:
        parts: float | None = None
        loads: float | None = None
        while parts is None or loads is None:
            if time.monotonic() - began > _GIVE_UP_SECONDS:
                break
            state = self._house.stack.state()
            if parts is None and new_and_healthy(state, target):
                parts = time.monotonic() - began
            # Not for good: what the dead part held up later counts as well.
            if not self._went_on(struck, state):
                loads = None
            elif loads is None:
                loads = time.monotonic() - began
            time.sleep(0.25)
        return _seconds(parts), _seconds(loads)

    def _went_on(self, struck: dict[str, Load], state: State) -> bool:
        try:
            loads = self._look(struck)
        except psycopg.OperationalError:
            return False  # the server is the part that died
        living = {runner.pid for runner in find(state, "runner")}
        return all(loads[run].went_on(struck[run], living) for run in struck)

    def _under_way(self) -> dict[str, Load]:
        jobs = _rows(self._house.conninfo, _UNDER_WAY)
        loads = self._look([job["run_id"] for job in jobs])
        return {run: load for run, load in loads.items() if load.task == "running"}

    def _look(self, runs: Collection[str]) -> dict[str, Load]:
        found = _rows(self._house.conninfo, _JOBS, list(runs))
        jobs = {job["run_id"]: job for job in found}
        tasks = _rows(self._house.airflow, _TASKS, list(runs))
        return {
            task["run_id"]: Load(
                task["state"],
                task["pid"],
                job["status"],
                job["chunks"],
                (job["id"], job["attempt"]),
            )
            for task in tasks
            if (job := jobs[task["run_id"]])
        }

    def _all_under_way(self) -> bool:
        self._load_everywhere()
        busy = _rows(self._house.conninfo, _UNDER_WAY)
        return {job["source_system"] for job in busy} == set(_LONG)

    def _load_everywhere(self) -> None:
        """Begin a load in each system that has none."""
        ended = {
            run["run_id"]
            for run in self._house.runs(f"{self._batch}%")
            if run["state"] in ("success", "failed")
        }
        for system, entities in _LONG.items():
            if system in self._runs and self._runs[system][1] not in ended:
                continue
            self._count += 1
            entity = self._rng.choice(entities)
            run_id = f"{self._batch}__{self._count:03}"
            # Mostly full: an increment of so few changes is over at once.
            since = {"since": "2020-01-01T00:00:00Z"}
            conf = self._rng.choice(({"mode": "full"}, {"mode": "full"}, since))
            dag_id = self._house.sources[system].entities[entity].dag_id
            self._house.start(dag_id, run_id, conf)
            self._runs[system] = (dag_id, run_id)

    def _move_everywhere(self) -> None:
        for system, crm in self._house.crms.items():
            for action, count in _MOVES:
                crm.move(self._rng.choice(_LONG[system]), action, count)


def _seconds(measured: float | None) -> float:
    return round(_GIVE_UP_SECONDS if measured is None else measured, 1)


def _rows(conninfo: str, statement: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(conninfo, row_factory=dict_row, connect_timeout=5) as conn:
        return conn.execute(statement, values).fetchall()
