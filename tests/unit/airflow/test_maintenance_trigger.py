"""The trigger that waits for something to heal, against a real PostgreSQL."""

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pkgutil import resolve_name
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent
from inbox import Inbox, warehouse_connection
from structlog.testing import capture_logs

from crm_warehouse.engine import due
from crm_warehouse.triggers import maintenance, watching
from crm_warehouse.triggers.maintenance import MaintenanceTrigger

HOUR = timedelta(hours=1)
DEADLINE_SECONDS = 20.0
ROUND = (
    "INSERT INTO ops.maintenance_runs (whole, triggered_by, completed_at)"
    " VALUES (true, 'cli', now())"
)
DEAD = """
INSERT INTO ops.sync_jobs
    (source_system, entity_type, job_type, via, status, triggered_by, heartbeat_at)
VALUES (%s, 'deals', 'full', 'api', 'running', 'airflow', now() - interval '1 minute')
"""
WATCHES = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle'
    AND application_name = 'crm_warehouse maintenance watch'
    AND query LIKE '%AS job_id, j.attempt%'
"""


@pytest.fixture
def inbox(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """A warehouse that was looked after a moment ago, and a trigger in a hurry."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    monkeypatch.setattr(maintenance, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(watching, "_PAUSE_SECONDS", (0.01, 0.02))
    inbox = Inbox(warehouse)
    inbox.execute(ROUND)
    return inbox


def trigger(for_: timedelta = HOUR) -> MaintenanceTrigger:
    return MaintenanceTrigger(
        ["genius", "hubspot"], ["hubspot"], datetime.now(UTC) + for_
    )


async def first_event(waiting: MaintenanceTrigger) -> TriggerEvent:
    events = [event async for event in waiting.run()]
    assert len(events) == 1
    return events[0]


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


def fires(inbox: Inbox, act: Callable[[], None]) -> str:
    """What the trigger says, after ``act`` was done while it watched."""

    async def run() -> str:
        task = asyncio.create_task(first_event(trigger()))
        await until(lambda: inbox.execute(WATCHES))
        assert not task.done()
        act()
        async with asyncio.timeout(DEADLINE_SECONDS):
            return str((await task).payload)

    return asyncio.run(run())


def says(waiting: MaintenanceTrigger) -> str:
    return str(asyncio.run(first_event(waiting)).payload)


def test_a_dead_job_wakes_it(inbox: Inbox) -> None:
    assert fires(inbox, lambda: inbox.execute(DEAD, "genius")) == "urgent"


def test_webhooks_that_nobody_merges_wake_it(inbox: Inbox) -> None:
    def forget() -> None:
        inbox.deliver(announce=False)
        inbox.execute(
            "UPDATE staging.webhook_deliveries SET received_at = now() - interval '6m'"
        )

    assert fires(inbox, forget) == "urgent"


def test_the_hour_is_over(inbox: Inbox) -> None:
    def pass_time() -> None:
        inbox.execute(
            "UPDATE ops.maintenance_runs SET started_at = now() - interval '61 minutes'"
        )

    assert fires(inbox, pass_time) == "whole"


def test_the_first_round_is_due_at_once(inbox: Inbox) -> None:
    inbox.execute("DELETE FROM ops.maintenance_runs")

    assert says(trigger()) == "whole"


def test_a_round_that_died_is_repeated_soon_but_not_at_once(inbox: Inbox) -> None:
    inbox.execute("UPDATE ops.maintenance_runs SET completed_at = NULL")
    assert says(trigger(timedelta(seconds=0.3))) == "quiet"

    inbox.execute(
        "UPDATE ops.maintenance_runs SET started_at = now() - interval '6 minutes'"
    )
    assert says(trigger()) == "whole"


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE ops.sync_jobs SET heartbeat_at = now()",
        "UPDATE ops.sync_jobs SET source_system = 'another'",
        "UPDATE ops.sync_jobs SET job_type = 'full', status = 'success'",
        "UPDATE ops.sync_jobs SET status = 'waiting', resume_at = now()",
        "UPDATE ops.sync_jobs SET status = 'failed', completed_at = now(),"
        " error_type = 'transient', run_id = 'r'",
        "INSERT INTO ops.job_recoveries SELECT id, 1, 1, 0, now(), now() + '1m'"
        " FROM ops.sync_jobs",
        "INSERT INTO ops.sync_configurations (name, source_system, entity_type,"
        " is_active) VALUES ('n', 'genius', 'deals', false)",
    ],
)
def test_what_is_not_stale_does_not(inbox: Inbox, act: str) -> None:
    inbox.execute(DEAD, "genius")
    inbox.execute(act)

    assert says(trigger(timedelta(seconds=0.3))) == "quiet"


def test_a_lock_that_is_held_means_life(inbox: Inbox) -> None:
    import psycopg

    inbox.execute(DEAD, "genius")
    with psycopg.connect(inbox.conninfo) as conn:
        conn.execute(
            "SELECT pg_advisory_lock(hashtextextended('crm_warehouse:genius:deals', 0))"
        )
        assert says(trigger(timedelta(seconds=0.3))) == "quiet"
    assert says(trigger()) == "urgent"


def test_a_cut_line_is_made_anew(inbox: Inbox) -> None:
    def cut() -> None:
        inbox.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'crm_warehouse maintenance watch'"
            " AND datname = current_database()"
        )
        inbox.execute(DEAD, "genius")

    assert fires(inbox, cut) == "urgent"


def test_a_warehouse_that_is_down_is_called_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.execute(DEAD, "genius")
    good = warehouse_connection(inbox.conninfo)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    away = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": port})
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", away)

    async def run(entries: list[Any]) -> str:
        task = asyncio.create_task(first_event(trigger()))
        await until(lambda: [e for e in entries if "not answer" in e["event"]])
        monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", good)
        async with asyncio.timeout(DEADLINE_SECONDS):
            return str((await task).payload)

    with capture_logs() as entries:
        assert asyncio.run(run(entries)) == "urgent"


def test_the_triggerer_can_build_it_from_what_is_stored(inbox: Inbox) -> None:
    original = trigger()
    path, arguments = original.serialize()

    assert path == "crm_warehouse.triggers.maintenance.MaintenanceTrigger"
    assert resolve_name(path)(**arguments).serialize() == original.serialize()


def test_looking_costs_next_to_nothing(inbox: Inbox) -> None:
    """With many jobs behind, all done, no more than the unfinished ones are read."""
    inbox.execute(
        "INSERT INTO ops.sync_jobs (source_system, entity_type, job_type, via, status,"
        " triggered_by) SELECT 'genius', 'users', 'full', 'api', 'success', 'cli'"
        " FROM generate_series(1, 20000)"
    )
    inbox.execute("ANALYZE ops.sync_jobs")
    import psycopg

    with psycopg.connect(inbox.conninfo) as conn:
        statement = b"EXPLAIN " + due.is_due().as_bytes(conn)
        plan = conn.execute(statement, due.values(["genius"], ["hubspot"])).fetchall()

    assert "Seq Scan on sync_jobs" not in "\n".join(line for (line,) in plan)


def tables_read(inbox: Inbox) -> set[str]:
    """What the question looks into."""
    import psycopg

    with psycopg.connect(inbox.conninfo) as conn:
        statement = b"EXPLAIN (ANALYZE, FORMAT JSON) " + due.is_due().as_bytes(conn)
        row = conn.execute(statement, due.values([], ["hubspot"])).fetchone()
    assert row is not None
    nodes, found = [row[0][0]["Plan"]], set()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node["Actual Loops"] and "Relation Name" in node:
            found.add(node["Relation Name"])
    return found


def test_while_a_merge_works_the_inbox_is_not_read(inbox: Inbox) -> None:
    """However much waits there."""
    inbox.deliver(event="pending", announce=False)
    tables = {"webhook_deliveries", "webhook_events"}
    assert tables_read(inbox) >= tables

    inbox.execute(
        "INSERT INTO ops.sync_jobs (source_system, entity_type, job_type, via, status,"
        " triggered_by) VALUES ('hubspot', 'webhooks', 'webhook', 'webhook', 'running',"
        " 'cli')"
    )

    assert not tables_read(inbox) & tables
