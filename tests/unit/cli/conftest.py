"""The command line, called in this process and cut off from this machine."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_call import Call, Outcome

from crm_warehouse.cli.main import main


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No connections, variables or files but those of the test."""
    for name in [n for n in os.environ if n.startswith(("AIRFLOW", "CRM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    monkeypatch.setenv("CRM_WAREHOUSE_CONNECTIONS", str(tmp_path / "none.sealed"))
    logger = logging.getLogger("crm_warehouse")
    before = logger.handlers, logger.level
    yield
    logger.handlers, level = before
    logger.setLevel(level)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line with these words."""

    def run(*words: str) -> Outcome:
        try:
            status = int(main(words))
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run
