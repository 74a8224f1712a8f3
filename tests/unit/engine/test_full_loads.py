"""Whether a full load that was due never began, by what the warehouse knows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from crm_warehouse.engine.full_loads import is_owed

DUE = datetime(2026, 3, 1, 3, 10, tzinfo=UTC)
BEFORE, AFTER = DUE - timedelta(hours=1), DUE + timedelta(hours=1)
BEGIN = """
INSERT INTO ops.sync_jobs (
    source_system, entity_type, job_type, via, status, triggered_by, dag_id, run_id,
    started_at, completed_at
)
VALUES ('genius', %s, %s, %s, %s, 'airflow', 'd', %s, %s, %s)
"""
Job = Callable[..., None]


@pytest.fixture
def job(warehouse: str) -> Job:
    """Store one job of the entity."""

    def store(
        job_type: str,
        status: str = "success",
        *,
        began: datetime = AFTER,
        ended: datetime | None = AFTER,
        entity: str = "users",
        run_id: str = "another",
        via: str = "api",
    ) -> None:
        with psycopg.connect(warehouse) as conn:
            conn.execute(BEGIN, (entity, job_type, via, status, run_id, began, ended))

    return store


def owed(warehouse: str) -> bool:
    return is_owed(
        warehouse,
        source_system="genius",
        entity_type="users",
        via="api",
        due=DUE,
        dag_id="d",
        run_id="r",
    )


def test_an_entity_that_was_never_loaded_owes_none(warehouse: str) -> None:
    assert not owed(warehouse)


def test_one_whose_full_load_never_began_does(warehouse: str, job: Job) -> None:
    job("full", began=BEFORE, ended=BEFORE)
    job("incremental")
    job("full", entity="divisions")

    assert owed(warehouse)


def test_one_by_another_way_in_is_none_of_this_ones(warehouse: str, job: Job) -> None:
    job("full", began=BEFORE, ended=BEFORE, via="csv")
    assert not owed(warehouse)

    job("incremental", began=BEFORE, ended=BEFORE)
    job("full", via="database")

    assert owed(warehouse)


@pytest.mark.parametrize("status", ["success", "partial", "failed"])
def test_not_when_it_began_however_it_ended(
    warehouse: str, job: Job, status: str
) -> None:
    """What began and failed is maintenance's, or needs a person."""
    job("incremental", began=BEFORE, ended=BEFORE)
    job("full", status)

    assert not owed(warehouse)


def test_nor_while_one_is_on_its_way(warehouse: str, job: Job) -> None:
    job("full", "waiting", began=BEFORE, ended=None)

    assert not owed(warehouse)


def test_a_retry_gets_the_same_answer(warehouse: str, job: Job) -> None:
    job("incremental", began=BEFORE, ended=BEFORE)
    job("full", "failed", run_id="r")

    assert owed(warehouse)
