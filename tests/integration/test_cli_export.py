"""Connections of a real Airflow, exported; then a sync without Airflow."""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.sealing import open_connections
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import ROOT, SYNC, Shell

_NAMES = ("AIRFLOW_CONN_CRM_WAREHOUSE", "AIRFLOW_CONN_GENIUS_DEFAULT")
_FERNET_KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
#: These tables are all of the metadata database that an export reads.
_FILL = """
import json, sys
from airflow import settings
from airflow.models.connection import Connection
from airflow.models.team import Team
tables = [Team.__table__, Connection.__table__]
Connection.metadata.create_all(settings.engine, tables=tables)
with settings.Session() as session:
    for conn_id, text in json.load(sys.stdin).items():
        session.add(Connection.from_json(text, conn_id=conn_id))
    session.commit()
"""


def _airflow(folder: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__CORE__FERNET_KEY": _FERNET_KEY,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose connections are in Airflow's database only."""
    made = Shell(warehouse, sandbox, tmp_path)
    made.env["CRM_WAREHOUSE_SEALING_KEY"] = base64.b64encode(os.urandom(32)).decode()
    folder = tmp_path / "airflow"
    folder.mkdir()
    texts = {
        name.removeprefix("AIRFLOW_CONN_").lower(): made.env.pop(name)
        for name in _NAMES
    }
    texts["genius_default"] = json.dumps(
        {**json.loads(texts["genius_default"]), "conn_type": "genius"}
    )
    subprocess.run(
        [sys.executable, "-c", _FILL],
        cwd=ROOT,
        env={**made.env, **_airflow(folder)},
        input=json.dumps(texts),
        text=True,
        check=True,
        capture_output=True,
    )
    yield made
    made.close()


def test_sync_works_without_airflow_after_the_export(
    shell: Shell, tmp_path: Path
) -> None:
    plain = dict(shell.env)
    folder = tmp_path / "airflow"
    sealed = Path(shell.env["CRM_WAREHOUSE_CONNECTIONS"])
    assert shell.run(*SYNC, "users").status == 2

    shell.env |= _airflow(folder)
    process = shell.start("connections", "export")
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert out.splitlines() == [
        "crm_warehouse: exported",
        "genius_database: not in Airflow; left out",
        "genius_default: exported",
        f"written to {sealed}",
    ]
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    for secret in (shell.password, shell.token):
        assert secret not in out + err + sealed.read_text("utf-8")

    shell.env = plain
    (folder / "airflow.db").unlink()
    status, result, _ = shell.run(*SYNC, "users")
    assert status == 0
    assert result["records_created"] > 0

    # Now Airflow has none: nothing that was exported before is lost.
    exported = sealed.read_bytes()
    shell.env = {**plain, **_airflow(folder)}
    status, _, err = shell.run("connections", "export")
    assert status == 2
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in err
    assert sealed.read_bytes() == exported


def test_another_fernet_key_is_told(shell: Shell, tmp_path: Path) -> None:
    shell.env |= _airflow(tmp_path / "airflow")
    shell.env["AIRFLOW__CORE__FERNET_KEY"] = base64.urlsafe_b64encode(
        os.urandom(32)
    ).decode()

    status, _, err = shell.run("connections", "export")

    assert status == 2
    assert "AIRFLOW__CORE__FERNET_KEY" in err
    assert not Path(shell.env["CRM_WAREHOUSE_CONNECTIONS"]).exists()


def test_a_connection_that_airflow_lacks_is_kept_or_left_out(
    shell: Shell, tmp_path: Path
) -> None:
    shell.env |= _airflow(tmp_path / "airflow")
    assert shell.run("connections", "export").status == 0
    other = shell.file.read_text("utf-8").replace("source: genius", "source: other", 1)
    other = other.replace("connection: genius_default", "connection: other_default")
    (shell.file.parent / "other.yaml").write_text(other, "utf-8")
    (tmp_path / "airflow" / "airflow.db").rename(tmp_path / "airflow" / "old.db")
    empty = {"crm_warehouse": '{"conn_type": "postgres", "host": "elsewhere"}'}
    subprocess.run(
        [sys.executable, "-c", _FILL],
        cwd=ROOT,
        env=shell.env,
        input=json.dumps(empty),
        text=True,
        check=True,
        capture_output=True,
    )

    out, _ = shell.start("connections", "export").communicate(timeout=60)

    assert out.splitlines()[:5] == [
        "crm_warehouse: exported",
        "genius_database: not in Airflow; left out",
        "genius_default: not in Airflow; kept as it was exported before",
        "other_database: not in Airflow; left out",
        "other_default: not in Airflow; left out",
    ]
    sealed = open_connections(Path(shell.env["CRM_WAREHOUSE_CONNECTIONS"]), shell.env)
    assert sealed["crm_warehouse"].host == "elsewhere"
    assert sealed["genius_default"].password == shell.token
    assert set(sealed) == {"crm_warehouse", "genius_default"}
