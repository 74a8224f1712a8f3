"""Messages on standard error, and what failures mean."""

import json
import logging
import os
import stat
from pathlib import Path

import psycopg
import pytest
from cli_call import Call

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.failures import Terminated, explain
from crm_warehouse.cli.local_variables import adopt_local_variables
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    GuardError,
    SyncDisabledError,
)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED, "run the same command again to resume"),
        (Terminated(), Exit.TERMINATED, "run the same command again to resume"),
        (ConfigurationError("a", "b"), Exit.USAGE, "a"),
        (SyncDisabledError("is switched off"), Exit.USAGE, "is switched off"),
        (AuthenticationError("refused"), Exit.FAILED, "refused"),
        (GuardError("too many"), Exit.FAILED, "too many"),
        (psycopg.OperationalError("no route"), Exit.FAILED, "cannot reach the"),
        (psycopg.errors.LockNotAvailable("x"), Exit.FAILED, "in use; try again"),
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


def test_each_problem_has_its_line(call: Call, tmp_path: Path) -> None:
    variables = tmp_path / "secrets" / "variables.json"
    variables.parent.mkdir()
    variables.write_text("{", "utf-8")

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


def test_local_variables_fill_gaps_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "variables.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {
                "CRM_WAREHOUSE_ENV": "dev",
                "AIRFLOW_HOME": "/srv",
                "LD_PRELOAD": "evil.so",
            }
        ),
        "utf-8",
    )
    environ = {
        "CRM_WAREHOUSE_CONNECTIONS": str(tmp_path / "connections.sealed"),
        "CRM_WAREHOUSE_ENV": "prod",
    }

    adopt_local_variables(environ)

    assert environ["CRM_WAREHOUSE_ENV"] == "prod"
    assert environ["AIRFLOW_HOME"] == "/srv"
    assert "LD_PRELOAD" not in environ


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_another_users_variables_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "variables.json"
    path.parent.mkdir()
    path.write_text('{"AIRFLOW_HOME": "/srv"}', "utf-8")
    path.parent.chmod(0)
    environ = {"CRM_WAREHOUSE_CONNECTIONS": str(tmp_path / "connections.sealed")}
    try:
        adopt_local_variables(environ)
    finally:
        path.parent.chmod(stat.S_IRWXU)
    assert "AIRFLOW_HOME" not in environ
