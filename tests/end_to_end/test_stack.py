"""Real Airflow, real PostgreSQL, real HTTP: what a person sees after ``make up``."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from include.local_stack.demo_runs import run_all
from include.local_stack.demo_screen import Screen
from tests.end_to_end.conftest import World
from tests.proof.house import GENIUS
from tests.proof.oracle import TABLES, compare

pytestmark = pytest.mark.end_to_end

PROSPECTS = "genius__prospects"


def test_every_dag_loads_its_entity_green(world: World) -> None:
    entities = list(GENIUS.entities.values())

    runs = run_all(world.api, world.conninfo, entities, Screen(live=False))

    assert runs.states == {entity.dag_id: "success" for entity in entities}
    assert {job["status"] for job in runs.jobs} == {"success"}
    for entity in TABLES:
        assert not compare(world.conninfo, world.sandbox, entity)


def test_schedule_fires_by_itself_and_loads_what_changed(world: World) -> None:
    known = len(_scheduled_jobs(world))
    world.sandbox.move("prospects", "change", 50)
    world.sandbox.move("prospects", "create", 10)
    moved = datetime.now(UTC)

    _until(
        lambda: any(job["started_at"] > moved for job in _scheduled_jobs(world)),
        seconds=180,
    )

    jobs = _scheduled_jobs(world)[known:]
    assert {job["job_type"] for job in jobs} == {"incremental"}
    assert {job["status"] for job in jobs} == {"success"}
    assert sum(job["records_updated"] for job in jobs) == 50
    assert sum(job["records_created"] for job in jobs) == 10
    assert not compare(world.conninfo, world.sandbox, "prospects")


def test_full_run_from_the_trigger_form_finds_deletions(world: World) -> None:
    world.sandbox.move("appointments", "delete", 20)
    run = "manual__full"
    conf = {"mode": "full", "batch_size": 50}
    world.api.start("genius__appointments", run, conf)

    _until(lambda: _job(world, run).get("completed_at") is not None, seconds=120)

    job = _job(world, run)
    assert (job["job_type"], job["status"]) == ("full", "success")
    assert job["records_deleted"] == 20
    assert job["arguments"] == {"since": None, "page_size": 50}
    assert not compare(world.conninfo, world.sandbox, "appointments")


def test_nothing_secret_is_in_logs_or_xcom(world: World) -> None:
    secrets = [
        world.sandbox.token,
        *world.stack.secrets().database_passwords().values(),
        world.stack.secrets().fernet_key,
    ]
    texts = [
        path.read_text("utf-8", errors="replace")
        for path in world.stack.settings.logs.rglob("*.log")
    ]
    assert len(texts) > len(TABLES)
    database = world.stack.postgres().conninfo("airflow", "airflow")
    texts += _column(database, "SELECT value::text FROM xcom")
    assert not [secret for secret in secrets for text in texts if secret in text]


def _scheduled_jobs(world: World) -> list[dict[str, Any]]:
    return world.rows(
        "SELECT * FROM ops.sync_jobs WHERE dag_id = %s"
        " AND run_id LIKE 'scheduled%%' AND completed_at IS NOT NULL ORDER BY id",
        PROSPECTS,
    )


def _job(world: World, run_id: str) -> dict[str, Any]:
    jobs = world.rows("SELECT * FROM ops.sync_jobs WHERE run_id = %s", run_id)
    return jobs[0] if jobs else {}


def _column(conninfo: str, statement: str) -> list[str]:
    import psycopg

    with psycopg.connect(conninfo) as conn:
        return [str(value) for (value,) in conn.execute(statement)]


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the awaited state never came"
        time.sleep(0.5)
