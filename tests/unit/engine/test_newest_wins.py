"""Law 3: the newest state of a record wins, and what did not change is not written."""

from typing import Any

import pytest
from engine_load import NOON, Begin, Connection, at, rows

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
UNIFIED = (
    "SELECT city, is_deleted, job_id FROM warehouse.contacts WHERE source_id = '1'"
)
RAW = (
    "SELECT payload ->> 'city', is_deleted, job_id FROM raw.genius_prospects"
    " WHERE source_id = '1'"
)


def prospect(city: str | None, changed: str | None = OLD) -> dict[str, Any]:
    names = {"first_name": "Ann", "last_name": "Lee"}
    return {"id": 1, "city": city, "modified_date": changed, **names}


def both(conn: Connection) -> list[tuple[Any, ...]]:
    """The record as the unified row has it, then as the raw one has it."""
    return [*rows(conn, UNIFIED), *rows(conn, RAW)]


@pytest.mark.parametrize(
    ("first", "second", "later", "winner"),
    [
        (OLD, NEW, 1, "second"),
        (OLD, NEW, -1, "second"),
        (NEW, OLD, 1, "first"),
        (NEW, OLD, -1, "first"),
        (OLD, OLD, 1, "second"),
        (OLD, OLD, 0, "second"),
        (OLD, OLD, -1, "first"),
        (None, None, 1, "second"),
        (None, None, -1, "first"),
        (None, OLD, 1, "second"),
        (OLD, None, 1, "second"),
        (OLD, None, -1, "first"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", 1, "first"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:01Z", -1, "second"),
    ],
)
def test_version_then_observation_decide(
    begin: Begin,
    conn: Connection,
    first: str | None,
    second: str | None,
    later: int,
    winner: str,
) -> None:
    one = begin("prospects")
    one.write(prospect("first", first))
    other = begin("prospects")
    job = other.write(prospect("second", second), observed=at(later))

    writer = other if winner == "second" else one
    assert both(conn) == [(winner, False, writer.job.id)] * 2
    assert job.records_updated == (winner == "second")
    assert job.records_unchanged == (winner == "first")


def versions(conn: Connection, *tables: str) -> list[tuple[Any, ...]]:
    """What moves when any row is written: its place, and who wrote it last."""
    return [
        row
        for table in tables
        for row in rows(conn, f"SELECT ctid, xmin, t FROM {table} AS t ORDER BY 1")
    ]


def test_what_did_not_change_is_not_written(begin: Begin, conn: Connection) -> None:
    tables = ("raw.genius_prospects", "warehouse.contacts", "ops.sync_errors")
    records = [
        {**prospect("x"), "id": n, "email": "nonsense", "phone": "n/a"}
        for n in range(50)
    ]
    begin("prospects").write(*records)
    before = versions(conn, *tables)
    again = begin("prospects").write(*records, observed=at(60))

    assert len(before) == 50 + 50 + 100
    assert versions(conn, *tables) == before
    assert (again.records_processed, again.records_unchanged) == (50, 50)
    assert again.warnings == 100


def test_a_change_beside_the_mapping_is_kept_raw_and_writes_no_row(
    begin: Begin, conn: Connection
) -> None:
    begin("prospects").write(prospect("x"))
    before = versions(conn, "warehouse.contacts")
    job = begin("prospects").write({**prospect("x"), "score": 5}, observed=at(1))

    assert versions(conn, "warehouse.contacts") == before
    assert rows(conn, "SELECT payload -> 'score' FROM raw.genius_prospects") == [(5,)]
    assert job.records_unchanged == 1


@pytest.mark.parametrize(
    ("sent", "stored"), [({"city": ""}, ""), ({"city": None}, None), ({}, None)]
)
def test_an_empty_and_an_absent_field_clear(
    begin: Begin, conn: Connection, sent: dict[str, Any], stored: str | None
) -> None:
    record = prospect("x", OLD)
    begin("prospects").write(record)
    del record["city"]
    begin("prospects").write({**record, **sent, "modified_date": NEW})

    assert rows(conn, "SELECT city FROM warehouse.contacts") == [(stored,)]


def delete(begin: Begin, conn: Connection) -> None:
    """A full load that found record 1 gone."""
    load = begin("prospects")
    assert load.finish(gone=["1"]).records_deleted == 1
    assert [row[1] for row in both(conn)] == [True, True]


@pytest.mark.parametrize("record", [prospect("x"), prospect("y"), prospect("y", NEW)])
def test_a_list_read_before_the_tombstone_does_not_revive(
    begin: Begin, conn: Connection, record: dict[str, Any]
) -> None:
    begin("prospects").write(prospect("x"))
    delete(begin, conn)
    job = begin("prospects").write(record, observed=NOON)

    assert [row[:2] for row in both(conn)] == [("x", True)] * 2
    assert job.records_unchanged == 1


@pytest.mark.parametrize("record", [prospect("x"), prospect("y"), prospect("y", NEW)])
def test_a_list_read_after_the_tombstone_revives(
    begin: Begin, conn: Connection, record: dict[str, Any]
) -> None:
    begin("prospects").write(prospect("x"))
    delete(begin, conn)
    ((now,),) = rows(conn, "SELECT clock_timestamp()")
    load = begin("prospects")
    job = load.write(record, observed=now)

    assert both(conn) == [(record["city"], False, load.job.id)] * 2
    assert rows(conn, "SELECT deleted_at FROM warehouse.contacts") == [(None,)]
    assert rows(conn, "SELECT deleted_at FROM raw.genius_prospects") == [(None,)]
    assert (job.records_created, job.records_updated) == (0, 1)


def test_a_record_that_came_in_an_earlier_chunk_is_merged_but_counted_once(
    begin: Begin, conn: Connection
) -> None:
    load = begin("prospects")
    load.write(prospect("first", OLD))
    job = load.write(prospect("second", NEW), observed=at(1))

    assert rows(conn, "SELECT city FROM warehouse.contacts") == [("second",)]
    assert (job.records_received, job.records_repeated) == (2, 1)
    assert (job.records_processed, job.records_created, job.records_updated) == (
        1,
        1,
        0,
    )
    assert load.finish().status == "success"


def test_the_row_keeps_its_key_and_birth(begin: Begin, conn: Connection) -> None:
    begin("prospects").write(prospect("x"))
    keys = "SELECT id, created_at FROM warehouse.contacts"
    before = rows(conn, keys)
    begin("prospects").write(prospect("y", NEW))

    assert rows(conn, keys) == before
    assert rows(
        conn,
        "SELECT updated_at > created_at, last_synced > created_at"
        " FROM warehouse.contacts",
    ) == [(True, True)]
