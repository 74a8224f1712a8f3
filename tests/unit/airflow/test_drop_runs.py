"""Whole runs of a DAG that imports files: real folder, real warehouse, real engine."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import fsspec
import psycopg
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.store import attach
from inbox import warehouse_connection
from sqlalchemy import delete

from crm_warehouse.csv_files.drop import is_as_found, put_away, waiting
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.triggers import drop
from crm_warehouse.triggers.drop import DropTrigger

DAG_ID = "genius__prospects__csv"
HOUR = timedelta(hours=1)
GOOD = "id,first_name\n1,Ada\n2,Bo\n"


@pytest.fixture
def folder(
    tmp_path: Path,
    warehouse: str,
    airflow_database: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Where files of prospects are dropped; no runs before."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == DAG_ID))
    monkeypatch.setenv("CRM_WAREHOUSE_DROP", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", warehouse_connection(warehouse))
    monkeypatch.setattr(drop, "_LOOK_SECONDS", 0.05)
    made = tmp_path / "genius" / "prospects"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def run(folder: Path, bundle: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the DAG once."""

    def run_once(**params: Any) -> Any:
        return bundle.dags[DAG_ID].test(run_conf=params or None)

    return run_once


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contacts(warehouse: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse) as conn:
        return conn.execute(
            "SELECT source_id, first_name FROM warehouse.contacts"
            " WHERE NOT is_deleted ORDER BY source_id"
        ).fetchall()


def put(folder: Path, name: str, text: str, moment: float = 1.7e9) -> None:
    (folder / name).write_text(text)
    os.utime(folder / name, (moment, moment))


def test_files_are_imported_oldest_first_and_archived(
    folder: Path, run: Any, warehouse: str
) -> None:
    put(folder, "new.csv", "id,first_name\n1,Ava\n", 1.7e9 + 1)
    put(folder, "old.csv", GOOD)

    done = run()

    assert states(done) == {"wait": "success", "import": "success"}
    assert contacts(warehouse) == [("1", "Ava"), ("2", "Bo")]
    assert names(folder) == ["archive"]
    assert names(folder / "archive") == [
        "new.csv", "new.csv.report.txt", "old.csv", "old.csv.report.txt",
    ]  # fmt: skip
    report = (folder / "archive" / "old.csv.report.txt").read_text()
    assert "old.csv: genius prospects, success, job 1" in report
    assert "created               2" in report


def test_bad_rows_are_written_beside_the_report(
    folder: Path, run: Any, warehouse: str
) -> None:
    put(folder, "a.csv", 'id,first_name\n1,Ada\n2,"B\no",x\n3,Cy\n')

    done = run()

    assert states(done)["import"] == "success"
    archive = folder / "archive"
    report = (archive / "a.csv.report.txt").read_text()
    assert "line 3: 3 cells, and the header names 2 (too_many_cells)" in report
    assert (archive / "a.csv.bad.csv").read_text() == 'id,first_name\n2,"B\no",x\n'
    assert contacts(warehouse) == [("1", "Ada"), ("3", "Cy")]


def test_a_file_that_needs_a_person_does_not_keep_the_others(
    folder: Path, run: Any, warehouse: str
) -> None:
    put(folder, "a.csv", "name\nAda\n")
    put(folder, "b.csv", "")
    put(folder, "c.csv", GOOD)

    done = run()

    assert states(done) == {"wait": "success", "import": "failed"}
    assert contacts(warehouse) == [("1", "Ada"), ("2", "Bo")]
    assert names(folder / "failed") == [
        "a.csv", "a.csv.report.txt", "b.csv", "b.csv.report.txt",
    ]  # fmt: skip
    reports = [
        (folder / "failed" / f"{name}.csv.report.txt").read_text() for name in "ab"
    ]
    assert "no header of 1 is known for the record's id" in reports[0]
    assert "b.csv: is empty" in reports[1]
    assert names(folder / "archive") == ["c.csv", "c.csv.report.txt"]


def test_killed_before_it_was_archived_it_is_not_imported_again(
    folder: Path, run: Any, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a.csv", GOOD)

    def die(*_: Any) -> Any:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("crm_warehouse.operators.csv_files.put_away", die)
        patched.setattr("time.sleep", _refuse_to_sleep)
        with pytest.raises(_RetryIsPendingError):
            run()
    assert names(folder) == ["a.csv"]

    put(folder, "same.csv", GOOD, 1.7e9 + 1)
    done = run()

    assert states(done)["import"] == "success"
    with psycopg.connect(warehouse) as conn:
        jobs = conn.execute("SELECT records_processed FROM ops.sync_jobs").fetchall()
    assert jobs == [(2,)]
    report = (folder / "archive" / "same.csv.report.txt").read_text()
    assert "imported before, by job 1" in report
    assert "  That import:\n  rows " in report


@pytest.mark.parametrize("begins", ["id,first_name\n1,Ada\n2,B", "na"])
def test_a_file_that_is_written_to_while_it_is_read_stays(
    folder: Path,
    run: Any,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
    begins: str,
) -> None:
    whole = "id,first_name\n1,Ada\n2,Bo\n3,Cy\n"
    put(folder, "a.csv", begins)

    def grow_meanwhile(*arguments: Any, **options: Any) -> Any:
        try:
            return run_sync(*arguments, **options)
        finally:
            put(folder, "a.csv", whole, 1.7e9 + 1)

    with monkeypatch.context() as patched:
        patched.setattr("crm_warehouse.engine.sync.run_sync", grow_meanwhile)
        first = run()

    assert states(first)["import"] == "success"
    assert names(folder) == ["a.csv"]
    run()
    assert names(folder / "archive") == ["a.csv", "a.csv.report.txt"]
    assert contacts(warehouse) == [("1", "Ada"), ("2", "Bo"), ("3", "Cy")]


def test_a_file_that_cannot_be_put_away_does_not_keep_the_others(
    folder: Path, run: Any, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With what the name of its report has besides, it is longer than names may be.
    put(folder, f"{'a' * 250}.csv", GOOD)
    put(folder, "b.csv", "id,first_name\n3,Cy\n", 1.7e9 + 1)

    monkeypatch.setattr("time.sleep", _refuse_to_sleep)
    with pytest.raises(_RetryIsPendingError):
        run()

    assert names(folder) == [f"{'a' * 250}.csv", "archive"]
    assert names(folder / "archive") == ["b.csv", "b.csv.report.txt"]
    assert contacts(warehouse) == [("1", "Ada"), ("2", "Bo"), ("3", "Cy")]


def test_snapshot_is_a_parameter(folder: Path, run: Any, warehouse: str) -> None:
    put(folder, "a.csv", GOOD)
    run()
    put(folder, "b.csv", "id,first_name\n1,Ada\n", 1.7e9 + 1)

    run(snapshot=True)

    with psycopg.connect(warehouse) as conn:
        [modes] = conn.execute(
            "SELECT array_agg(job_type ORDER BY id), max(records_absent)"
            " FROM ops.sync_jobs"
        ).fetchall()
    assert modes == (["incremental", "full"], 1)


def test_a_run_for_which_no_file_comes_ends(
    bundle: Any, folder: Path, run: Any
) -> None:
    bundle.dags[DAG_ID].get_task("wait").timeout = 0.1

    done = run()

    assert done.state == "success"
    assert states(done) == {"wait": "skipped", "import": "skipped"}


def test_without_a_drop_folder_nothing_is_scheduled(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.dag_factory import dag_builders

    monkeypatch.delenv("CRM_WAREHOUSE_DROP", raising=False)
    assert type(dag_builders()[DAG_ID]().timetable).__name__ == "NullTimetable"
    monkeypatch.setenv("CRM_WAREHOUSE_DROP", "/drop")
    assert type(dag_builders()[DAG_ID]().timetable).__name__ == "ContinuousTimetable"


def fires(trigger: DropTrigger) -> Any:
    async def run() -> Any:
        async with asyncio.timeout(30):
            [event] = [event async for event in trigger.run()]
        return event.payload

    return asyncio.run(run())


def test_a_file_that_grows_is_not_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def grow(of: Any) -> Any:
        looks.append(of)
        if len(looks) < 4:
            put(folder, "a.csv", "id\n" * len(looks))
        return waiting(of)

    monkeypatch.setattr(drop, "waiting", grow)

    found = fires(DropTrigger(str(folder), datetime.now(UTC) + HOUR))

    assert found == [["a.csv", 9, 1.7e9]]
    assert len(looks) == 4


def test_a_store_that_does_not_answer_is_borne(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [OSError("503"), OSError("503")]

    def look(of: Any) -> Any:
        if answers:
            raise answers.pop()
        return waiting(of)

    monkeypatch.setattr(drop, "waiting", look)
    put(folder, "a.csv", "id\n")

    assert fires(DropTrigger(str(folder), datetime.now(UTC) + HOUR))


def test_the_triggerer_can_build_the_trigger_again() -> None:
    trigger = DropTrigger("s3://bucket/drop", datetime(2026, 3, 1, tzinfo=UTC))

    path, arguments = trigger.serialize()

    assert resolve_name(path.replace(".DropTrigger", ":DropTrigger")) is DropTrigger
    assert vars(DropTrigger(**arguments))["url"] == "s3://bucket/drop"


def test_an_object_store_is_a_folder_like_any_other() -> None:
    attach("memory", fs=fsspec.filesystem("memory"))
    folder = ObjectStoragePath("memory://drop/genius/prospects")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "a.csv").open("wb") as file:
        file.write(GOOD.encode())

    [dropped] = waiting(folder)
    assert is_as_found(folder / "a.csv", dropped)
    from crm_warehouse.csv_files.drop import local_copy

    with local_copy(folder / "a.csv", dropped) as (local, _):
        assert local.read_text() == GOOD
    put_away(folder / "a.csv", "archive", "2 rows")

    assert waiting(folder) == []
    with (folder / "archive" / "a.csv.report.txt").open("rb") as file:
        assert file.read() == b"2 rows\n"


class _RetryIsPendingError(Exception):
    """A test run whose task is up for retry would sleep until that is due."""


def _refuse_to_sleep(_: float) -> None:
    raise _RetryIsPendingError
