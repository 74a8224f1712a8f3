"""Law 3: the newest state of a record wins, and what did not change is not written."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from engine_load import Begin, Connection, at, rows

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
UNIFIED = (
    "SELECT city, is_deleted, job_id FROM warehouse.contacts ORDER BY source_id::int"
)
RAW = (
    "SELECT payload ->> 'city', is_deleted, job_id FROM raw.genius_prospects"
    " ORDER BY source_id::int"
)
#: Versions of a first and a second state, minutes between their observations, and
#: which of them should stay.
CONTESTS = [
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
]


def prospect(
    city: str | None, changed: str | None = OLD, source_id: int = 1
) -> dict[str, Any]:
    names = {"first_name": "Ann", "last_name": "Lee"}
    return {"id": source_id, "city": city, "modified_date": changed, **names}


def test_version_then_observation_decide(begin: Begin, conn: Connection) -> None:
    one = begin("prospects")
    cases = list(enumerate(CONTESTS))
    one.write(*(prospect("first", first, n) for n, (first, _, _, _) in cases))
    other = begin("prospects")
    for n, (_, second, minutes, _) in cases:
        other.write(prospect("second", second, n), observed=at(minutes))

    jobs = {"first": one.job.id, "second": other.job.id}
    expected = [(winner, False, jobs[winner]) for *_, winner in CONTESTS]
    assert rows(conn, UNIFIED) == expected
    assert rows(conn, RAW) == expected
    updated = sum(winner == "second" for *_, winner in CONTESTS)
    assert other.job.records_updated == updated
    assert other.job.records_unchanged == len(CONTESTS) - updated


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


def test_an_empty_and_an_absent_field_clear(begin: Begin, conn: Connection) -> None:
    begin("prospects").write(*(prospect("x", OLD, n) for n in range(3)))
    empty, null, absent = (
        prospect("", NEW, 0),
        prospect(None, NEW, 1),
        prospect("", NEW, 2),
    )
    del absent["city"]
    begin("prospects").write(empty, null, absent)

    assert [row[0] for row in rows(conn, UNIFIED)] == ["", None, None]


#: The same state, another without a newer version, and a newer one.
LATER = [prospect("x", OLD, 0), prospect("y", OLD, 1), prospect("y", NEW, 2)]


@pytest.fixture
def deleted(begin: Begin, conn: Connection) -> datetime:
    """Three contacts that a full load found gone, and the time after it."""
    begin("prospects").write(*(prospect("x", OLD, n) for n in range(3)))
    assert begin("prospects").finish(gone=["0", "1", "2"]).records_deleted == 3
    assert [row[1] for row in rows(conn, UNIFIED) + rows(conn, RAW)] == [True] * 6
    ((now,),) = rows(conn, "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


def test_a_list_read_before_the_tombstone_does_not_revive(
    begin: Begin, conn: Connection, deleted: datetime
) -> None:
    job = begin("prospects").write(*LATER, observed=deleted - timedelta(minutes=1))

    for table in (UNIFIED, RAW):
        assert [row[:2] for row in rows(conn, table)] == [("x", True)] * 3
    assert job.records_unchanged == 3


def test_a_list_read_after_the_tombstone_revives(
    begin: Begin, conn: Connection, deleted: datetime
) -> None:
    load = begin("prospects")
    job = load.write(*LATER, observed=deleted)

    revived = [(city, False, job.id) for city in ("x", "y", "y")]
    assert rows(conn, UNIFIED) == revived
    assert rows(conn, RAW) == revived
    for table in ("warehouse.contacts", "raw.genius_prospects"):
        times = rows(conn, f"SELECT deleted_at FROM {table}")
        assert times == [(None,)] * 3
    assert (job.records_created, job.records_updated) == (0, 3)


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
