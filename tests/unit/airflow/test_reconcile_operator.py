"""The task that compares: what it asks the engine for, and what it says."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from recorded_sync import RecordedSync, a_result
from structlog.testing import capture_logs

from crm_warehouse.engine.reconcile import ReconcileResult
from crm_warehouse.operators.reconcile import ReconcileOperator
from include.dag_factory import SOURCES_DIRECTORY, dag_builders, load_source
from include.reconcile_dags import reconcile_dag

HUBSPOT = load_source(SOURCES_DIRECTORY / "hubspot.yaml")


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("HUBSPOT_DEFAULT", "hubspot"), ("CRM_WAREHOUSE", "postgres")):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name}",
            f'{{"conn_type": "{kind}", "host": "example.com", "login": "x",'
            ' "schema": "warehouse", "password": "y"}',
        )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(**values: Any) -> RecordedSync:
        resume_at = values.pop("resume_at", None)
        status = "waiting" if resume_at else "success"
        known = asdict(a_result(status, resume_at=resume_at)) | values
        recorded = RecordedSync(ReconcileResult(**known))
        monkeypatch.setattr("crm_warehouse.engine.reconcile.reconcile", recorded)
        return recorded

    return answer


def operator(**options: Any) -> ReconcileOperator:
    given = {"wanted": "all", "repair": "true", "override": "", **options}
    return ReconcileOperator(
        task_id="reconcile_deals",
        source=HUBSPOT,
        entity=HUBSPOT.entities["deals"],
        retries=4,
        **given,
    )


def context() -> Any:
    return {
        "ti": SimpleNamespace(
            dag_id="hubspot__reconcile",
            run_id="run-1",
            try_number=1,
            max_tries=4,
            xcom_push=lambda **_: None,
        ),
        "dag_run": SimpleNamespace(triggering_user_name="ada"),
        "outlet_events": OutletEventAccessors(),
    }


def test_the_engine_is_asked_for_what_the_parameters_say(engine: Any) -> None:
    recorded = engine(verdict="equal")

    line = operator(override="mass_delete", extent="sweep").resume(context())

    request = recorded.requests[0]
    assert (request.entity.name, request.repair, request.extent) == (
        "deals",
        True,
        "sweep",
    )
    assert request.override == {"mass_delete"}
    assert (request.asked_by, request.run_id) == ("ada", "run-1")
    assert (request.try_number, request.first_try) == (1, 1)
    assert line["verdict"] == "equal"


def test_without_repair_nothing_is_merged(engine: Any) -> None:
    recorded = engine(verdict="equal")

    operator(repair="false").resume(context())

    assert recorded.requests[0].repair is False


def test_an_override_without_repair_does_nothing(engine: Any) -> None:
    recorded = engine(verdict="equal")

    operator(repair="false", override="mass_delete").resume(context())

    assert recorded.requests[0].override == frozenset()


@pytest.mark.parametrize(("repaired", "told"), [(0, 0), (2, 1)])
def test_only_what_was_written_makes_asset_events(
    engine: Any, repaired: int, told: int
) -> None:
    nothing = dict.fromkeys(
        ("records_created", "records_updated", "records_deleted"), 0
    )
    engine(verdict="equal", repaired=repaired, **nothing)
    task = operator(outlets=[Asset("warehouse.leads")])

    task.resume(context())

    assert len(task.outlets) == told


def test_a_difference_is_a_warning_and_the_task_is_green(engine: Any) -> None:
    engine(verdict="different", differences=2, by_reason={"gone_there": 2})

    with capture_logs() as logs:
        operator().resume(context())

    [warning] = [each for each in logs if each["log_level"] == "warning"]
    assert "gone_there" in str(warning)


def test_a_run_for_another_entity_skips(engine: Any) -> None:
    recorded = engine()

    with pytest.raises(AirflowSkipException, match="contacts only"):
        operator(wanted="contacts").resume(context())

    assert recorded.requests == []


def test_a_wait_gives_the_slot_back(engine: Any) -> None:
    engine(resume_at=datetime(2026, 3, 2, tzinfo=UTC))

    with pytest.raises(TaskDeferred):
        operator().resume(context())


def test_the_dags_compare_every_entity_and_sweep_where_that_finds_something() -> None:
    builders = dag_builders()
    weekly, daily = builders["hubspot__reconcile"](), builders["hubspot__sweep"]()

    assert set(weekly.task_ids) == {f"reconcile_{each}" for each in HUBSPOT.entities}
    assert set(daily.task_ids) == {"sweep_contacts", "sweep_companies", "sweep_deals"}
    assert weekly.params["repair"] is False
    assert "genius__sweep" not in builders
    assert daily.get_task("sweep_deals").extent == "sweep"


def test_each_task_tells_of_the_tables_of_its_entity_only() -> None:
    weekly = dag_builders()["activeprospect__reconcile"]()

    tables = {
        task.task_id: {asset.name for asset in task.outlets} for task in weekly.tasks
    }

    assert tables == {
        "reconcile_leads": {"warehouse.leads", "warehouse.contacts"},
        "reconcile_events": {"warehouse.lead_events"},
    }


def test_the_form_offers_the_guards_of_a_repair_in_words() -> None:
    override = dag_builders()["genius__reconcile"]().params.get_param("override")

    offered = override.schema["items"]["enum"]
    assert offered == ["mass_delete", "empty_list", "schema_break"]
    assert list(override.schema["values_display"]) == offered


def test_without_a_schedule_it_runs_when_somebody_asks() -> None:
    source = replace(HUBSPOT, reconcile_schedule=None)

    weekly = reconcile_dag("hubspot__reconcile", source, {}, lambda _: {})

    assert weekly.schedule is None
