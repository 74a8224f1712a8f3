"""Whole runs of the DAG that maps the quarantine again; the engine is played."""

from typing import Any

import psycopg
import pytest
from inbox import warehouse_connection
from recorded_sync import RecordedSync, a_result

from crm_warehouse.errors import (
    ConfigurationError,
    CrmWarehouseError,
    SyncDisabledError,
)

DAG_ID = "warehouse__reprocess"
OPEN = (
    ("genius", "users"),
    ("genius", "prospects"),
    ("hubspot", "deals"),
    ("marketsharp", "jobs"),
)


@pytest.fixture(autouse=True)
def quarantine(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warehouse with something open of four entities."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    with psycopg.connect(warehouse) as conn:
        for source, entity in OPEN:
            conn.execute(
                "WITH job AS (INSERT INTO ops.sync_jobs (source_system, entity_type,"
                " job_type, via, status, triggered_by)"
                " VALUES (%(s)s, %(e)s, 'full', 'api', 'success', 'cli') RETURNING id)"
                " INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
                " source_id, severity, error_type, error_message, fingerprint)"
                " SELECT id, %(s)s, %(e)s, '1', 'error', 'missing_value', '', 'id:1'"
                " FROM job",
                {"s": source, "e": entity},
            )


@pytest.fixture
def run(bundle: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the DAG once with this engine; without retries, which would wait."""

    def run_once(engine: RecordedSync, **conf: Any) -> Any:
        monkeypatch.setattr("crm_warehouse.engine.reprocess.reprocess", engine)
        dag = bundle.dags[DAG_ID]
        dag.get_task("reprocess").retries = 0
        return dag.test(run_conf=conf or None)

    return run_once


def tried(engine: RecordedSync) -> list[tuple[str, str]]:
    return [(each.source_system, each.entity.name) for each in engine.requests]


def test_everything_that_is_open(run: Any) -> None:
    engine = RecordedSync(*[a_result(failed=1)] * 4)

    done = run(engine)

    assert str(done.state) == "success"
    assert sorted(tried(engine)) == sorted(OPEN)
    assert {each.triggered_by for each in engine.requests} == {"airflow"}
    assert {(each.dag_id, each.run_id) for each in engine.requests} == {
        (DAG_ID, done.run_id)
    }
    (task,) = done.get_task_instances()
    told = task.xcom_pull(task_ids="reprocess", key="return_value")
    assert [each["records_failed"] for each in told] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("conf", "wanted"),
    [
        ({"source": "genius"}, [("genius", "prospects"), ("genius", "users")]),
        ({"source": "genius", "entity": "prospects"}, [("genius", "prospects")]),
        ({"source": "all", "entity": "all"}, list(OPEN)),
        ({"source": "genius", "entity": "divisions"}, []),
    ],
)
def test_only_what_is_asked_for(
    run: Any, conf: dict[str, str], wanted: list[tuple[str, str]]
) -> None:
    engine = RecordedSync(*[a_result()] * len(wanted))

    assert str(run(engine, **conf).state) == "success"
    assert sorted(tried(engine)) == sorted(wanted)


@pytest.mark.parametrize(
    ("conf", "complaint"),
    [
        ({"entity": "users"}, "entity: choose the source too, whose entity it is"),
        ({"source": "genius", "entity": "deals"}, "entity: genius has no 'deals'; it"),
    ],
)
def test_wrong_parameters_fail_before_anything_is_tried(
    bundle: Any,
    run: Any,
    conf: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the warehouse is looked into, too."""
    failures: list[Any] = []
    task = bundle.dags[DAG_ID].get_task("reprocess")
    monkeypatch.setattr(task, "on_failure_callback", [failures.append])
    monkeypatch.delenv("AIRFLOW_CONN_CRM_WAREHOUSE")
    engine = RecordedSync(*[a_result()] * len(OPEN))

    assert str(run(engine, **conf).state) == "failed"

    assert engine.requests == []
    [failure] = failures
    with pytest.raises(ConfigurationError, match=f"^run parameter {complaint}"):
        raise failure["exception"]


def test_the_form_offers_what_there_is(bundle: Any) -> None:
    params = bundle.dags[DAG_ID].params

    assert (params["source"], params["entity"]) == ("all", "all")
    sources = params.get_param("source").schema["enum"]
    entities = params.get_param("entity").schema["enum"]
    assert sources == ["all", "activeprospect", "genius", "hubspot", "marketsharp"]
    assert entities[0] == "all"
    assert {"prospects", "deals", "leads"} < set(entities)


def test_a_failure_does_not_stop_the_others(run: Any) -> None:
    engine = RecordedSync(
        a_result(), CrmWarehouseError("no"), SyncDisabledError("off"), a_result()
    )

    assert str(run(engine).state) == "failed"
    assert len(engine.requests) == 4
