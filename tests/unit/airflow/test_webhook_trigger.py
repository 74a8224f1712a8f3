"""The trigger against a real PostgreSQL: it misses nothing and bears restarts."""

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pkgutil import resolve_name
from typing import Any

import psycopg
import pytest
from airflow.triggers.base import TriggerEvent
from inbox import Inbox, warehouse_connection
from psycopg.conninfo import conninfo_to_dict
from structlog.testing import capture_logs

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.triggers import watching, webhooks
from crm_warehouse.triggers.warehouse import connect
from crm_warehouse.triggers.webhooks import WebhookTrigger

HOUR = timedelta(hours=1)
DEADLINE_SECONDS = 20.0


@pytest.fixture
def inbox(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """An inbox that nobody looks into unless told, or called again at once."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    monkeypatch.setattr(webhooks, "_POLL_SECONDS", 3600.0)
    monkeypatch.setattr(watching, "_PAUSE_SECONDS", (0.01, 0.02))
    return Inbox(warehouse)


def trigger(for_: timedelta = HOUR) -> WebhookTrigger:
    return WebhookTrigger("hubspot", datetime.now(UTC) + for_)


async def first_event(waiting: WebhookTrigger) -> TriggerEvent:
    events = [event async for event in waiting.run()]
    assert len(events) == 1
    return events[0]


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


def fires(
    waiting: WebhookTrigger, act: Callable[[], None] | None = None, inbox: Any = None
) -> str:
    """What the trigger says, after ``act`` was done while it waits."""

    async def run() -> str:
        task = asyncio.create_task(first_event(waiting))
        if act is not None:
            await until(inbox.waiting)
            assert not task.done()
            act()
        async with asyncio.timeout(DEADLINE_SECONDS):
            return str((await task).payload)

    return asyncio.run(run())


def test_an_announcement_wakes_it(inbox: Inbox) -> None:
    assert fires(trigger(), inbox.deliver, inbox) == "pending"


@pytest.mark.parametrize(
    ("delivery", "event"), [("pending", None), ("exploded", "pending")]
)
def test_what_is_there_already_needs_no_announcement(
    inbox: Inbox, delivery: str, event: str | None
) -> None:
    inbox.deliver(state=delivery, event=event, announce=False)

    assert fires(trigger()) == "pending"


def test_what_was_not_announced_is_found_by_looking_now_and_then(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_POLL_SECONDS", 0.05)

    found = fires(trigger(), lambda: inbox.deliver(announce=False), inbox)

    assert found == "pending"


def test_what_comes_while_it_looks_is_not_missed(inbox: Inbox) -> None:
    class Unlucky(WebhookTrigger):
        looks = 0

        async def _is_pending(self, conn: psycopg.AsyncConnection[Any]) -> bool:
            found = await super()._is_pending(conn)
            self.looks += 1
            if self.looks == 1:
                inbox.deliver()
            return found

    unlucky = Unlucky("hubspot", datetime.now(UTC) + HOUR)

    assert fires(unlucky) == "pending"
    assert unlucky.looks == 2


def test_with_nothing_for_its_source_it_waits_on(inbox: Inbox) -> None:
    inbox.deliver("another")
    inbox.deliver(state="failed")
    for settled in ("merged", "ignored", "failed"):
        inbox.deliver(state="exploded", event=settled)
    looked = "SELECT query_start FROM pg_stat_activity WHERE pid = %s"

    async def run() -> None:
        task = asyncio.create_task(first_event(trigger()))
        [pid] = await until(inbox.waiting)
        before = inbox.execute(looked, pid)
        inbox.deliver("another")
        await until(
            lambda: inbox.execute(looked, pid) != before and inbox.waiting() == [pid]
        )
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_what_rests_does_not_wake_it_before_its_rest_is_over(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_POLL_SECONDS", 0.05)
    inbox.execute(
        "INSERT INTO ops.webhook_rests VALUES"
        " ('hubspot', 'deals', now(), now() + interval '1 hour', 1, 'guard')"
    )
    inbox.deliver(state="exploded", event="pending", entity="deals", announce=False)
    over = "UPDATE ops.webhook_rests SET until = now()"

    assert fires(trigger(timedelta(seconds=0.3))) == "quiet"
    assert fires(trigger(), lambda: inbox.execute(over), inbox) == "pending"


def test_others_wake_it_while_one_rests(inbox: Inbox) -> None:
    inbox.execute(
        "INSERT INTO ops.webhook_rests VALUES"
        " ('hubspot', 'deals', now(), now() + interval '1 hour', 1, 'guard')"
    )
    inbox.deliver(state="exploded", event="pending", entity="deals", announce=False)

    assert fires(trigger(), inbox.deliver, inbox) == "pending"


def test_a_cut_line_is_made_anew(inbox: Inbox) -> None:
    async def run() -> str:
        task = asyncio.create_task(first_event(trigger()))
        [pid] = await until(inbox.waiting)
        inbox.execute("SELECT pg_terminate_backend(%s)", pid)
        await until(lambda: inbox.waiting() not in ([], [pid]))
        assert not task.done()
        inbox.deliver()
        async with asyncio.timeout(DEADLINE_SECONDS):
            return str((await task).payload)

    assert asyncio.run(run()) == "pending"


def nowhere() -> str:
    """A connection to a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": port})


def test_a_warehouse_that_is_down_is_called_again_where_it_is_by_then(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver()
    good = warehouse_connection(inbox.conninfo)
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", nowhere())

    async def run(entries: list[Any]) -> str:
        task = asyncio.create_task(first_event(trigger()))
        await until(lambda: [e for e in entries if "not answer" in e["event"]])
        monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", good)
        async with asyncio.timeout(DEADLINE_SECONDS):
            return str((await task).payload)

    with capture_logs() as entries:
        assert asyncio.run(run(entries)) == "pending"


@pytest.mark.parametrize("left", [timedelta(0), timedelta(seconds=0.3)])
def test_it_is_quiet_when_its_time_is_over(inbox: Inbox, left: timedelta) -> None:
    assert fires(trigger(left)) == "quiet"


def test_its_time_is_over_even_when_the_warehouse_is_down(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", nowhere())
    monkeypatch.setattr(watching, "_PAUSE_SECONDS", (3600.0, 3600.0))

    assert fires(trigger(timedelta(seconds=0.3))) == "quiet"


def test_a_missing_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CRM_WAREHOUSE", raising=False)

    with pytest.raises(ConfigurationError, match="connection crm_warehouse: does not"):
        fires(trigger())


def test_the_triggerer_can_build_it_from_what_is_stored_and_nothing_is_secret(
    inbox: Inbox,
) -> None:
    original = trigger()
    path, arguments = original.serialize()

    built = resolve_name(path)(**arguments)

    assert path == "crm_warehouse.triggers.webhooks.WebhookTrigger"
    assert arguments == {"source_system": "hubspot", "until": original.until}
    assert built.serialize() == original.serialize()


def test_its_connection_notices_a_server_that_is_gone(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = json.loads(warehouse_connection(warehouse))
    theirs["extra"] = {"connect_timeout": 3}
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", json.dumps(theirs))

    async def settings() -> dict[str, Any]:
        async with await connect("crm_warehouse test") as conn:
            return dict(conninfo_to_dict(conn.info.dsn))

    given = asyncio.run(settings())
    assert (given["connect_timeout"], given["tcp_user_timeout"]) == ("3", "30000")
