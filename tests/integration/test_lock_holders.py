"""Who holds an entity's lock: a process at work is waited for, a stopped one is not."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import lock
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.errors import SyncConflictError
from tests.proof.house import House

SILENT = "UPDATE ops.sync_jobs SET heartbeat_at = heartbeat_at - interval '5 minutes'"
AT_WORK = "SELECT ops.is_at_work(%s)"
SESSION = "SELECT * FROM pg_stat_activity WHERE pid = %s"


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_in_a_long_statement_is_not_cut_off(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot say that it lives before its transaction has ended."""
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.5)
    results: list[Any] = []
    prospects = house.source.entities["prospects"]
    request = SyncRequest(house.source, prospects, "genius", "incremental")
    load = threading.Thread(target=lambda: results.append(house.sync("prospects")))
    with psycopg.connect(house.conninfo) as other:
        hold_rows(other, source_system="genius", entity_type="prospects")
        load.start()
        until(
            lambda: house.rows(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
        )
        house.rows(SILENT)

        with (
            psycopg.connect(house.conninfo, autocommit=True) as conn,
            pytest.raises(SyncConflictError, match="job 1"),
            lock.entity_lock(conn, request),
        ):
            pytest.fail("the lock was taken from a process at work")
        assert house.rows("SELECT attempt FROM ops.sync_jobs") == [{"attempt": 1}]
    load.join(60)

    assert [result.status for result in results] == ["success"]


def test_a_process_that_takes_nothing_from_postgresql_is_not_at_work(
    house: House,
) -> None:
    """Stopped in the middle of a statement, it leaves the statement active for ever."""
    rows = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    with psycopg.connect(house.conninfo, autocommit=True) as stopped:
        pid = stopped.info.backend_pid
        assert house.value(AT_WORK, pid) is False  # idle
        with stopped.cursor().copy(f"COPY ({rows}) TO STDOUT"):
            until(lambda: house.rows(SESSION, pid)[0]["wait_event"] == "ClientWrite")

            assert house.rows(SESSION, pid)[0]["state"] == "active"
            assert house.value(AT_WORK, pid) is False
            house.rows("SELECT pg_terminate_backend(%s)", pid)
            stopped.close()


@pytest.mark.parametrize(("minutes", "expected"), [(9, True), (11, False)])
def test_nobody_is_at_work_on_one_statement_for_ever(
    warehouse: str, minutes: int, expected: bool
) -> None:
    """After ten minutes it is as if the process was stopped."""
    with psycopg.connect(warehouse) as conn:
        # Temporary names come before those of the system.
        conn.execute(
            "CREATE TEMPORARY VIEW pg_stat_activity AS SELECT pid, state,"
            f" wait_event_type, query_start - interval '{minutes} min' AS query_start"
            " FROM pg_catalog.pg_stat_activity"
        )
        row = conn.execute("SELECT ops.is_at_work(pg_backend_pid())").fetchone()

    assert row == (expected,)
