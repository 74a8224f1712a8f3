"""A property that was removed and comes back: rows say what records say again."""

from typing import Any

import pytest
from engine_load import Connection, Load, at, rows

from crm_warehouse.clients.interface import Property
from crm_warehouse.engine import schema_changes
from crm_warehouse.source_files import default_directory, load_sources
from crm_warehouse.spec import Source

ALL = ("firstname", "email", "city")
WITHOUT = ("firstname", "email")


@pytest.fixture
def hubspot() -> Source:
    return load_sources(default_directory())["hubspot"]


def load(
    conn: Connection,
    source: Source,
    properties: tuple[str, ...],
    minutes: float,
    *,
    replayed: bool = False,
    **values: Any,
) -> list[tuple[Any, ...]]:
    """One load of one contact in a portal with these properties; returns its city."""
    entity = source.entities["contacts"]
    told = [Property(each, "string", each) for each in properties]
    schema_changes.note(conn, Load(conn, source, entity).job, entity, told)
    job = Load(conn, source, entity, with_raw=not replayed)
    if replayed:
        job.replay()
    else:
        record = {"id": "1", "properties": {"firstname": "Ann", **values}}
        job.write(record, observed=at(minutes))
    job.finish()
    return rows(conn, "SELECT city FROM warehouse.contacts")


@pytest.mark.parametrize("replayed", [False, True])
def test_it_comes_back_without_values(
    conn: Connection, hubspot: Source, replayed: bool
) -> None:
    assert load(conn, hubspot, ALL, 1, city="Austin") == [("Austin",)]
    assert load(conn, hubspot, WITHOUT, 2) == [("Austin",)]

    assert load(conn, hubspot, ALL, 3, replayed=replayed) == [(None,)]


def test_while_it_is_gone_nothing_is_written_twice(
    conn: Connection, hubspot: Source
) -> None:
    load(conn, hubspot, ALL, 1, city="Austin")
    load(conn, hubspot, WITHOUT, 2)
    written = "SELECT xmin::text FROM warehouse.contacts"
    before = rows(conn, written)

    assert load(conn, hubspot, WITHOUT, 3) == [("Austin",)]
    assert rows(conn, written) == before
