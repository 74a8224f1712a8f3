"""Messages on standard error, and what failures mean."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from cli_call import Call

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.failures import Terminated, explain
from crm_warehouse.cli.outcome import Attempt, failed_line
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    GuardError,
    SyncDisabledError,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED, "run the same command again to resume"),
        (Terminated(), Exit.TERMINATED, "run the same command again to resume"),
        (ConfigurationError("a", "b"), Exit.USAGE, "a"),
        (SyncDisabledError("is switched off"), Exit.USAGE, "is switched off"),
        (AuthenticationError("refused"), Exit.FAILED, "refused"),
        (GuardError("too many", "volume", "full"), Exit.FAILED, "too many"),
        (psycopg.OperationalError("no route"), Exit.FAILED, "cannot reach the"),
        (psycopg.errors.LockNotAvailable("x"), Exit.FAILED, "in use; try again"),
        (psycopg.errors.DeadlockDetected("x"), Exit.FAILED, "the same command again"),
        (psycopg.errors.UndefinedColumn("x"), Exit.FAILED, "migrate"),
        (ValueError("Ada Lovelace"), Exit.FAILED, "unexpected ValueError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_has_a_status_and_a_sentence(
    error: BaseException, status: Exit, said: str
) -> None:
    failure = explain(error)

    assert failure.status is status
    assert said in failure.lines[0]


def test_messages_of_others_are_not_repeated() -> None:
    """They may hold data of people."""
    for error in (
        ValueError("Ada Lovelace"),
        psycopg.errors.UniqueViolation("Key (email)=(ada@example.com) exists"),
    ):
        assert "da" not in explain(error).lines[0].replace("data", "")


def test_each_problem_has_its_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = tmp_path / "secrets" / "variables.json"
    variables.parent.mkdir()
    variables.write_text("{", "utf-8")
    monkeypatch.delenv("CRM_WAREHOUSE_CONNECTIONS")
    monkeypatch.setenv("CRM_STACK_VAR", str(tmp_path))

    status, _, err = call("migrate")

    assert status == 2
    assert err == f"error: {variables}: is damaged; remove it, and start the stack\n"


def test_debug_shows_the_traceback(call: Call) -> None:
    assert "Traceback" not in call("migrate").err
    assert "Traceback" in call("migrate", "--debug").err


def test_json_messages(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = call("migrate", "--log-format", "json")
    value = json.loads(err)
    assert (value["level"], value["logger"]) == ("error", "crm_warehouse")
    assert "AIRFLOW_CONN_CRM_WAREHOUSE" in value["message"]

    logs.configure("info", "json")
    logs.add_context(source_system="genius", entity="users", job_id=5)
    logging.getLogger("crm_warehouse.clients").warning("slow: %d s", 3)
    value = json.loads(capsys.readouterr().err)
    assert value["logger"] == "crm_warehouse.clients"
    assert (value["entity"], value["job_id"]) == ("users", 5)
    assert value["message"] == "slow: 3 s"
    assert value["time"].endswith("Z")


def test_level_hides_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "text")
    logs.add_context(source_system="genius")
    logs.logger.info("hidden")
    logs.logger.warning("shown")

    err = capsys.readouterr().err
    assert "hidden" not in err
    assert "WARNING source_system=genius shown" in err


def test_without_a_known_job_the_result_line_has_none() -> None:
    attempt = Attempt("genius", "users", "full", conninfo="host=127.0.0.1 port=1")

    line = failed_line(attempt, ("another run holds the lock",))

    assert line["job_id"] is None
    assert line["records_processed"] == line["requests"] == 0
    assert line["errors"] == ["another run holds the lock"]


def _python(shell: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of the shell, in which ``crm`` is the program."""
    return subprocess.run(
        ["sh", "-c", f'crm() {{ "{sys.executable}" -m crm_warehouse "$@"; }}; {shell}'],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "CRM_WAREHOUSE_CONNECTIONS": "/no/such"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    done = _python("crm validate >/dev/full")

    assert done.returncode == 1
    assert done.stderr == (
        "error: the output cannot be written: No space left on device\n"
    )


def test_closed_output_is_one_line() -> None:
    done = _python("crm validate >&-")

    assert done.returncode == 2
    assert done.stderr == "error: standard output is closed; open it\n"
