"""A preview shows what the engine would write, from a file and without a warehouse."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_call import Call

WORDS = ("preview", "--source", "genius", "--entity", "appointments")
GOOD = {
    "id": 7,
    "prospect_id": 3,
    "scheduled_date": "2026-02-03T04:05:06Z",
    "status": " set\t",
    "notes": "first\nsecond\ttab \\ and \x1b[2J",
    "modified_date": "2026-01-02T03:04:05Z",
}
BAD = {"id": 8, "prospect_id": 3, "status": "set"}


def _sample(tmp_path: Path, content: Any) -> tuple[str, str]:
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(content), "utf-8")
    return "--sample", str(path)


@pytest.mark.parametrize(
    "content", [GOOD, [GOOD], {"data": [GOOD], "pagination": {}}], ids=type
)
def test_values_are_those_of_the_record(
    call: Call, tmp_path: Path, content: Any
) -> None:
    status, out, _ = call(*WORDS, "--json", *_sample(tmp_path, content))

    assert status == 0
    shown = json.loads(out)
    assert (shown["entity"], shown["into"]) == ("appointments", "appointments")
    (record,) = shown["records"]
    assert (record["source_id"], record["version"]) == ("7", "2026-01-02T03:04:05Z")
    assert record["row"]["contact_source_id"] == "3"
    assert record["row"]["notes"] == GOOD["notes"]
    assert record["row"]["status"] == "set"
    assert record["row"]["type"] is None
    assert record["reject"] is None


def test_json_columns_are_json(call: Call, tmp_path: Path) -> None:
    user = {"id": 1, "name": "A", "role": {"level": 2, "text": 'q"\\'}}
    words = ("preview", "--source", "genius", "--entity", "users", "--json")
    _, out, _ = call(*words, *_sample(tmp_path, user))

    (record,) = json.loads(out)["records"]
    assert record["row"]["attributes"] == {"role": {"level": 2, "text": 'q"\\'}}


def test_rejects_and_warnings_show_and_count(call: Call, tmp_path: Path) -> None:
    nameless = {key: GOOD[key] for key in ("id", "scheduled_date")}
    status, out, _ = call(*WORDS, *_sample(tmp_path, [GOOD, BAD, nameless, "x"]))

    assert status == 3
    assert "rejected: scheduled_date: required, but empty or absent" in out
    assert "rejected: the record is not an object (not_an_object)" in out
    assert "warning: status: required, but empty or absent (missing_value)" in out
    assert "4 records: 2 rows of warehouse.appointments, 2 rejected, 2 warnings" in out


def test_text_cannot_steer_the_terminal(call: Call, tmp_path: Path) -> None:
    _, out, _ = call(*WORDS, *_sample(tmp_path, GOOD))

    assert "\x1b" not in out
    assert r"first\nsecond\ttab \ and \x1b[2J" in out


def test_limit(call: Call, tmp_path: Path) -> None:
    many = [{**GOOD, "id": number} for number in range(1, 10)]
    _, out, _ = call(*WORDS, "--json", "--limit", "2", *_sample(tmp_path, many))

    assert [r["source_id"] for r in json.loads(out)["records"]] == ["1", "2"]


@pytest.mark.parametrize("content", ["{", "", "<html>", "17"])
def test_a_file_that_holds_no_record(call: Call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content, "utf-8")

    status, _, err = call(*WORDS, "--sample", str(path))

    assert status == 2
    assert err.startswith(f"error: --sample: {path}: ")
    assert "Traceback" not in err
