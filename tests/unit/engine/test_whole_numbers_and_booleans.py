"""Whole numbers, yes and no, milliseconds since 1970, and texts made of several."""

from typing import Any

import pytest

from crm_warehouse.engine.record_paths import joined
from crm_warehouse.engine.values import (
    UnusableValueError,
    boolean,
    integer,
    timestamp,
)

RECORD = {"first": " Ann ", "last": "Lee", "empty": "", "none": None, "number": 7}


@pytest.mark.parametrize(
    ("sent", "held"),
    [(3, "3"), ("-1", "-1"), (" 12 ", "12"), ("3.0", "3"), (2**63 - 1, str(2**63 - 1))],
)
def test_whole_numbers(sent: Any, held: str) -> None:
    assert integer(sent) == held


@pytest.mark.parametrize(
    "sent", ["3.5", "1,000", "1_0", "NaN", "sNaN", "1e999999999", 2**63, True, "", []]
)
def test_what_is_no_whole_number_is_refused(sent: Any) -> None:
    with pytest.raises(UnusableValueError) as raised:
        integer(sent)
    assert raised.value.error_type == "invalid_number"


@pytest.mark.parametrize("sent", ["yes", 1, 0, "", "t", [], {}])
def test_what_is_neither_true_nor_false_is_refused(sent: Any) -> None:
    assert (boolean(True), boolean(" False ")) == ("true", "false")
    with pytest.raises(UnusableValueError) as raised:
        boolean(sent)
    assert raised.value.error_type == "invalid_boolean"


@pytest.mark.parametrize(
    ("sent", "held"),
    [
        ("1512102030405", "2017-12-01T04:20:30.405Z"),  # no day of the year 1512
        ("99999999999", "1973-03-03T09:46:39.999Z"),
        ("-1", "1969-12-31T23:59:59.999Z"),
        ("1773059400000.5", "2026-03-09T12:30:00.0005Z"),
        ("20260309", "2026-03-09T00:00:00Z"),
    ],
)
def test_digits_are_milliseconds_unless_they_are_a_day(sent: str, held: str) -> None:
    assert timestamp(sent) == held


@pytest.mark.parametrize("sent", ["1773059400", "17730594000000", "-", "-1.", "0x1"])
def test_other_digits_are_no_time(sent: str) -> None:
    with pytest.raises(UnusableValueError):
        timestamp(sent)


@pytest.mark.parametrize(
    ("paths", "some", "whole"),
    [
        (["first", "last"], "Ann:Lee", "Ann:Lee"),
        (["first", "empty", "last"], "Ann:Lee", None),
        (["none", "number"], "7", None),
        (["empty", "none", "absent"], None, None),
    ],
)
def test_several_places_make_one_text(
    paths: list[str], some: str | None, whole: str | None
) -> None:
    places = [(path,) for path in paths]

    assert joined(places, ":", whole=False)(RECORD) == some
    assert joined(places, ":", whole=True)(RECORD) == whole
