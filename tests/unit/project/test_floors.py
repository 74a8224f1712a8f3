"""Imports point down the floors, and an import that does not is noticed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from repository_files import ROOT

#: A line that breaks a contract: contract, file, line, what the report names.
VIOLATIONS = [
    (
        "Imports point down the floors",
        "plugins/crm_warehouse/clients/paging.py",
        "from crm_warehouse.cli import exits",
        "crm_warehouse.clients.paging -> crm_warehouse.cli",
    ),
    (
        "Imports point down the floors",
        "plugins/crm_warehouse/triggers/__init__.py",
        "from crm_warehouse.operators import retry",
        "crm_warehouse.triggers -> crm_warehouse.operators.retry",
    ),
    (
        "The package never sees the bundle: API server and triggerer have none",
        "plugins/crm_warehouse/operators/settings.py",
        "from include import dag_docs",
        "crm_warehouse.operators.settings -> include",
    ),
    (
        "Engine, clients and words run without Airflow",
        "plugins/crm_warehouse/engine/chunk.py",
        "import airflow",
        "crm_warehouse.engine.chunk -> airflow",
    ),
    (
        "Clients know no database",
        "plugins/crm_warehouse/clients/listing.py",
        "import psycopg",
        "crm_warehouse.clients.listing -> psycopg",
    ),
    (
        "The sandbox judges the warehouse, so it shares no code with it",
        "include/sandbox/truth.py",
        "from crm_warehouse import unified",
        "include.sandbox.truth -> crm_warehouse",
    ),
    (
        "One seam names the HTTP library",
        "plugins/crm_warehouse/hooks/genius.py",
        "import requests",
        "crm_warehouse.hooks.genius -> requests",
    ),
    (
        "The receiver stands apart: it starts, and stores, whatever the rest does",
        "webhook_receiver/routes.py",
        "from crm_warehouse.engine import payload",
        "webhook_receiver.routes -> crm_warehouse.engine",
    ),
]


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{root / 'plugins'}:{root}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def broken_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Report on a copy of the code that breaks every contract once."""
    copy = tmp_path_factory.mktemp("repository")
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for folder in ("plugins", "include", "webhook_receiver"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=skipped)
    for _, name, line, _ in VIOLATIONS:
        path = copy / name
        path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")
    report = _lint(copy)
    assert report.returncode == 1, report.stderr
    return report.stdout


def test_the_floors_hold() -> None:
    report = _lint(ROOT)

    assert report.returncode == 0, report.stdout
    assert "0 broken" in report.stdout


def test_every_contract_is_tried() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]

    assert {each["name"] for each in contracts} == {name for name, *_ in VIOLATIONS}


@pytest.mark.parametrize(
    ("contract", "import_"), [(name, arrow) for name, _, _, arrow in VIOLATIONS]
)
def test_an_import_upwards_is_caught(
    broken_report: str, contract: str, import_: str
) -> None:
    assert re.search(rf"{re.escape(contract)}\s+BROKEN", broken_report)
    section = broken_report.split(f"\n{contract}\n---")[1].split("\n---")[0]
    assert import_ in section
