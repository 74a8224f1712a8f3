"""Top-level names are ours alone, and DAG ids are those of the contract."""

import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
from repository_files import ROOT

from crm_warehouse.source_files import default_directory, load_source

PLUGINS = ROOT / "plugins"


@pytest.mark.parametrize("name", ["crm_warehouse", "include", "webhook_receiver"])
def test_our_packages_resolve_inside_the_repository(name: str) -> None:
    code = f"import {name}; print({name}.__file__)"
    # As Airflow's processes and the command line run: from the root, nothing added.
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert found in (
        str(PLUGINS / name / "__init__.py"),
        str(ROOT / name / "__init__.py"),
    )


def test_no_name_under_plugins_is_somebody_elses() -> None:
    ours = {path.stem for path in PLUGINS.glob("*.py")} | {
        path.name
        for path in PLUGINS.iterdir()
        if path.is_dir() and path.suffix != ".dist-info"
    }
    ours -= {"__pycache__"}
    assert {"crm_warehouse", "crm_warehouse_plugin"} <= ours

    taken = set(sys.stdlib_module_names) | set(packages_distributions())

    assert not ours & taken


def test_only_the_plugin_file_is_executed_by_airflow() -> None:
    lines = (PLUGINS / ".airflowignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules == ["*", "!crm_warehouse_plugin.py"]
    assert [path.name for path in PLUGINS.glob("*.py")] == ["crm_warehouse_plugin.py"]


def test_dag_ids_and_raw_tables_are_those_of_the_contract() -> None:
    genius = load_source(default_directory() / "genius.yaml")
    names = (
        "prospects",
        "appointments",
        "users",
        "divisions",
        "marketing_sources",
    )

    assert {entity.dag_id for entity in genius.entities.values()} == {
        f"genius__{name}" for name in names
    }
    assert {entity.raw_table for entity in genius.entities.values()} == {
        f"genius_{name}" for name in names
    }
    assert genius.connection == "genius_default"
