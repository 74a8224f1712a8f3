"""Cells become values in the forms that the API writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from csv_reading import PEOPLE, Reading

from crm_warehouse.ways_in import CsvWay


def value(folder: Path, key: str, cell: str, way: CsvWay = PEOPLE) -> Any:
    content = f'id;{key}\n1;"{cell}"\n'.encode()
    return Reading(folder, content, way).records()[0][key]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("12", 12), ("12.50", 12.5), ("$1,234.50", 1234.5), (" -3 ", -3),
        ("(1,000.25)", -1000.25), ("1,2,3", "1,2,3"), ("n/a", "n/a"), ("1_0", "1_0"),
        ("NaN", "NaN"), ("1,234", 1234),
    ],
)  # fmt: skip
def test_numbers(tmp_path: Path, cell: str, expected: Any) -> None:
    found = value(tmp_path, "amount", cell)

    assert (found, type(found)) == (expected, type(expected))


def test_numbers_of_an_api_that_writes_text_stay_text(tmp_path: Path) -> None:
    way = replace(PEOPLE, value_form="text", integers=())

    assert value(tmp_path, "amount", "$1,234.50", way) == "1234.50"


def test_a_comma_may_be_the_decimal_point(tmp_path: Path) -> None:
    way = replace(PEOPLE, decimal_comma=True)

    assert value(tmp_path, "amount", "1.234,50 €", way) == 1234.5


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-03-14T14:05:09Z", "2026-03-14T14:05:09Z"),
        ("2026-03-14T14:05:09+02:00", "2026-03-14T12:05:09Z"),
        ("2026-03-14 14:05:09.250", "2026-03-14T14:05:09.25Z"),
        ("03/14/2026 2:05 PM", "2026-03-14T14:05:00Z"),
        ("14.03.2026 14:05", "2026-03-14T14:05:00Z"),
        ("2026-03-14", "2026-03-14T00:00:00Z"),
        ("soon", "soon"),
    ],
)
def test_times(tmp_path: Path, cell: str, expected: str) -> None:
    assert value(tmp_path, "changed", cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("03/14/2026 2:05 PM", "2026-03-14T19:05:00Z"),  # summer time
        ("01/14/2026 2:05 PM", "2026-01-14T20:05:00Z"),
        ("11/01/2026 1:30 AM", "2026-11-01T06:30:00Z"),  # twice: the first of both
        ("2026-01-14T14:05:00+01:00", "2026-01-14T13:05:00Z"),  # says its own
    ],
)
def test_times_of_a_zone(tmp_path: Path, cell: str, expected: str) -> None:
    way = replace(PEOPLE, time_zone="America/Chicago")

    assert value(tmp_path, "changed", cell, way) == expected


def test_an_empty_cell_is_the_apis_word_for_nothing(tmp_path: Path) -> None:
    assert value(tmp_path, "name", "") is None
    text = replace(PEOPLE, value_form="text")
    assert value(tmp_path, "name", "", text) == ""
