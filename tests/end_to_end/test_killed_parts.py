"""Any process of the stack dies during a load: the load ends right, by itself."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from include.local_stack.state import PartState
from tests.end_to_end.conftest import World
from tests.proof.oracle import compare

pytestmark = [pytest.mark.end_to_end, pytest.mark.proof]

DAG = "genius__prospects"
PARTS = [
    "api-execution",
    "api-core",
    "scheduler",
    "dag-processor",
    "triggerer",
    "receiver",
    "postgres",
    "supervisor",
]
#: Patience for slow machines; docs/proof.md has what it takes.
_ENDS_WITHIN_SECONDS = 420


@pytest.mark.parametrize("part", PARTS)
def test_load_survives_the_death_of(world: World, part: str) -> None:
    world.sandbox.clear_faults()
    world.sandbox.move("prospects", "change", 100)
    world.sandbox.move("prospects", "create", 10)
    world.sandbox.move("prospects", "delete", 5)
    # Twenty pages at one a second: the death falls into the middle of them.
    world.sandbox.fault("latency", seconds=1.0, path="/prospects")
    run = f"kill__{part}__{time.time_ns()}"
    world.api.wait_for_dags([DAG], 120)
    world.api.start(DAG, run, {"mode": "full"})
    _until(lambda: _job(world, run).get("chunks", 0) >= 1, 120)

    began = time.monotonic()
    _kill(world, part)

    _until(lambda: _job(world, run).get("status") == "success", _ENDS_WITHIN_SECONDS)
    job = _job(world, run)
    print(
        f"{part}: done {time.monotonic() - began:.0f} s after the kill,"
        f" attempts {job['attempt']}, pages {job['requests']}"
    )
    assert not compare(world.conninfo, world.sandbox, "prospects")
    world.stack.up()  # a killed supervisor comes back by this; else it changes nothing
    _until(lambda: all(p.health == "healthy" for p in _parts(world)), 120)


def _kill(world: World, part: str) -> None:
    state = world.stack.state()
    identity = (
        state.supervisor
        if part == "supervisor"
        else next(p.identity for p in state.parts if p.name == part)
    )
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)


def _parts(world: World) -> list[PartState]:
    return world.stack.state().parts


def _job(world: World, run_id: str) -> dict[str, Any]:
    import psycopg

    try:
        jobs = world.rows("SELECT * FROM ops.sync_jobs WHERE run_id = %s", run_id)
    except psycopg.OperationalError:
        return {}  # the server is the part that died
    return jobs[0] if jobs else {}


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the awaited state never came"
        time.sleep(0.5)
