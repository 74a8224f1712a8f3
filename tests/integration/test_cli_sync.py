"""``python -m crm_warehouse sync`` as a process, on a real warehouse and a sandbox."""

import getpass
import json
import os
import pty
import signal
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import GENIUS, SYNC, Shell
from tests.proof.oracle import compare


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    yield made
    made.close()
    sandbox.clear_faults()


def test_sync_loads_by_alias_and_a_second_time_changes_nothing(
    shell: Shell, sandbox: SandboxServer
) -> None:
    status, first, err = shell.run(*SYNC, "contacts", "--incremental")

    assert status == 0
    assert (first["status"], first["entity"]) == ("success", "prospects")
    assert first["records_created"] == first["records_processed"] == 600
    assert first["errors"] == []
    assert "job_id=1 committed: 600 records" in err
    assert not compare(shell.conninfo, sandbox, "prospects")

    second = shell.run(*SYNC, "prospects", "--mode", "full", "--batch-size", "50")
    assert second.status == 0
    assert second.result["records_unchanged"] == 600
    assert second.result["requests"] >= 12
    replayed = shell.run(*SYNC, "prospects", "--mode", "replay").result
    assert (replayed["status"], replayed["requests"]) == ("success", 0)
    since = shell.run(*SYNC, "prospects", "--since", "2999-01-01")
    assert since.status == 2


def test_new_rejects_are_partial(shell: Shell, sandbox: SandboxServer) -> None:
    words = (*SYNC, "appointments", "--mode", "full")
    before = shell.run(*words)
    assert before.status == (3 if before.result["records_failed"] else 0)
    sandbox.move("appointments", "spoil", 20, kind="missing_id")

    status, result, err = shell.run(*words)

    assert status == 3
    assert result["status"] == "partial"
    assert result["records_failed"] == before.result["records_failed"] + 20
    assert "20 new rejects: python -m crm_warehouse quarantine list" in err
    again = shell.run(*words)
    assert (again.status, again.result["status"]) == (0, "success")
    assert again.result["records_failed"] == result["records_failed"]


def test_a_guard_says_how_to_override_it_and_the_same_job_goes_on(
    shell: Shell, sandbox: SandboxServer
) -> None:
    words = (*SYNC, "divisions", "--mode", "full")
    assert shell.run(*words).status == 0
    gone = len(sandbox.move("divisions", "delete", 8))

    status, stopped, err = shell.run(*words)

    assert status == 1
    assert stopped["status"] == "failed"
    assert "run again with mode full and override empty_list" in err
    allowed = shell.run(*words, "--override", "empty_list").result
    assert (allowed["job_id"], allowed["status"]) == (stopped["job_id"], "success")
    again = shell.run(*words, "--override", "mass_delete,empty_list").result
    assert again["records_deleted"] == gone
    asked = shell.rows(
        "SELECT details ->> 'asked_by' FROM ops.audit_log WHERE action = 'job.resumed'"
    )
    assert asked == [(getpass.getuser(),)]


def test_a_conflict_reports_no_job_of_another_run(
    shell: Shell, sandbox: SandboxServer
) -> None:
    sandbox.fault("latency", path="/prospects", seconds=20)
    first = shell.start(*SYNC, "prospects")
    _wait_for(shell, "SELECT id FROM ops.sync_jobs WHERE status = 'running'")

    status, result, err = shell.run(*SYNC, "prospects")

    assert status == 1
    assert "another sync of genius prospects is at work" in err
    assert result["job_id"] is None
    assert result["records_received"] == result["requests"] == 0
    first.kill()


def test_used_up_quota_parks_and_the_same_command_goes_on(
    shell: Shell, sandbox: SandboxServer
) -> None:
    shell.file.write_text(GENIUS.replace("requests: 1000", "requests: 3"), "utf-8")

    status, parked, err = shell.run(*SYNC, "prospects")

    assert status == 4
    assert parked["status"] == "waiting"
    assert parked["resume_at"]
    assert parked["requests"] == 3
    assert "--max-wait" in err

    shell.file.write_text(GENIUS, "utf-8")
    status, result, _ = shell.run(*SYNC, "prospects")
    assert status == 0
    assert result["job_id"] == parked["job_id"]
    assert result["records_created"] == 600
    assert not compare(shell.conninfo, sandbox, "prospects")


def test_refused_credentials_fail_with_the_job_and_no_secret(shell: Shell) -> None:
    genius = json.loads(shell.env["AIRFLOW_CONN_GENIUS_DEFAULT"])
    shell.token = "wrong-token-hush-hush"
    shell.env["AIRFLOW_CONN_GENIUS_DEFAULT"] = json.dumps(
        {**genius, "password": shell.token}
    )

    status, result, err = shell.run(*SYNC, "users")

    assert status == 1
    assert result["status"] == "failed"
    assert result["job_id"] == 1
    (message,) = result["errors"]
    assert f"error: {message}" in err
    assert shell.rows("SELECT status, error_type FROM ops.sync_jobs") == [
        ("failed", "authentication")
    ]


def test_fault_in_the_middle_keeps_counters_and_resumes(
    shell: Shell, sandbox: SandboxServer
) -> None:
    sandbox.fault("status", path="/prospects", query={"page": "4"}, status=500)

    status, failed, _ = shell.run(*SYNC, "prospects")

    assert status == 1
    assert failed["status"] == "failed"
    assert 0 < failed["records_created"] < 600
    assert failed["last_sync_timestamp"] is None
    sandbox.clear_faults()
    status, result, _ = shell.run(*SYNC, "prospects")
    assert (status, result["job_id"]) == (0, failed["job_id"])
    assert result["records_created"] == 600
    status, anew, _ = shell.run(*SYNC, "prospects", "--restart", "--mode", "full")
    assert (status, anew["job_id"]) == (0, failed["job_id"] + 1)


def _wait_for(shell: Shell, statement: str) -> None:
    deadline = time.monotonic() + 30
    while not shell.rows(statement):
        assert time.monotonic() < deadline, statement
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signals_end_in_order_and_the_same_command_resumes(
    shell: Shell, sandbox: SandboxServer, number: int, status: int, word: str
) -> None:
    sandbox.fault("latency", path="/prospects", seconds=0.7)
    process = shell.start(*SYNC, "prospects")
    _wait_for(shell, "SELECT id FROM ops.sync_jobs WHERE records_received > 0")
    process.send_signal(number)

    done = shell.end(process)

    assert done.status == status
    assert f"{word}; run the same command again to resume" in done.err
    assert done.result["status"] == "failed"
    assert done.result["job_id"] == 1
    assert 0 < done.result["records_created"] < 600
    sandbox.clear_faults()
    result = shell.run(*SYNC, "prospects").result
    assert (result["job_id"], result["records_created"]) == (1, 600)
    assert not compare(shell.conninfo, sandbox, "prospects")


def test_switched_off_configuration(shell: Shell) -> None:
    assert shell.run(*SYNC, "divisions").status == 0
    shell.rows("UPDATE ops.sync_configurations SET is_active = false")

    status, result, err = shell.run(*SYNC, "divisions")

    assert status == 2
    assert result["job_id"] is None
    assert "is_active = true" in err


@pytest.mark.parametrize("password", ["hush-hush", None])
def test_warehouse_out_of_reach(shell: Shell, password: str | None) -> None:
    connection = json.loads(shell.env["AIRFLOW_CONN_CRM_WAREHOUSE"])
    if password:
        connection["password"] = shell.password = password
    else:
        connection["port"] = 1
    shell.env["AIRFLOW_CONN_CRM_WAREHOUSE"] = json.dumps(connection)

    for words in ((*SYNC, "users"), ("migrate",)):
        status, _, err = shell.run(*words)
        assert status == 1
        assert "cannot reach the warehouse: " in err
        assert err.count("\n") == 1


def test_a_warehouse_lost_on_the_way(shell: Shell, sandbox: SandboxServer) -> None:
    sandbox.fault("latency", path="/prospects", seconds=0.7)
    process = shell.start(*SYNC, "prospects", "--log-format", "json")
    _wait_for(shell, "SELECT id FROM ops.sync_jobs WHERE records_received > 0")
    shell.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'crm_warehouse %%'"
    )

    status, result, err = shell.end(process)

    assert status == 1
    assert result["job_id"] == 1
    last = json.loads(err.splitlines()[-1])
    assert "cannot reach the warehouse" in last["message"]
    assert (last["source_system"], last["job_id"]) == ("genius", 1)


def test_preview_asks_the_source_and_writes_nothing(
    shell: Shell, sandbox: SandboxServer
) -> None:
    del shell.env["AIRFLOW_CONN_CRM_WAREHOUSE"]
    words = ("preview", "--source", "genius", "--entity", "contacts", "--json")

    status, result, _ = shell.run(*words, "--limit", "150")

    assert status == 0
    shown = {record["source_id"]: record["row"] for record in result["records"]}
    assert len(shown) == 150
    truth = {each["source_id"]: each for each in sandbox.truth("prospects")}
    for source_id, row in shown.items():
        assert row["last_name"] == truth[source_id]["last_name"]
    assert shell.rows("SELECT source_id FROM raw.genius_prospects") == []


def test_output_cut_off_by_its_reader_is_no_error(shell: Shell) -> None:
    words = ["preview", "--source", "genius", "--entity", "prospects", "--limit", "300"]
    process = shell.start(*words)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(30) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_terminal_shows_a_bar_and_no_lines(shell: Shell) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    process = shell.start(*SYNC, "prospects", stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # how Linux says that the other side is closed
    finally:
        os.close(ours)

    assert shell.end(process).result["records_created"] == 600
    assert b"600 records [" in shown
    assert b"created=600" in shown
    assert b"committed:" not in shown
