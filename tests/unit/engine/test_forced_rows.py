"""Rows that a repair writes whatever they say of themselves, and what it never does."""

from typing import Any

import pytest
from engine_load import Begin, Connection, Load, at, rows

NAMES = "SELECT first_name, is_deleted FROM warehouse.contacts"


def person(name: str, day: int = 1) -> dict[str, Any]:
    changed = f"2026-02-{day:02}T00:00:00Z"
    return {"id": 7, "first_name": name, "last_name": "Lee", "modified_date": changed}


@pytest.fixture
def load(begin: Begin) -> Load:
    """Ann stands in raw; what a row says can be no other."""
    load = begin("prospects")
    load.write(person("Ann", day=2), observed=at(1))
    return load


def force(load: Load, record: dict[str, Any], minutes: float) -> None:
    chunk = load.chunk([record], at(minutes))
    load.job = load.loader.write(load.job, chunk, {"at": minutes}, forced=["7"])


@pytest.mark.parametrize("lie", ["is_deleted = true, deleted_at = now()", ""])
def test_it_becomes_what_raw_holds(conn: Connection, load: Load, lie: str) -> None:
    parts = ", ".join(filter(None, ["first_name = 'X'", lie]))
    rows(conn, f"UPDATE warehouse.contacts SET {parts} RETURNING id")
    load.write(person("Ann", day=2), observed=at(2))
    assert rows(conn, NAMES) == [("X", bool(lie))]

    force(load, person("Ann", day=2), minutes=3)

    assert rows(conn, NAMES) == [("Ann", False)]


def test_it_never_becomes_what_raw_does_not_hold(conn: Connection, load: Load) -> None:
    force(load, person("Old", day=1), minutes=2)

    assert rows(conn, NAMES) == [("Ann", False)]
