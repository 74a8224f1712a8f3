"""Whole runs of the DAG that merges webhooks; the inbox is real, the engine played."""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import psycopg
import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.timetables.base import TimeRestriction
from airflow.timetables.simple import ContinuousTimetable
from airflow.triggers.base import TriggerEvent
from inbox import Inbox, warehouse_connection
from recorded_sync import RecordedSync, a_result
from sqlalchemy import delete, select

from crm_warehouse.errors import AuthenticationError, SyncDisabledError
from crm_warehouse.operators import watching
from crm_warehouse.operators.webhooks import WebhookSensor

DAG_ID = "hubspot__webhooks"
TOKEN, PASSWORD = "canary-token-of-hubspot", "canary-secret-of-webhooks"
DEADLINE_SECONDS = 20.0


@pytest.fixture
def inbox(
    warehouse: str, airflow_database: None, monkeypatch: pytest.MonkeyPatch
) -> Inbox:
    """An empty inbox, and no runs of the DAG before."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == DAG_ID))
    hubspot = {
        "conn_type": "hubspot",
        "host": "https://hubspot.example.com",
        "password": TOKEN,
        "extra": {"portal_id": 24601, "app_id": "9001", "webhook_secrets": [PASSWORD]},
    }
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(hubspot))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    return Inbox(warehouse)


class RetryIsPendingError(Exception):
    """A test run whose task is up for retry would sleep until that is due."""


def refuse_to_sleep(_: float) -> None:
    raise RetryIsPendingError


@pytest.fixture
def run(bundle: Any, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the DAG once with this engine."""

    def run_once(engine: RecordedSync) -> Any:
        monkeypatch.setattr("crm_warehouse.engine.webhooks.merge_webhooks", engine)
        monkeypatch.setattr("time.sleep", refuse_to_sleep)
        return bundle.dags[DAG_ID].test()

    return run_once


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


@contextmanager
def meanwhile(inbox: Inbox, act: Any) -> Iterator[None]:
    """Act as soon as the trigger waits."""

    pause = threading.Event()

    def wait_and_act() -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not inbox.waiting():
            assert time.monotonic() < deadline
            pause.wait(0.01)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_webhooks_that_are_there_are_merged_at_once(
    inbox: Inbox, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver(announce=False)
    monkeypatch.setattr(WebhookSensor, "defer", lambda *_, **__: pytest.fail("defers"))
    engine = RecordedSync(a_result())

    done = run(engine)

    assert states(done) == {"wait": "success", "merge": "success"}
    [request] = engine.requests
    assert request.source.name == request.source_system == "hubspot"
    assert (request.triggered_by, request.dag_id) == ("airflow", DAG_ID)
    assert request.run_id == done.run_id
    assert (request.portal_id, request.app_id) == ("24601", "9001")


def test_webhooks_that_come_later_wake_the_run(inbox: Inbox, run: Any) -> None:
    engine = RecordedSync(a_result())

    with meanwhile(inbox, inbox.deliver):
        done = run(engine)

    assert states(done) == {"wait": "success", "merge": "success"}
    assert len(engine.requests) == 1


def test_a_run_for_which_none_come_ends_and_merges_nothing(
    bundle: Any, run: Any
) -> None:
    bundle.dags[DAG_ID].get_task("wait").timeout = 0.0
    engine = RecordedSync()

    done = run(engine)

    assert done.state == "success"
    assert states(done) == {"wait": "skipped", "merge": "skipped"}
    assert engine.requests == []


def test_a_warehouse_that_does_not_answer_is_left_to_the_trigger(
    inbox: Inbox, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver(announce=False)

    def refuse(_: str) -> Any:
        raise psycopg.OperationalError("the server is starting up")

    monkeypatch.setattr(psycopg, "connect", refuse)

    done = run(RecordedSync(a_result()))

    assert states(done) == {"wait": "success", "merge": "success"}


def test_a_merge_that_waits_for_quota_goes_on(inbox: Inbox, run: Any) -> None:
    inbox.deliver()
    moment = datetime.now(UTC) + timedelta(seconds=0.2)
    engine = RecordedSync(a_result("waiting", resume_at=moment), a_result())

    done = run(engine)

    assert done.state == "success"
    assert {request.run_id for request in engine.requests} == {done.run_id}
    assert len(engine.requests) == 2


def test_the_tables_that_webhooks_change_get_asset_events(
    inbox: Inbox, run: Any
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    inbox.deliver()
    done = run(RecordedSync(a_result()))

    with create_session() as session:
        query = select(AssetEvent).where(AssetEvent.source_run_id == done.run_id)
        events = session.scalars(query).all()
        names = {event.asset.name for event in events}
        assert {event.extra["job_id"] for event in events} == {42}
    assert {"warehouse.contacts", "warehouse.leads"} <= names


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Until when runs rest; here they go on at once."""
    moments: list[datetime] = []

    async def fire(trigger: DateTimeTrigger) -> AsyncIterator[TriggerEvent]:
        moments.append(trigger.moment)
        yield TriggerEvent(trigger.moment)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(DateTimeTrigger, "run", fire)
    return moments


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (AuthenticationError("401"), "failed"),
        (SyncDisabledError("switched off"), "skipped"),
    ],
)
def test_after_a_run_that_merged_nothing_the_next_one_rests_before_it_looks(
    inbox: Inbox, run: Any, rests: list[datetime], failure: Exception, state: str
) -> None:
    inbox.deliver()

    first = run(RecordedSync(failure))
    assert states(first)["merge"] == state
    assert rests == []
    second = run(RecordedSync(a_result()))

    assert rests == [first.end_date + watching.REST]
    assert states(second) == {"wait": "success", "merge": "success"}


def test_it_does_not_rest_when_its_time_to_rest_is_over(
    inbox: Inbox,
    run: Any,
    rests: list[datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox.deliver()
    run(RecordedSync(AuthenticationError("401")))
    monkeypatch.setattr(watching, "REST", timedelta(0))

    run(RecordedSync(a_result()))

    assert rests == []


def test_it_rests_neither_after_a_merge_nor_after_quiet(
    bundle: Any, inbox: Inbox, run: Any, rests: list[datetime]
) -> None:
    inbox.deliver()
    run(RecordedSync(a_result()))
    inbox.execute("UPDATE staging.webhook_deliveries SET state = 'exploded'")
    wait = bundle.dags[DAG_ID].get_task("wait")
    wait.timeout = 0.0
    quiet = run(RecordedSync())
    inbox.deliver()

    done = run(RecordedSync(a_result()))

    assert states(quiet)["wait"] == "skipped"
    assert done.state == "success"
    assert rests == []


def test_nothing_secret_is_logged_or_stored(
    inbox: Inbox, run: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with meanwhile(inbox, inbox.deliver):
        run(RecordedSync(a_result()))

    written = "".join(capfd.readouterr())
    assert "job 42 success" in written
    warehouse_password = json.loads(warehouse_connection(inbox.conninfo))["password"]
    for secret in (TOKEN, PASSWORD, warehouse_password):
        assert secret not in written


def test_a_run_is_always_open_and_the_next_waits_for_its_end(bundle: Any) -> None:
    dag = bundle.dags[DAG_ID]

    assert dag.schedule == "@continuous"
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert dag.dagrun_timeout > timedelta(seconds=dag.get_task("wait").timeout)
    assert dag.get_task("merge").pool == "default_pool"
    assert dag.get_task("wait").pool == "default_pool"


def test_the_second_run_is_another_one_than_the_first(bundle: Any) -> None:
    start = pendulum.instance(bundle.dags[DAG_ID].start_date)
    next_run = ContinuousTimetable().next_dagrun_info
    limits = TimeRestriction(earliest=start, latest=None, catchup=False)

    first = next_run(last_automated_data_interval=None, restriction=limits)
    assert first is not None
    second = next_run(
        last_automated_data_interval=first.data_interval, restriction=limits
    )

    assert second is not None
    assert first.logical_date
    assert second.logical_date
    assert second.logical_date > first.logical_date
