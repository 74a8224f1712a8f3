"""SIGKILL at any moment, then the same command again: nothing lost, nothing twice."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, generous_sources
from tests.proof.oracle import compare

PAGES = 200
#: 2,500 records of a chunk and 2,400 read ahead, at 100 a page, the page that tells the
#: place, and the request that was on its way.
ONE_CHUNK = 50 + 1
KILLS = 10


@pytest.fixture(scope="module")
def large_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(prospects=PAGES * 100, quota=False)) as server:
        yield server


@pytest.fixture
def command(
    warehouse: str, large_sandbox: SandboxServer, tmp_path: Path
) -> CommandLine:
    large_sandbox.reset()
    large_sandbox.configure(quota={"enabled": False})
    # Slow enough for the kills to fall into the load, not behind it.
    large_sandbox.fault("latency", seconds=0.004, path="/prospects")
    return CommandLine(warehouse, large_sandbox, generous_sources(tmp_path))


def test_killed_at_random_moments_ends_equal_to_the_source(
    command: CommandLine,
) -> None:
    rng = random.Random(20261123)
    words = ("sync", "--source", "genius", "--entity", "prospects", "--mode", "full")
    killed = 0
    for _ in range(KILLS):
        requests = command.sandbox.stats()["requests"]
        with command.start(*words) as process:
            # From the first request on, anywhere in what one attempt takes.
            _until(
                process,
                lambda seen=requests: command.sandbox.stats()["requests"] > seen,
            )
            time.sleep(rng.uniform(0.0, 0.5))  # the random moment itself
            process.kill()
            killed += process.wait() == -9
    assert killed == KILLS

    end = command.sync("prospects", "--mode", "full")

    assert end.status == 0, end.errors
    result = end.result
    assert result["records_created"] == result["records_processed"] == PAGES * 100
    assert not compare(command.conninfo, command.sandbox, "prospects")
    wasted = command.sandbox.stats()["requests"] - PAGES
    assert wasted <= KILLS * ONE_CHUNK
    with psycopg.connect(command.conninfo) as conn:
        row = conn.execute(
            "SELECT count(*), max(attempt) FROM ops.sync_jobs"
        ).fetchone()
    assert row is not None
    assert row[0] == 1
    assert row[1] > 1


def test_killed_after_each_chunk_fetches_at_most_one_again(
    command: CommandLine,
) -> None:
    words = ("sync", "--source", "genius", "--entity", "prospects")
    for chunk in (1, 3):
        with command.start(*words) as process:
            _until(process, lambda chunk=chunk: _chunks(command) >= chunk)
            process.kill()
    with psycopg.connect(command.conninfo) as conn:
        row = conn.execute("SELECT records_created FROM ops.sync_jobs").fetchone()
    assert row is not None
    command.sandbox.admin("DELETE", "/stats")

    end = command.sync("prospects")

    assert end.status == 0
    # The page before the rest tells that the place is still the same.
    assert command.sandbox.stats()["requests"] == PAGES - row[0] // 100 + 1
    assert not compare(command.conninfo, command.sandbox, "prospects")


def _chunks(command: CommandLine) -> int:
    with psycopg.connect(command.conninfo) as conn:
        row = conn.execute("SELECT max(chunks) FROM ops.sync_jobs").fetchone()
    return (row and row[0]) or 0


def _until(
    process: subprocess.Popen[str], condition: Callable[[], bool], seconds: float = 30
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the awaited state never came"
        time.sleep(0.005)
