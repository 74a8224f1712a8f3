"""Whole runs of real DAGs in Airflow; only the engine is played."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from recorded_sync import RecordedSync, a_result
from sqlalchemy import select

from crm_warehouse.errors import (
    AuthenticationError,
    SyncDisabledError,
    TransientSourceError,
)
from crm_warehouse.operators.schedule import EarlierRun
from crm_warehouse.operators.sync import SyncOperator, _earlier_runs


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_GENIUS_DEFAULT",
        '{"conn_type": "http", "host": "https://genius.example.com/v1",'
        ' "password": "token-of-genius"}',
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_CRM_WAREHOUSE", "postgresql://loader:secret@127.0.0.1/warehouse"
    )


class RetryIsPendingError(Exception):
    """A test run whose task is up for retry would sleep until that is due."""


def refuse_to_sleep(_: float) -> None:
    raise RetryIsPendingError


def run_dag(
    bundle: Any, monkeypatch: pytest.MonkeyPatch, engine: RecordedSync, **conf: Any
) -> Any:
    monkeypatch.setattr("crm_warehouse.engine.sync.run_sync", engine)
    monkeypatch.setattr("time.sleep", refuse_to_sleep)
    return bundle.dags["genius__users"].test(run_conf=conf or None)


def test_a_run_by_hand_takes_its_parameters_and_ends_green(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordedSync(a_result())

    run = run_dag(
        bundle,
        monkeypatch,
        engine,
        mode="incremental",
        since="2026-01-31T00:00:00Z",
        batch_size=50,
        override=["volume", "schema_break"],
    )

    assert run.state == "success"
    [request] = engine.requests
    assert request.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert (request.mode, request.batch_size) == ("incremental", 50)
    assert request.override == {"schema_break", "volume"}
    assert (request.dag_id, request.run_id) == ("genius__users", run.run_id)


def test_a_list_of_guards_that_was_emptied_in_the_form_is_none(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordedSync(a_result())

    run_dag(bundle, monkeypatch, engine, override=None)

    assert engine.requests[0].override == frozenset()


def test_a_partial_run_is_green_and_its_asset_event_says_so(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    run = run_dag(bundle, monkeypatch, RecordedSync(a_result("partial", failed=3)))

    assert run.state == "success"
    with create_session() as session:
        query = select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)
        event = session.scalars(query).one()
        assert event.asset.uri.endswith("/warehouse/warehouse/users")
        assert event.extra["status"] == "partial"
        assert event.extra["records_failed"] == 3


def test_a_run_that_waits_for_quota_goes_on_and_ends_green(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=0.2)
    engine = RecordedSync(a_result("waiting", resume_at=moment), a_result())

    run = run_dag(bundle, monkeypatch, engine, mode="full")

    assert run.state == "success"
    assert [request.mode for request in engine.requests] == ["full", "full"]
    assert {request.run_id for request in engine.requests} == {run.run_id}
    assert {(r.try_number, r.first_try) for r in engine.requests} == {(1, 1)}
    assert run.get_task_instance("sync").try_number == 1


def test_refused_credentials_fail_the_run_at_the_first_try(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordedSync(AuthenticationError("401"))

    run = run_dag(bundle, monkeypatch, engine)

    assert run.state == "failed"
    assert run.get_task_instance("sync").state == "failed"
    assert run.get_task_instance("sync").try_number == 1


def test_a_passing_fault_leaves_the_task_up_for_retry(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    engine = RecordedSync(TransientSourceError("503"))

    with pytest.raises(RetryIsPendingError):
        run_dag(bundle, monkeypatch, engine)

    run_id = engine.requests[0].run_id
    with create_session() as session:
        query = select(TaskInstance).where(TaskInstance.run_id == run_id)
        instance = session.scalars(query).one()
        assert instance.state == "up_for_retry"
        pause = instance.next_retry_datetime() - instance.end_date
        assert pause == timedelta(seconds=15)


def test_a_configuration_that_is_off_skips_the_run(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordedSync(SyncDisabledError("genius users is switched off"))

    run = run_dag(bundle, monkeypatch, engine)

    assert run.get_task_instance("sync").state == "skipped"


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "everything"},
        {"batch_size": 101},
        {"batch_size": 0},
        {"override": ["everything"]},
        {"override": [""]},
        {"override": ["volume", None]},
        {"override": "volume"},
    ],
)
def test_wrong_parameters_are_refused_before_a_run_exists(
    bundle: Any, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    engine = RecordedSync(a_result())

    with pytest.raises((ParamValidationError, ValueError), match="Invalid input"):
        run_dag(bundle, monkeypatch, engine, **wrong)

    assert engine.requests == []


def test_earlier_runs_are_told_by_airflow_latest_first(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[EarlierRun]] = []

    def record(_: SyncOperator, context: Any) -> str:
        seen.append(list(_earlier_runs(context["ti"])))
        return "incremental"

    monkeypatch.setattr(SyncOperator, "_mode", record)
    runs = [run_dag(bundle, monkeypatch, RecordedSync(a_result())) for _ in range(3)]

    assert seen[2][:2] == [
        EarlierRun(run.logical_date, scheduled=False) for run in (runs[1], runs[0])
    ]
    assert seen[2][1:] == seen[1]
