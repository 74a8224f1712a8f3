"""The whole stack, as ``make up`` runs it, in a folder of its own."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from include.local_stack.demo_api import DemoApi
from include.local_stack.settings import StackSettings
from include.local_stack.stack import ADMIN, Stack
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import ROOT

#: Every entity's own times, so that nothing but the minute's cron starts by itself.
_NEVER = '"0 0 29 2 *"'
_EACH_MINUTE = '"* * * * *"'


@dataclass(frozen=True)
class World:
    """A stack, the CRM it loads, and the ways to look at both.

    Attributes:
        stack: The stack.
        sandbox: The CRM.
        conninfo: Its warehouse.
        api: Airflow's REST API.
    """

    stack: Stack
    sandbox: SandboxServer
    conninfo: str
    api: DemoApi

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a query on the warehouse."""
        with psycopg.connect(self.conninfo, row_factory=dict_row) as conn:
            return conn.execute(statement, values).fetchall()


def minute_sources(folder: Path) -> Path:
    """The source files, with prospects due each minute and quotas nobody reaches."""
    for path in (ROOT / "include" / "sources").glob("*.yaml"):
        text = re.sub(r"requests: \d+", "requests: 1000000", path.read_text())
        text = re.sub(r'schedule: ".*"', f"schedule: {_NEVER}", text)
        text = text.replace(
            f"    schedule: {_NEVER}", f"    schedule: {_EACH_MINUTE}", 1
        )
        (folder / path.name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def world(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[World]:
    # Not pytest's folder: root's stack runs its database as another user, and the
    # path of a socket must be short.
    var = Path(tempfile.mkdtemp(prefix="crm-e2e-"))
    var.chmod(0o755)
    sources = var / "sources"
    sources.mkdir()
    monkeypatch_module.setenv("CRM_WAREHOUSE_SOURCES", str(minute_sources(sources)))
    with SandboxServer(Settings(prospects=2_000, quota=False)) as sandbox:
        genius = {
            "conn_type": "genius",
            "host": sandbox.base_url,
            "password": sandbox.token,
        }
        settings = StackSettings(
            var=var / "var",
            preferred_ports={
                "ui": 28080,
                "execution": 28180,
                "postgres": 25533,
                "receiver": 28290,
            },
            more_environment=lambda _: {
                "AIRFLOW_CONN_GENIUS_DEFAULT": json.dumps(genius)
            },
        )
        stack = Stack(settings)
        try:
            stack.up()
            password = stack.secrets().admin_password
            conninfo = stack.postgres().conninfo("warehouse", "crm_warehouse")
            with DemoApi(stack.ui_url(), ADMIN, password) as api:
                yield World(stack, sandbox, conninfo, api)
        finally:
            stack.down()
            shutil.rmtree(var)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
