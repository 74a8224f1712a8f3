"""Whole runs of the DAGs that heal; the warehouse is real, the loads are played."""

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.triggers.base import TriggerEvent
from inbox import Inbox, warehouse_connection
from recorded_sync import RecordedSync, a_result
from sqlalchemy import delete, select

from crm_warehouse.errors import FencedError
from crm_warehouse.operators import watching

DAG_ID, RECOVER = "warehouse__maintenance", "genius__recover"
ROUND = (
    "INSERT INTO ops.maintenance_runs (whole, triggered_by, completed_at)"
    " VALUES (true, 'cli', now())"
)
DEAD = """
INSERT INTO ops.sync_jobs (
    source_system, entity_type, job_type, via, status, triggered_by, dag_id, run_id,
    arguments, heartbeat_at
)
VALUES (
    'genius', %s, 'full', 'api', 'running', 'airflow', 'd', 'r',
    '{"since": null, "page_size": 50}', now() - interval '1 minute'
)
RETURNING id
"""


@pytest.fixture
def inbox(
    warehouse: str, airflow_database: None, monkeypatch: pytest.MonkeyPatch
) -> Inbox:
    """A warehouse that was looked after a moment ago; no runs of the DAGs before."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id in (DAG_ID, RECOVER, "hubspot__contacts", "warehouse__reprocess"):
            session.execute(delete(DagRun).where(DagRun.dag_id == dag_id))
    for name in ("GENIUS", "HUBSPOT"):
        door = {"conn_type": "http", "host": "https://x.example.com", "password": "p"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps(door))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    inbox = Inbox(warehouse)
    inbox.execute(ROUND)
    return inbox


class RetryIsPendingError(Exception):
    """A test run whose task is up for retry would sleep until that is due."""


@pytest.fixture
def run(bundle: Any, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    def refuse_to_sleep(_: float) -> None:
        raise RetryIsPendingError

    monkeypatch.setattr("time.sleep", refuse_to_sleep)

    def run_once(dag_id: str = DAG_ID, **conf: Any) -> Any:
        return bundle.dags[dag_id].test(run_conf=conf or None)

    return run_once


def states(run: Any) -> list[tuple[str, int, str]]:
    return sorted(
        (ti.task_id, ti.map_index, str(ti.state)) for ti in run.get_task_instances()
    )


def _without_time(run_id: str) -> str:
    found = re.fullmatch(r"(.+)_\d{8}T\d{6}", run_id)
    assert found is not None
    return found[1]


def started(dag_id: str) -> list[Any]:
    """Runs that Airflow was asked for, their ids without the time."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id)).all()
        return sorted((_without_time(r.run_id), r.run_type, r.conf) for r in runs)


def test_a_dead_job_is_taken_up_by_a_run_of_its_own(inbox: Inbox, run: Any) -> None:
    [[first]], [[second]] = (
        inbox.execute(DEAD, "users"),
        inbox.execute(DEAD, "divisions"),
    )

    done = run()

    assert states(done) == [
        *(("heal", -1, "success"), ("start", 0, "success"), ("start", 1, "success")),
        ("wait", -1, "success"),
    ]
    asked = [
        (
            f"maintenance__job_{job}",
            "operator_triggered",
            {"job_id": job, "entity": entity},
        )
        for job, entity in ((first, "users"), (second, "divisions"))
    ]
    assert started(RECOVER) == sorted(asked)
    [[whole, by, run_id, status]] = inbox.execute(
        "SELECT whole, triggered_by, run_id, status FROM ops.maintenance_runs"
        " ORDER BY id DESC LIMIT 1"
    )
    assert (whole, by, run_id, status) == (False, "airflow", done.run_id, "success")


def test_what_was_just_asked_for_does_not_wake_the_next_run(
    bundle: Any, inbox: Inbox, run: Any
) -> None:
    inbox.execute(DEAD, "users")
    run()
    bundle.dags[DAG_ID].get_task("wait").timeout = 0.3

    done = run()

    assert ("wait", -1, "skipped") in states(done)
    assert done.state == "success"


def test_the_whole_round_starts_nothing_when_nothing_is_stale(
    inbox: Inbox, run: Any
) -> None:
    inbox.execute("DELETE FROM ops.maintenance_runs")

    done = run()

    assert states(done)[0] == ("heal", -1, "success")
    assert done.state == "success"
    assert started(RECOVER) == []
    acts = inbox.execute("SELECT DISTINCT act FROM ops.maintenance_acts ORDER BY 1")
    assert [act for (act,) in acts] == [
        *("end_imports", "horizon", "link", "measure_webhooks", "merge_webhooks"),
        *("recover_jobs", "redact"),
        *("reprocess", "retain", "retry_deliveries"),
    ]


def test_after_lost_webhooks_a_full_load_runs_in_the_entitys_own_dag(
    inbox: Inbox, run: Any
) -> None:
    inbox.execute("DELETE FROM ops.maintenance_runs")
    inbox.execute(
        "INSERT INTO ops.webhook_gaps (source_system, entity_type, day, created,"
        " measured_until, lost_at)"
        " VALUES ('hubspot', 'contacts', '2026-03-01', 3, now(), now())"
    )

    run()

    assert started("hubspot__contacts") == [
        ("maintenance__gap_contacts", "operator_triggered", {"mode": "full"})
    ]


def test_what_may_pass_quarantine_is_mapped_by_a_run_of_its_own(
    inbox: Inbox, run: Any
) -> None:
    """However long that takes, what is killed meanwhile is taken up."""
    inbox.execute("DELETE FROM ops.maintenance_runs")
    [[job_id]] = inbox.execute(DEAD, "users")
    inbox.execute(
        "UPDATE ops.sync_jobs SET status = 'success', completed_at = now() RETURNING 1"
    )
    inbox.execute(
        "INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
        " severity, error_type, error_message, source_id, record_data, fingerprint)"
        " VALUES (%s, 'genius', 'users', 'error', 'missing_id', 'm', '7', '{}', 'f')"
        " RETURNING 1",
        job_id,
    )

    run()

    assert started("warehouse__reprocess") == [
        (
            "maintenance__genius_users",
            "operator_triggered",
            {"source": "genius", "entity": "users"},
        )
    ]


def test_the_run_takes_up_the_job_as_it_was_asked_for(
    inbox: Inbox, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [[job_id]] = inbox.execute(DEAD, "users")
    engine = RecordedSync(a_result())
    monkeypatch.setattr("crm_warehouse.engine.recovery.run_sync", engine)

    done = run(RECOVER, job_id=job_id, entity="users")

    assert done.state == "success"
    [request] = engine.requests
    assert (request.source.name, request.entity.name) == ("genius", "users")
    assert (request.job_id, request.mode, request.batch_size) == (job_id, "full", 50)
    # So that its own run, come back meanwhile, is not taken for an orphan.
    assert (request.dag_id, request.run_id) == (None, None)


def test_webhooks_that_nobody_merges_are_merged(
    inbox: Inbox, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordedSync(a_result())
    monkeypatch.setattr("crm_warehouse.engine.recovery.merge_webhooks", engine)

    done = run("hubspot__recover", entity="webhooks")

    assert done.state == "success"
    assert engine.requests[0].source_system == "hubspot"


def test_a_job_that_somebody_else_took_up_is_skipped(
    inbox: Inbox,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    [[job_id]] = inbox.execute(DEAD, "users")
    engine = RecordedSync(FencedError("taken over"))
    monkeypatch.setattr("crm_warehouse.engine.recovery.run_sync", engine)

    done = run(RECOVER, job_id=job_id, entity="users")

    assert states(done) == [("recover", -1, "skipped")]
    warning = "[warning  ] somebody else takes care of it: taken over"
    assert warning in capfd.readouterr().out


@pytest.mark.parametrize("conf", [{}, {"job": 7}, {"mode": "full"}])
def test_a_run_without_a_job_begins_none(
    conf: dict[str, Any],
    inbox: Inbox,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    engine = RecordedSync(a_result())
    monkeypatch.setattr("crm_warehouse.engine.recovery.run_sync", engine)

    done = run(RECOVER, entity="users", **conf)

    assert states(done) == [("recover", -1, "failed")]
    assert engine.requests == []
    written = capfd.readouterr().out
    assert "[error    ] run parameter job_id: missing" in written
    assert "trigger genius__users" in written


def test_only_webhooks_that_a_source_has_are_merged(bundle: Any) -> None:
    offered = {
        source: "webhooks" in recover.params.get_param("entity").schema["enum"]
        for source in ("genius", "hubspot")
        if (recover := bundle.dags[f"{source}__recover"])
    }
    assert offered == {"genius": False, "hubspot": True}


def test_after_a_run_that_did_not_heal_the_next_one_rests(
    bundle: Any, inbox: Inbox, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[datetime] = []

    async def fire(trigger: DateTimeTrigger) -> AsyncIterator[TriggerEvent]:
        moments.append(trigger.moment)
        yield TriggerEvent(trigger.moment)  # type: ignore[no-untyped-call]

    def fail(*_: Any, **__: Any) -> None:
        raise FencedError("never tried again")

    monkeypatch.setattr(DateTimeTrigger, "run", fire)
    inbox.execute(DEAD, "users")
    with monkeypatch.context() as broken:
        broken.setattr("crm_warehouse.engine.maintenance.maintain", fail)
        first = run()
    assert ("heal", -1, "failed") in states(first)
    assert moments == []

    second = run()

    assert moments == [first.end_date + watching.REST]
    assert second.state == "success"


def test_dags_that_heal_are_on_and_keep_to_the_pools(bundle: Any) -> None:
    healing = bundle.dags[DAG_ID]
    assert (healing.schedule, healing.max_active_runs) == ("@continuous", 1)
    assert healing.is_paused_upon_creation is False
    for source in ("genius", "hubspot", "marketsharp", "activeprospect"):
        recover = bundle.dags[f"{source}__recover"]
        assert recover.is_paused_upon_creation is False
        assert recover.max_active_runs > 1
        assert recover.get_task("recover").pool == f"{source}_api"
