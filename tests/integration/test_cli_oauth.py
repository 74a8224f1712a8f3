"""The command line with OAuth: AIRFLOW_CONN_ variables are all it needs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.source_files import default_directory
from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import Shell
from tests.proof.oauth_house import ENVIRON

SYNC = ("sync", "--source", "hubspot", "--entity")


@pytest.fixture
def crm(sandbox: SandboxServer) -> Crm:
    return sandbox.crm("hubspot")


@pytest.fixture
def shell(
    warehouse: str, sandbox: SandboxServer, crm: Crm, tmp_path: Path
) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    shutil.copy(default_directory() / "hubspot.yaml", tmp_path)
    told = crm.admin("POST", "/oauth/authorise")
    extra = {**told, "token_url": f"{crm.base_url}/oauth/2026-03/token"}
    connection = {"host": crm.base_url, "extra": extra}
    made.env |= {**ENVIRON, "AIRFLOW_CONN_HUBSPOT_DEFAULT": json.dumps(connection)}
    yield made
    made.close()
    crm.configure(withheld_scopes=[])


def test_a_sync_and_a_merge_refresh_one_token(shell: Shell, crm: Crm) -> None:
    status, result, err = shell.run(*SYNC, "companies", "--max-wait", "60")
    merged = shell.run("webhooks", "merge", "--source", "hubspot")

    assert (status, result["status"]) == (0, "success")
    assert (merged.status, merged.result["status"]) == (0, "success")
    assert crm.admin("GET", "/oauth")["refreshes"] == 1
    secrets = json.loads(shell.env["AIRFLOW_CONN_HUBSPOT_DEFAULT"])["extra"]
    for name in ("client_secret", "refresh_token"):
        assert secrets[name] not in err + json.dumps(result)


def test_a_missing_scope_is_bad_configuration(shell: Shell, crm: Crm) -> None:
    crm.configure(withheld_scopes=["crm.schemas.companies.read"])

    status, result, err = shell.run(*SYNC, "companies")

    assert (status, result["status"]) == (2, "failed")
    assert "missing: crm.schemas.companies.read" in err
    assert "missing: crm.schemas.companies.read" in result["errors"][0]


def test_without_a_key_nothing_is_asked(shell: Shell, crm: Crm) -> None:
    del shell.env["CRM_WAREHOUSE_SEALING_KEY"]

    status, _, err = shell.run(*SYNC, "companies")

    assert status == 2
    assert "CRM_WAREHOUSE_SEALING_KEY is not set" in err
    assert crm.stats()["requests"] == 0
