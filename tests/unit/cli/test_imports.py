"""Starting a command imports what that command needs, and never Airflow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_SCRIPT = """
import sys
from crm_warehouse.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
sys.stdout = sys.__stdout__
print("\\n" + " ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = {"psycopg", "requests", "marshmallow", "yaml", "tqdm", "cryptography"}
SYNC = ("sync", "--source", "genius", "--entity", "prospects")


def _imported(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin", "CRM_WAREHOUSE_CONNECTIONS": "/no/such.sealed"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        SYNC,
        ("preview", "--source", "genius", "--entity", "prospects"),
        ("validate",),
        ("migrate",),
        ("connections", "export", "--help"),
    ],
    ids=" ".join,
)
def test_no_airflow(words: tuple[str, ...]) -> None:
    imported = _imported(*words)

    assert "crm_warehouse" in imported
    assert "airflow" not in imported


@pytest.mark.parametrize("words", [("--help",), (*SYNC, "--mode", "ful")])
def test_help_and_usage_errors_import_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not _imported(*words) & HEAVY


def test_validation_of_files_needs_no_database_driver() -> None:
    imported = _imported("validate")

    assert "yaml" in imported
    assert not imported & {"psycopg", "requests"}
