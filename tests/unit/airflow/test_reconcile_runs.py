"""Whole runs of the DAG that compares; the engine is played."""

from dataclasses import asdict
from typing import Any

import pytest
from recorded_sync import RecordedSync, a_result
from sqlalchemy import select

from crm_warehouse.engine.reconcile import ReconcileResult

NOTHING = dict.fromkeys(("records_created", "records_updated", "records_deleted"), 0)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("GENIUS_DEFAULT", "genius"), ("CRM_WAREHOUSE", "postgres")):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name}",
            f'{{"conn_type": "{kind}", "host": "example.com", "login": "x",'
            ' "schema": "warehouse", "password": "y"}',
        )


@pytest.mark.parametrize(("repaired", "tables"), [(0, set()), (3, {"warehouse.users"})])
def test_only_a_repair_makes_asset_events(
    bundle: Any, monkeypatch: pytest.MonkeyPatch, repaired: int, tables: set[str]
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    known = asdict(a_result()) | NOTHING
    engine = RecordedSync(ReconcileResult(**known, verdict="equal", repaired=repaired))
    monkeypatch.setattr("crm_warehouse.engine.reconcile.reconcile", engine)

    run = bundle.dags["genius__reconcile"].test(run_conf={"entity": "users"})

    assert run.state == "success"
    assert [each.entity.name for each in engine.requests] == ["users"]
    with create_session() as session:
        query = select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)
        events = session.scalars(query)
        assert {event.asset.name for event in events} == tables
