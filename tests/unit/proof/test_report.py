"""Reports are kept, and kills go on where they were."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.proof import kills
from tests.proof.report import Report, folder


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_STACK_VAR", str(tmp_path))
    return tmp_path


def _kept(name: str) -> dict[str, object]:
    kept: dict[str, object] = json.loads((folder() / f"{name}.json").read_text())
    return kept


def test_a_proof_that_holds_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("tried", "Tried")
    report.add({"cases": 2, "wrong": 0})
    report.end()

    assert "| cases | wrong |\n|---|---|\n| 2 | 0 |" in capsys.readouterr().out
    assert _kept("tried").items() >= {"proof": "Tried", "holds": True}.items()


def test_a_proof_that_does_not_hold_ends_with_an_error(var: Path) -> None:
    report = Report("tried", "Tried")
    report.fail(["a row is missing"])

    with pytest.raises(SystemExit, match="1 wrong"):
        report.end()

    assert _kept("tried")["holds"] is False
    assert _kept("tried")["wrong"] == ["a row is missing"]


def test_kills_are_read_back_and_summed_by_load(var: Path) -> None:
    lines = var / "kills.jsonl"
    cycles = [
        kills.Cycle("full", 2, 1.5, []),
        kills.Cycle("replay", 1, 0.5, ["contacts: 1 missing"]),
        kills.Cycle("full", 0, 0.5, []),
    ]
    lines.write_text("".join(json.dumps(asdict(each)) + "\n" for each in cycles))

    report = kills.report_of(kills.read(lines))

    full = {"load": "full", "kills": 2, "loads ended": 2, "equal to truth": 2}
    assert report.lines[0].items() >= full.items()
    assert report.wrong == ["replay: contacts: 1 missing"]
    assert kills.read(var / "none.jsonl") == []
