"""Commands of the stack before anything runs, and with files that are wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crm_warehouse.errors import ConfigurationError
from include.local_stack import __main__
from include.local_stack.readable_sources import readable_sources
from include.local_stack.settings import ROOT
from include.local_stack.stack import Stack


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_STACK_VAR", str(tmp_path / "var"))
    return tmp_path / "var"


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["local_stack", *words])
    return __main__.main()


def test_sources_are_read_from_the_chosen_folder_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genius = (ROOT / "include" / "sources" / "genius.yaml").read_text("utf-8")
    (tmp_path / "genius.yaml").write_text(genius, "utf-8")
    bad = genius.replace("timeout: 30s", "timeout: soon").replace(
        "into: con", "into: k"
    )
    (tmp_path / "bad.yaml").write_text(bad, "utf-8")
    (tmp_path / "worse.yaml").write_text("source: [", "utf-8")
    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(tmp_path))
    told: list[str] = []

    found = readable_sources(told.append)

    assert [source.name for source in found] == ["genius"]
    assert [line.partition(".yaml")[0].rpartition("/")[2] for line in told] == [
        "bad",
        "worse",
    ]
    assert all("\n" not in line and "validate" in line for line in told)


@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_wrong_configuration_is_a_message(
    command: str,
    var: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise ConfigurationError("a is wrong", "b is wrong")

    monkeypatch.setattr(Stack, "up", fail)
    monkeypatch.setattr(Stack, "postgres", fail)

    assert _run(monkeypatch, command) == 2
    assert capsys.readouterr().err == "error: a is wrong\nerror: b is wrong\n"


def test_logs_before_any_start_say_how_to_start(
    var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "logs") == 1
    err = capsys.readouterr().err
    assert "Nothing has run yet" in err
    assert "make up" in err
    assert not var.exists()


def test_a_log_that_is_not_there_names_those_that_are(
    var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (var / "logs").mkdir(parents=True)
    (var / "logs" / "scheduler.log").touch()
    assert _run(monkeypatch, "logs", "--part", "sheduler") == 1
    assert "There are: scheduler" in capsys.readouterr().err


def test_words_that_mean_nothing_are_refused(
    var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _run(monkeypatch, "clean", "--yess")
    assert "--yess" in capsys.readouterr().err


def _make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )


def test_down_without_an_environment_says_that_nothing_runs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    assert _make(tmp_path, "down").stdout == "Nothing runs.\n"


def test_down_needs_no_finished_setup(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n', "utf-8")
    python.chmod(0o755)
    assert _make(tmp_path, "down").stdout == "-m include.local_stack down\n"


def test_the_demo_takes_its_options_from_make() -> None:
    done = _make(ROOT, "-n", "demo", "KEEP=1", "PROSPECTS=300")
    assert "--keep" in done.stdout
    assert "--prospects '300'" in done.stdout
