"""Times without a zone, of a source whose zone is known."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_warehouse.engine.local_times import comes_twice, timestamp_in
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.values import NULL, UnusableValueError
from crm_warehouse.spec import Deletes, Entity, FieldMap

ZONE = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-01-15T09:30:00", "2026-01-15T14:30:00Z"),
        ("2026-07-15T09:30:00.25", "2026-07-15T13:30:00.25Z"),
        ("2026-07-15 09:30:00", "2026-07-15T13:30:00Z"),
        # What names its zone, and dates, are what they are everywhere.
        ("2026-07-15T09:30:00Z", "2026-07-15T09:30:00Z"),
        ("2026-07-15T09:30:00+02:00", "2026-07-15T07:30:00Z"),
        ("2026-07-15", "2026-07-15T00:00:00Z"),
        ("1773059400000", "2026-03-09T12:30:00Z"),
        # The hour that comes twice: the first; that is left out: the clock before.
        ("2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
        ("2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T04:56:02Z"),
    ],
)
def test_a_local_time_becomes_an_instant(sent: str, instant: str) -> None:
    assert timestamp_in(ZONE)(sent) == instant


@pytest.mark.parametrize(
    "sent", ["soon", "2026-13-01T00:00:00", 7, "9999-12-31T23:59:59"]
)
def test_what_is_no_time_is_unusable(sent: Any) -> None:
    with pytest.raises(UnusableValueError):
        timestamp_in(ZONE)(sent)


@pytest.mark.parametrize(
    ("sent", "twice"),
    [
        ("2026-11-01T00:59:59", False),
        ("2026-11-01T01:00:00", True),
        ("2026-11-01T01:59:59", True),
        ("2026-11-01T02:00:00", False),
        ("2026-11-01T01:30:00Z", False),
        ("2026-03-08T02:30:00", False),
        ("2026-11-01", False),
        (None, False),
    ],
)
def test_only_the_hour_of_autumn_comes_twice(sent: Any, twice: bool) -> None:
    assert comes_twice(sent, ZONE) is twice


def entity(**more: Any) -> Entity:
    fields = (
        FieldMap("phone", (("cell",), ("home",), ("work",)), skip_empty=True),
        FieldMap("source_updated_at", (("changed",),)),
    )
    given: dict[str, Any] = {
        "time_zone": "America/New_York",
        "version_path": ("changed",),
        "active_path": ("isActive",),
        **more,
    }
    return Entity(
        source="s",
        name="phones",
        aliases=(),
        into="contact_phones",
        path="/phones",
        records_path=("data",),
        id_path=("id",),
        since_param=None,
        fields=fields,
        schedule=None,
        full_schedule=None,
        deletes=Deletes(None, 0.2),
        **given,
    )


def test_a_time_that_comes_twice_is_no_version_but_a_value() -> None:
    mapping = Mapping(entity(), "US")
    record = {"id": "1", "changed": "2026-11-01T01:30:00"}

    row = mapping.map(record, "1")

    assert mapping.version(record) is None
    assert row.line is not None
    assert row.line.split("\t")[1] == "2026-11-01T05:30:00Z"
    assert mapping.version({"changed": "2026-11-01T03:30:00"}) == "2026-11-01T08:30:00Z"


@pytest.mark.parametrize(
    ("numbers", "phone"),
    [
        ({"cell": "", "home": "2", "work": "3"}, "2"),
        ({"cell": None, "home": None, "work": "3"}, "3"),
        ({"cell": "", "home": None}, ""),
        ({}, NULL),
    ],
)
def test_an_empty_number_hides_no_other(numbers: dict[str, Any], phone: str) -> None:
    row = Mapping(entity(), "US").map({"id": "1", **numbers}, "1")

    assert row.line is not None
    assert row.line.split("\t")[0] == phone


@pytest.mark.parametrize("word", ["false", "False", False])
def test_an_inactive_record_makes_no_row_and_is_no_reject(word: Any) -> None:
    row = Mapping(entity(), "US").map({"id": "1", "isActive": word}, "1")

    assert (row.line, row.reject, row.warnings) == (None, None, [])


@pytest.mark.parametrize("word", ["true", True, None, "", "0"])
def test_anything_else_is_active(word: Any) -> None:
    assert Mapping(entity(), "US").map({"id": "1", "isActive": word}, "1").line


def test_another_zone_maps_otherwise() -> None:
    digests = {
        Mapping(entity(time_zone=zone), "US").digest
        for zone in ("America/New_York", "America/Denver", None)
    }

    assert len(digests) == 3
