"""What a stack leaves for the shell is used as a whole, or not at all."""

import json
import os
import stat
from pathlib import Path

import pytest
from cli_call import Call

from crm_warehouse.cli.local_variables import adopt_local_variables
from crm_warehouse.connections import Connection
from crm_warehouse.sealing import seal_connections

_KEY = "a2V5IG9mIGEgc3RhY2sgdGhhdCBpcyAzMiBieXRlcyE="
_LEFT = {
    "CRM_WAREHOUSE_ENV": "dev",
    "CRM_WAREHOUSE_SEALING_KEY": _KEY,
    "AIRFLOW_HOME": "/srv",
    "LD_PRELOAD": "evil.so",
}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """The folder of a stack that has left variables and a sealed connection."""
    (tmp_path / "secrets").mkdir()
    path = tmp_path / "secrets" / "variables.json"
    path.write_text(json.dumps(_LEFT), "utf-8")
    sandbox = Connection("genius_default", host="http://127.0.0.1:1", password="s")
    warehouse = Connection("crm_warehouse", host="127.0.0.1", port=1)
    sealed = tmp_path / "connections.sealed"
    seal_connections([sandbox, warehouse], sealed, _LEFT)
    return tmp_path


def test_a_shell_that_has_set_nothing_finds_the_stack(stack: Path) -> None:
    environ = {"CRM_STACK_VAR": str(stack), "AIRFLOW_CONN_OLD": ""}

    adopt_local_variables(environ)

    assert environ["CRM_WAREHOUSE_CONNECTIONS"] == str(stack / "connections.sealed")
    assert environ["CRM_WAREHOUSE_SEALING_KEY"] == _KEY
    assert environ["AIRFLOW_HOME"] == "/srv"
    assert "LD_PRELOAD" not in environ


def test_what_else_is_set_stays(stack: Path) -> None:
    environ = {"CRM_STACK_VAR": str(stack), "CRM_WAREHOUSE_ENV": "prod"}
    adopt_local_variables(environ)
    assert environ["CRM_WAREHOUSE_ENV"] == "prod"


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW_CONN_CRM_WAREHOUSE",
        "AIRFLOW_CONN_OTHER",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "CRM_WAREHOUSE_CONNECTIONS",
        "CRM_WAREHOUSE_SEALING_KEY",
    ],
)
def test_beside_own_connections_nothing_is_adopted(stack: Path, name: str) -> None:
    environ = {"CRM_STACK_VAR": str(stack), name: "own"}
    adopt_local_variables(environ)
    assert environ == {"CRM_STACK_VAR": str(stack), name: "own"}


@pytest.mark.parametrize("missing", ["crm_warehouse", "genius_default"])
def test_half_a_set_of_connections_is_not_completed_from_the_sandbox(
    stack: Path, missing: str, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    own = {"crm_warehouse": "postgres://u:hush@127.0.0.1:1/w", "genius_default": "{}"}
    del own[missing]
    for conn_id, text in own.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)
    monkeypatch.delenv("CRM_WAREHOUSE_CONNECTIONS")
    monkeypatch.setenv("CRM_STACK_VAR", str(stack))
    # The default place, which a stack in .var would have.
    monkeypatch.setattr(
        "crm_warehouse.connections.lookup.sealed_file",
        lambda _environ: stack / "connections.sealed",
    )

    status, _, err = call("sync", "--source", "genius", "--entity", "users")

    assert status == 2
    assert f"set AIRFLOW_CONN_{missing.upper()}" in err
    assert "only where no AIRFLOW_CONN_ variable is set" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_another_users_variables_are_left_alone(stack: Path) -> None:
    folder = stack / "secrets"
    folder.chmod(0)
    environ = {"CRM_STACK_VAR": str(stack)}
    try:
        adopt_local_variables(environ)
    finally:
        folder.chmod(stat.S_IRWXU)
    assert environ == {"CRM_STACK_VAR": str(stack)}
