"""Case 25: a process that was given up, and wakes when its successor has finished.

Real command lines, stopped with SIGSTOP and woken with SIGCONT.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from crm_warehouse.engine.job import SyncResult
from include.sandbox.server import SandboxServer
from tests.proof.command import CommandLine, generous_sources
from tests.proof.house import Open
from tests.proof.oracle import compare

WORDS = ("sync", "--source", "genius", "--entity", "prospects", "--mode", "full")
PATIENCE_SECONDS = 60.0
#: The heartbeat of a process that stopped long ago.
AGE = "UPDATE ops.sync_jobs SET heartbeat_at = heartbeat_at - interval '5 minutes'"
SLEEPER = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'crm_warehouse genius prospects'"
)


@pytest.fixture
def command(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> CommandLine:
    return CommandLine(warehouse, sandbox, generous_sources(tmp_path))


def rows(command: CommandLine, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(command.conninfo) as conn:
        cursor = conn.execute(statement)
        return cursor.fetchall() if cursor.description else []


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the awaited state never came"
        time.sleep(0.02)


def given_up_and_woken(
    command: CommandLine, orphan: subprocess.Popen[str]
) -> tuple[int, str]:
    """A successor finishes the stopped process's job, then the process wakes."""
    rows(command, AGE)
    successor = command.run(*WORDS)
    assert successor.status == 0, successor.errors
    assert successor.result["status"] == "success"
    assert not compare(command.conninfo, command.sandbox, "prospects")

    orphan.send_signal(signal.SIGCONT)
    _, errors = orphan.communicate(timeout=PATIENCE_SECONDS)
    return orphan.returncode, errors


def everything(command: CommandLine) -> list[list[tuple[object, ...]]]:
    """Every row that a load may write, with its place and its writer."""
    tables = ("raw.genius_prospects", "warehouse.contacts", "ops.sync_jobs")
    return [
        rows(command, f"SELECT ctid, xmin::text FROM {t} ORDER BY 1") for t in tables
    ]


def test_an_orphan_asleep_between_two_chunks_writes_nothing_more(
    command: CommandLine,
) -> None:
    """It waits for an answer when it is stopped; what it wakes to is a lost job."""
    command.sandbox.fault("latency", seconds=3, query={"page": 4}, count=1)
    with command.start(*WORDS) as orphan:
        until(lambda: rows(command, "SELECT 1 FROM ops.sync_jobs WHERE chunks > 0"))
        orphan.send_signal(signal.SIGSTOP)
        before = rows(command, "SELECT records_created FROM ops.sync_jobs")
        assert before[0][0] == 300

        status, errors = given_up_and_woken(command, orphan)
        after = everything(command)

    assert status != 0
    assert "Traceback" not in errors
    assert everything(command) == after
    assert rows(
        command, "SELECT status, attempt, records_created FROM ops.sync_jobs"
    ) == [("success", 2, 600)]
    assert not compare(command.conninfo, command.sandbox, "prospects")


def test_an_orphan_asleep_inside_a_transaction_is_cut_off(
    command: CommandLine,
) -> None:
    """It holds locks on rows that its successor needs."""
    command.sandbox.fault("latency", seconds=3, query={"page": 4}, count=1)
    begun = "SELECT 1 FROM ops.sync_jobs WHERE window_end IS NOT NULL"
    # The chunk has merged its rows and waits for its job's row.
    with psycopg.connect(command.conninfo) as holder, command.start(*WORDS) as orphan:
        until(lambda: rows(command, begun))
        holder.execute("SELECT FROM ops.sync_jobs FOR UPDATE")
        until(lambda: rows(command, f"{SLEEPER} AND wait_event_type = 'Lock'"))
        (pid,) = rows(command, SLEEPER)[0]
        orphan.send_signal(signal.SIGSTOP)
        holder.rollback()
        until(lambda: rows(command, f"{SLEEPER} AND state LIKE 'idle in transaction'"))

        status, errors = given_up_and_woken(command, orphan)

    assert status != 0
    assert "Traceback" not in errors
    assert rows(command, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}") == []
    assert rows(command, "SELECT status, attempt FROM ops.sync_jobs") == [
        ("success", 2)
    ]
    assert not compare(command.conninfo, command.sandbox, "prospects")


def test_an_orphan_whose_log_nobody_reads_goes_on(open_house: Open) -> None:
    house = open_house("genius")

    def log(_: SyncResult) -> None:
        raise BrokenPipeError

    assert house.sync("prospects", "full", progress=log).status == "success"
    assert not compare(house.conninfo, house.sandbox, "prospects")
