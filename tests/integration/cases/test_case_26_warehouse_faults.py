"""Case 26: PostgreSQL fails a load in the middle, in each way and each phase.

Every failure leaves a job that the next sync resumes, and a warehouse that in the end
equals the source.
"""

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import finish, jobs, reading
from crm_warehouse.engine.migrations import migrate
from crm_warehouse.engine.row_merge import RowMerge
from crm_warehouse.spec import Source
from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from tests.proof.house import House
from tests.proof.oracle import compare

PATIENCE_SECONDS = 60.0
#: Phase -> the function of the engine in which it happens, when called so often.
PHASES: dict[str, tuple[Any, str, int]] = {
    "claim": (jobs, "_cleared_window", 1),
    "first answer": (reading.Reader, "_begin", 1),
    "copy": (RowMerge, "copy", 2),
    "merge": (RowMerge, "merge", 2),
    "checkpoint": (jobs, "change", 3),
    "heartbeat": (reading.Reader, "_write", 2),
    "end": (finish, "check_counters", 1),
}
#: What PostgreSQL may answer -> a statement that makes it answer so.
ERRORS = {
    "deadlock": ("40P01", psycopg.errors.DeadlockDetected),
    "serialization": ("40001", psycopg.errors.SerializationFailure),
    "lock timeout": ("55P03", psycopg.errors.LockNotAvailable),
    "disk full": ("53100", psycopg.errors.DiskFull),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)


def once(
    patch: pytest.MonkeyPatch, where: Any, name: str, call: int, action: Any
) -> None:
    """Do something just before the n-th call of a function."""
    work, calls = getattr(where, name), [0]

    def watched(*arguments: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            action()
        return work(*arguments, **more)

    patch.setattr(where, name, watched)


def in_the_middle_of_the_copy(patch: pytest.MonkeyPatch, action: Any) -> None:
    """Do something when half of the second chunk's rows have been copied."""
    work, calls = RowMerge.copy, [0]

    def copy(merge: Any, cursor: Any, made: Any, **more: Any) -> None:
        calls[0] += 1

        def cut() -> Iterator[Any]:
            for number, each in enumerate(made):
                if calls[0] == 2 and number == 100:
                    action()
                yield each

        work(merge, cursor, cut(), **more)

    patch.setattr(RowMerge, "copy", copy)


def resumed(house: House, *, jobs_held: int = 1) -> None:
    """The next sync goes on, and everything adds up."""
    begun = house.rows("SELECT id FROM ops.sync_jobs")

    result = house.sync("prospects", "full")

    assert result.status == "success"
    if begun:
        assert result.job_id == begun[-1]["id"]
    assert house.value("SELECT count(*) FROM ops.sync_jobs") == jobs_held
    assert result.records_processed == result.records_created == 600
    assert result.records_received == 600 + result.records_repeated
    assert not compare(house.conninfo, house.sandbox, "prospects")


@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_that_an_administrator_ends(
    house: House, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    def end() -> None:
        house.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND application_name = 'crm_warehouse genius prospects'"
        )

    with monkeypatch.context() as patch:
        once(patch, *PHASES[phase], end)
        run = {"run_id": "r", "dag_id": "d"} if phase == "claim" else {}
        with pytest.raises(psycopg.OperationalError):
            house.sync("prospects", "full", **run)

    resumed(house)


@pytest.mark.parametrize("error", ERRORS)
def test_a_statement_that_postgresql_gives_up(
    house: House, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """In the second chunk's merge: the first is kept, the second leaves nothing."""
    code, kind = ERRORS[error]
    house.rows(
        "CREATE FUNCTION pg_temp_fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = TG_ARGV[0]; END $$"
    )
    trigger = (
        "CREATE TRIGGER fail BEFORE INSERT ON warehouse.contacts FOR EACH STATEMENT"
        f" EXECUTE FUNCTION pg_temp_fail('{code}')"
    )
    with monkeypatch.context() as patch:
        once(patch, RowMerge, "copy", 2, lambda: house.rows(trigger))
        with pytest.raises(kind):
            house.sync("prospects", "full")

    (job,) = house.rows("SELECT * FROM ops.sync_jobs")
    assert (job["status"], job["records_created"]) == ("failed", 200)
    assert house.value("SELECT count(*) FROM warehouse.contacts") == 200
    assert house.value("SELECT count(*) FROM raw.genius_prospects") == 200
    house.rows("DROP TRIGGER fail ON warehouse.contacts")
    resumed(house)


def test_a_real_deadlock_costs_one_side_its_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator updates rows in the other order while a chunk is written."""
    house.sync("prospects", "full")
    house.sandbox.move("prospects", "change", 600)
    first, last = house.rows(
        "SELECT id FROM warehouse.contacts WHERE id IN ((SELECT min(id) FROM"
        " warehouse.contacts), (SELECT max(id) FROM warehouse.contacts)) ORDER BY id"
    )
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 4_000)
    lost: list[BaseException] = []

    with psycopg.connect(house.conninfo) as other:
        hold = "SELECT FROM warehouse.contacts WHERE id = %s FOR UPDATE"
        other.execute(hold, [last["id"]])

        def load() -> None:
            try:
                house.sync("prospects", "full")
            except psycopg.errors.DeadlockDetected as error:
                lost.append(error)

        writer = threading.Thread(target=load)
        writer.start()
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        _until(lambda: house.value(waits) == 1)
        try:
            other.execute(hold, [first["id"]])
        except psycopg.errors.DeadlockDetected as error:
            lost.append(error)
            other.rollback()
        other.rollback()
        writer.join(PATIENCE_SECONDS)

    assert len(lost) == 1
    assert house.sync("prospects", "full").status == "success"
    assert not compare(house.conninfo, house.sandbox, "prospects")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module, to be crashed."""
    folder = Path(tempfile.mkdtemp(prefix="crm-test-"))
    folder.chmod(0o755)
    words = {name: secrets.token_hex(16) for name in ("postgres", "crm_warehouse")}
    server = Postgres(folder / "postgres", words, preferred_port=27433)
    try:
        server.start()
        server.create_role("crm_warehouse", words["crm_warehouse"])
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_a_server_that_restarts_while_rows_are_copied(
    server: Postgres,
    sandbox: SandboxServer,
    genius: Source,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    name = f"warehouse_{how}"
    server.create_database(name, "crm_warehouse")
    migrate(server.conninfo(name, "crm_warehouse"))
    house = House(server.conninfo(name, "crm_warehouse"), sandbox, genius)

    with monkeypatch.context() as patch:
        in_the_middle_of_the_copy(patch, getattr(server, how))
        with pytest.raises(psycopg.OperationalError):
            house.sync("prospects", "full")
    server.start()

    house = House(server.conninfo(name, "crm_warehouse"), sandbox, genius)
    (job,) = house.rows("SELECT status, records_created FROM ops.sync_jobs")
    assert (job["status"], job["records_created"]) == ("running", 200)
    resumed(house)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the awaited state never came"
        time.sleep(0.02)
