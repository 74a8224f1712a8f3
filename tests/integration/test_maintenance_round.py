"""One round: every act does its work, fails alone, and is written down."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import due, maintenance, recovery
from crm_warehouse.engine.maintenance import MaintenanceRequest, Report, maintain
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import Shell
from tests.proof.house import House

ACTS = "SELECT * FROM ops.maintenance_acts WHERE maintenance_run_id = %s ORDER BY id"


def heal(house: House, **options: Any) -> Report:
    return maintain(
        MaintenanceRequest([house.source], **options), conninfo=house.conninfo
    )


def test_what_it_did_is_written_down_and_audited(house: House) -> None:
    house.sync("appointments")
    house.sync("prospects")
    # As if each had been committed before the other could see it.
    house.rows("UPDATE warehouse.appointments SET contact_id = NULL")
    waiting = house.value(
        "SELECT count(*) FROM warehouse.appointments AS a"
        " JOIN warehouse.contacts AS c ON c.source_id = a.contact_source_id"
    )
    assert waiting > 0

    report = heal(house, triggered_by="airflow", dag_id="d", run_id="r")

    [run] = house.rows("SELECT * FROM ops.maintenance_runs")
    assert (run["id"], run["status"], run["whole"]) == (report.id, "success", True)
    assert (run["triggered_by"], run["dag_id"], run["run_id"]) == ("airflow", "d", "r")
    acts = {act["act"]: act for act in house.rows(ACTS, report.id)}
    assert list(acts) == [
        *("recover_jobs", "reprocess", "link", "end_imports", "retain")
    ]
    assert (acts["link"]["found"], acts["link"]["done"]) == (waiting, waiting)
    assert (
        house.value(
            "SELECT count(*) FROM warehouse.appointments WHERE contact_id IS NOT NULL"
        )
        == waiting
    )
    [line] = house.rows(
        "SELECT * FROM ops.audit_log WHERE object_type = 'maintenance_run'"
    )
    assert (line["actor"], line["action"]) == ("airflow", "maintenance.link")
    assert line["details"]["done"] == waiting


def test_a_second_round_finds_nothing(house: House) -> None:
    house.sync("prospects")
    heal(house)
    heal(house)

    assert house.value("SELECT sum(found + done) FROM ops.maintenance_acts") == 0
    assert house.value("SELECT count(*) FROM ops.maintenance_runs") == 2


def test_an_act_that_fails_keeps_no_other_from_its_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        house.rows("SELECT 1 / 0")

    monkeypatch.setattr(maintenance, "link_rows", fail)

    report = heal(house)

    assert report.failed
    assert house.value("SELECT status FROM ops.maintenance_runs") == "failed"
    errors = {act["act"]: act["error"] for act in house.rows(ACTS, report.id)}
    assert errors == {
        "recover_jobs": None,
        "reprocess": None,
        "link": "DivisionByZero",
        "end_imports": None,
        "retain": None,
    }


def test_one_whose_session_is_cut_fails_alone_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(conn: Any, *_: Any) -> None:
        house.rows("SELECT pg_terminate_backend(%s)", conn.info.backend_pid)
        conn.execute("SELECT 1")

    monkeypatch.setattr(maintenance, "link_rows", cut)

    report = heal(house)

    assert [act.act for act in report.acts if act.error] == ["link"]
    assert report.acts[-1].act == "retain"


def test_what_cannot_wait_is_all_that_an_urgent_round_does(house: House) -> None:
    assert [act.act for act in heal(house, whole=False).acts] == ["recover_jobs"]


def test_rounds_at_once_take_up_a_job_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LATE_AFTER_SECONDS", 0.0)
    house.sync("prospects")
    house.rows("UPDATE ops.sync_jobs SET status = 'waiting', resume_at = now()")
    asked: list[int | None] = []
    all_have_found_it = threading.Barrier(4, timeout=60)
    note_try = recovery._note_try

    def note_together(*arguments: Any) -> Any:
        all_have_found_it.wait()
        return note_try(*arguments)

    monkeypatch.setattr(recovery, "_note_try", note_together)

    def round_() -> None:
        asked.extend(each.job_id for each in heal(house, whole=False).due)

    threads = [threading.Thread(target=round_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(asked) == 1


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    with closing(Shell(warehouse, sandbox, tmp_path)) as shell:
        yield shell


def test_the_command_does_a_whole_round(shell: Shell) -> None:
    done = shell.run("maintain")

    assert done.status == 0, done.err
    assert done.result["status"] == "success"
    assert {act["source_system"] for act in done.result["acts"]} == {"genius", ""}
    rounds = shell.rows("SELECT status, whole, triggered_by FROM ops.maintenance_runs")
    assert rounds == [("success", True, "cli")]


def test_a_round_of_one_source_is_no_whole_round(shell: Shell) -> None:
    """The other sources, and what is old, still wait for theirs."""
    done = shell.run("maintain", "--source", "genius")

    assert done.status == 0, done.err
    acts = {(act["act"], act["source_system"]) for act in done.result["acts"]}
    assert acts == {
        (act, "genius") for act in ("recover_jobs", "reprocess", "link", "end_imports")
    }
    assert shell.rows("SELECT whole FROM ops.maintenance_runs") == [(False,)]
    with psycopg.connect(shell.conninfo) as conn:
        asked = conn.execute(due.is_due(), due.values(["genius"], []))
        assert asked.fetchone() == (False, True)


def test_the_command_ends_with_3_when_an_act_failed(shell: Shell) -> None:
    shell.rows("ALTER TABLE ops.retention RENAME TO away")

    done = shell.run("maintain")

    assert done.status == 3
    failed = {act["act"]: act["error"] for act in done.result["acts"] if act["error"]}
    assert failed == {"retain": "UndefinedTable"}
