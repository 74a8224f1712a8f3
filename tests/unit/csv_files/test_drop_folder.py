"""The drop folder, on a disk and in an object store."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crm_warehouse.csv_files.drop import (
    Dropped,
    drop_url,
    is_as_found,
    local_copy,
    put_away,
    waiting,
)


def drop(folder: Path, name: str, content: str = "id\n1\n", moment: float = 1e9) -> Any:
    path = folder / name
    path.write_text(content)
    os.utime(path, (moment, moment))
    return path


def test_it_is_where_the_environment_says() -> None:
    said = {"CRM_WAREHOUSE_DROP": "s3://aws_default@bucket/drop/"}

    assert drop_url("genius", "users", said) == (
        "s3://aws_default@bucket/drop/genius/users"
    )
    assert drop_url("genius", "users", {}) is None


def test_the_oldest_file_comes_first(tmp_path: Path) -> None:
    drop(tmp_path, "b.csv", moment=2e9)
    drop(tmp_path, "c.TSV", moment=1e9)
    drop(tmp_path, "a.txt", moment=1e9)

    assert [each.name for each in waiting(tmp_path)] == ["a.txt", "c.TSV", "b.csv"]
    assert waiting(tmp_path)[0] == Dropped("a.txt", 5, 1e9)


def test_what_is_not_finished_or_no_file_does_not_wait(tmp_path: Path) -> None:
    for name in (".a.csv", "a.csv.part", "a.csv.tmp", "a.csv.report", "a.xlsx"):
        drop(tmp_path, name)
    (tmp_path / "archive").mkdir()
    (tmp_path / "folder.csv").mkdir()

    assert waiting(tmp_path) == []


def test_a_name_that_is_no_text_is_left_alone_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / os.fsdecode(b"M\xe4rz.csv")).write_text("id\n")
    (tmp_path / "M\u00e4rz.csv").write_text("id\n")

    for _ in range(2):
        assert [each.name for each in waiting(tmp_path)] == ["M\u00e4rz.csv"]

    [message] = caplog.messages
    assert message.endswith("is left alone: its name is not in UTF-8; rename it")


def test_a_file_is_as_it_was_found_or_not(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", moment=1e9)
    [found] = waiting(tmp_path)

    assert is_as_found(path, found)
    # A store that lists milliseconds, and tells whole seconds of a single file.
    assert is_as_found(path, replace(found, modified=1e9 + 0.999))
    drop(tmp_path, "a.csv", moment=1e9 + 1)
    assert not is_as_found(path, found)
    drop(tmp_path, "a.csv", "id\n1\n2\n", moment=1e9)
    assert not is_as_found(path, found)
    path.unlink()
    assert not is_as_found(path, found)


def test_without_a_folder_nothing_waits(tmp_path: Path) -> None:
    assert waiting(tmp_path / "nobody") == []


def test_a_file_is_put_away_beside_its_report(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv")

    def bad_rows(to: Path) -> bool:
        to.write_text("id\nx\n")
        return True

    target = put_away(path, "archive", "1 row", bad_rows)

    assert target == tmp_path / "archive" / "a.csv"
    assert target.read_text() == "id\n1\n"
    assert (tmp_path / "archive" / "a.csv.report.txt").read_text() == "1 row\n"
    assert (tmp_path / "archive" / "a.csv.bad.csv").read_text() == "id\nx\n"
    assert waiting(tmp_path) == waiting(tmp_path / "archive") == [] or not path.exists()


def test_a_name_that_was_there_before_gets_a_number(tmp_path: Path) -> None:
    for content in ("one", "two", "three"):
        put_away(drop(tmp_path, "a.csv", content), "failed", content, lambda _: False)

    failed = tmp_path / "failed"
    assert sorted(path.name for path in failed.iterdir()) == [
        "a-2.csv",
        "a-2.csv.report.txt",
        "a-3.csv",
        "a-3.csv.report.txt",
        "a.csv",
        "a.csv.report.txt",
    ]
    assert (failed / "a-3.csv").read_text() == "three"


def test_a_kill_before_the_move_leaves_nothing_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path, "a.csv")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            put_away(path, "archive", "first")
    assert [each.name for each in waiting(tmp_path)] == ["a.csv"]

    put_away(path, "archive", "second")

    report = tmp_path / "archive" / "a.csv.report.txt"
    assert report.read_text() == "second\n"


def test_a_file_of_this_machine_is_read_where_it_is(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv")
    [dropped] = waiting(tmp_path)

    with local_copy(path, dropped) as (local, moment):
        assert local == path
        assert moment.timestamp() == 1e9
