"""Schedules against quotas."""

from pathlib import Path

import pytest
from source_yaml import SMALL, write

from crm_warehouse.source_files import default_directory, forecast, load_source


def _with(tmp_path: Path, requests: int, per: str, *schedules: str) -> list[str]:
    text = SMALL.replace("requests: 1000, per: 1h", f"requests: {requests}, per: {per}")
    for path, schedule in zip(("/people", "/visits"), schedules, strict=False):
        line = f"    path: {path}\n"
        text = text.replace(line, f'{line}    schedule: "{schedule}"\n')
    return forecast(load_source(write(tmp_path, text)))


def test_the_schedules_of_the_repository_fit() -> None:
    assert forecast(load_source(default_directory() / "genius.yaml")) == []


def test_too_many_runs_are_counted(tmp_path: Path) -> None:
    assert _with(tmp_path, 11, "1h", "*/10 * * * *", "*/10 * * * *") == [
        "acme: the schedules start up to 12 runs in 1:00:00, each of one request or "
        "more, but the quota 'hourly' allows 11; make the schedules rarer"
    ]
    assert _with(tmp_path, 12, "1h", "*/10 * * * *", "*/10 * * * *") == []


def test_a_window_reaches_across_midnight(tmp_path: Path) -> None:
    assert len(_with(tmp_path, 1, "1h", "50 23 * * *", "10 0 * * *")) == 1
    assert _with(tmp_path, 1, "20m", "50 23 * * *", "10 0 * * *") == []


def test_full_runs_count(tmp_path: Path) -> None:
    text = SMALL.replace("requests: 1000", "requests: 1").replace(
        "    path: /people\n",
        '    path: /people\n    schedule: "0 3 * * *"\n'
        '    full_schedule: "10 3 * * 1"\n',
    )

    assert len(forecast(load_source(write(tmp_path, text)))) == 1


@pytest.mark.parametrize("schedules", [(), ("0 0 1 1 *",)])
def test_rare_runs_are_fine(tmp_path: Path, schedules: tuple[str, ...]) -> None:
    assert _with(tmp_path, 1, "1h", *schedules) == []
