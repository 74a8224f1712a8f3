"""Every row once, whatever moves, in whatever database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from database_tables import HOUR, NOON, client_of, entity_of, pages_of, records_of

from crm_warehouse.clients.interface import Window
from crm_warehouse.databases import client as client_module
from tests.proof.source_databases import OpenDatabase, SourceDatabase

WAY: dict[str, Any] = {"table": "person", "changed": ("updated_at", "added_on")}
PERSON = """CREATE TABLE person (id integer PRIMARY KEY, name varchar(20),
    added_on timestamp NULL, updated_at timestamp NULL)"""
Stretch = Callable[[int], None]


def fill(database: SourceDatabase, *rows: tuple[int, str | None, str | None]) -> None:
    """Rows of id, added on and updated at: times of 2026-03-01, or dates with them."""

    def literal(moment: str | None) -> str:
        return "NULL" if moment is None else f"'{moment}'"

    values = [f"({i}, 'n{i}', {literal(a)}, {literal(u)})" for i, a, u in rows]
    # MySQL's TIMESTAMP is an instant; that of others has no zone.
    kind = "datetime" if database.kind == "mariadb" else "timestamp"
    table = PERSON.replace("timestamp", kind)
    database.execute(table, f"INSERT INTO person VALUES {', '.join(values)}")


def numbered(count: int) -> list[tuple[int, str | None, str | None]]:
    """Rows of which each two have one time."""
    return [(i, f"2026-03-01 10:{i // 2:02d}:00", None) for i in range(1, count + 1)]


def ids(records: list[dict[str, Any]]) -> list[int]:
    return [record["id"] for record in records]


@pytest.fixture
def stretch(monkeypatch: pytest.MonkeyPatch) -> Stretch:
    """Set how many rows each stretch has."""

    def of(rows: int) -> None:
        monkeypatch.setattr(client_module, "_FIRST_ROWS", rows)
        monkeypatch.setattr(client_module, "_MOST_ROWS", rows)

    return of


def test_a_full_load_goes_by_key_and_ends_with_the_number_of_rows(
    source_database: SourceDatabase, stretch: Stretch
) -> None:
    stretch(4)
    fill(source_database, *reversed(numbered(11)))

    pages = pages_of(source_database, entity_of(**WAY), page_size=3)

    assert [ids(page.records) for page in pages] == [
        *([1, 2, 3], [4], [5, 6, 7], [8], [9, 10, 11], []),
    ]
    assert [page.total for page in pages] == [None] * 5 + [11]
    assert {page.requests for page in pages} == {1}
    moments = [page.source_time for page in pages]
    assert moments[0] is not None
    assert abs(moments[0] - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("since", [None, NOON - 3 * HOUR])
def test_a_reading_goes_on_behind_any_page(
    source_database: SourceDatabase, stretch: Stretch, since: datetime | None
) -> None:
    """Rows of one time stand on both sides of pages and stretches."""
    stretch(5)
    fill(source_database, *numbered(11), (12, None, None), (13, None, None))
    window, entity = Window(since, NOON), entity_of(**WAY)

    pages = pages_of(source_database, entity, window, page_size=2)

    whole = [each for page in pages for each in ids(page.records)]
    assert sorted(whole) == list(range(1, 14))
    for place, page in enumerate(pages):
        before = [each for page in pages[: place + 1] for each in ids(page.records)]
        rest = pages_of(
            source_database, entity, window, checkpoint=page.checkpoint, page_size=2
        )
        after = [each for page in rest for each in ids(page.records)]
        assert before + after == whole
        assert rest[-1].total == 13


def test_an_increment_has_what_changed_in_the_window(
    source_database: SourceDatabase,
) -> None:
    fill(
        source_database,
        (1, "2026-03-01 11:00:00", "2026-03-01 11:30:00"),
        (2, "2026-03-01 11:00:00", None),
        (3, "2026-03-01 11:30:00", "2026-03-01 10:59:59"),  # the later counts
        (4, "2026-03-01 12:00:01", None),
        (5, None, "2026-03-01 12:00:00"),
        (6, None, None),  # nobody knows when: each time
        (7, "2026-03-01 10:59:59", None),
    )
    entity = entity_of(**WAY)

    pages = pages_of(source_database, entity, Window(NOON - HOUR, NOON))

    found = [record for page in pages for record in page.records]
    assert ids(found) == [6, 2, 1, 5]
    assert pages[-1].total == 4


def test_one_column_of_times_will_do(source_database: SourceDatabase) -> None:
    fill(source_database, *numbered(6), (7, None, None))
    entity = entity_of(table="person", changed=("added_on",))
    window = Window(NOON.replace(hour=10, minute=2), NOON)

    found = pages_of(source_database, entity, window, page_size=1)

    assert [ids(page.records) for page in found] == [[7], [4], [5], [6], []]


def test_a_table_without_times_is_read_whole_by_every_run(
    source_database: SourceDatabase,
) -> None:
    fill(source_database, *numbered(5))
    entity = entity_of(table="person")

    assert ids(records_of(source_database, entity, Window(NOON, NOON))) == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_zero_dates_are_no_times(open_database: OpenDatabase) -> None:
    database = open_database("mariadb")
    database.execute(
        PERSON.replace("timestamp", "datetime"),
        "SET sql_mode = ''",
        """INSERT INTO person VALUES (1, 'a', '2026-03-01 11:30:00', '0000-00-00'),
           (2, 'b', '0000-00-00', '0000-00-00'), (3, 'c', '2026-03-01 10:00:00', 0)""",
    )

    found = records_of(database, entity_of(**WAY), Window(NOON - HOUR, NOON))

    assert ids(found) == [2, 1]
    assert found[0]["added_on"] is None


def test_dates_without_a_time_count_for_the_whole_day(
    source_database: SourceDatabase,
) -> None:
    source_database.execute(
        "CREATE TABLE person (id integer PRIMARY KEY, added_on date)",
        "INSERT INTO person VALUES (1, '2026-02-28'), (2, '2026-03-01'), (3, NULL)",
    )
    entity = entity_of(table="person", changed=("added_on",))

    found = pages_of(source_database, entity, Window(NOON - HOUR, NOON), page_size=1)

    assert [ids(page.records) for page in found] == [[3], [2], []]


def test_an_hour_that_a_local_clock_shows_twice_is_read_whole(
    source_database: SourceDatabase,
) -> None:
    """Clocks go back in California at 9:00 UTC: 1:50 is followed by 1:00."""
    fill(
        source_database,
        (1, "2026-11-01 00:40:00", None),
        (2, "2026-11-01 01:05:00", None),
        (3, "2026-11-01 01:50:00", None),
        (4, "2026-11-01 02:40:00", None),
    )
    entity = entity_of(**WAY, time_zone="US/Pacific")
    since = datetime(2026, 11, 1, 8, 50, tzinfo=UTC)

    window = Window(since, since + timedelta(minutes=20))

    assert ids(records_of(source_database, entity, window)) == [2, 3]


def test_what_changes_between_stretches_is_neither_lost_nor_doubled(
    source_database: SourceDatabase, stretch: Stretch
) -> None:
    stretch(3)
    fill(source_database, *numbered(9))
    client = client_of(source_database)
    pages = client.iter_pages(
        entity_of(**WAY), Window(NOON - 3 * HOUR, NOON), checkpoint=None, page_size=3
    )
    found = ids(next(pages).records)
    source_database.execute(
        "DELETE FROM person WHERE id = 7",
        "UPDATE person SET updated_at = '2026-03-01 13:00:00' WHERE id IN (1, 8)",
    )

    rest = list(pages)
    client.close()

    found += [each for page in rest for each in ids(page.records)]
    # 7 is gone, and 8 has left the window; so has 1, after it was read.
    assert found == [1, 2, 3, 4, 5, 6, 9]
    assert rest[-1].total == 6


def test_a_row_that_was_committed_late_is_counted(
    source_database: SourceDatabase, stretch: Stretch
) -> None:
    stretch(2)
    fill(source_database, *numbered(5))
    client = client_of(source_database)
    pages = client.iter_pages(
        entity_of(**WAY), Window(None, None), checkpoint=None, page_size=2
    )
    found = ids(next(pages).records)
    found += ids(next(pages).records)
    source_database.execute("INSERT INTO person VALUES (-1, 'late', NULL, NULL)")

    rest = list(pages)
    client.close()

    assert found + ids(rest[0].records) == [1, 2, 3, 4, 5]
    assert rest[-1].total == 6  # so that the engine reads again


def test_composite_keys(source_database: SourceDatabase, stretch: Stretch) -> None:
    stretch(2)
    source_database.execute(
        """CREATE TABLE service (visit integer, code varchar(9), note varchar(9),
           PRIMARY KEY (visit, code))""",
        """INSERT INTO service VALUES (2, 'b', 'x'), (10, 'a:b', 'y'), (2, 'a%', 'z'),
           (10, 'a', 'w')""",
    )
    entity = entity_of(table="service", key=("visit", "code"))

    found = records_of(source_database, entity)

    assert [(each["id"], each["note"]) for each in found] == [
        *(("2:a%25", "z"), ("2:b", "x"), ("10:a", "w"), ("10:a%3Ab", "y")),
    ]
    assert found[0].keys() == {"id", "visit", "code", "note"}
    client = client_of(source_database)
    try:
        assert client.fetch(entity, "10:a%3Ab") == found[3]
        many = client.fetch_many(entity, ["2:b", "2:x", "x:b", "2", "10:a"])
    finally:
        client.close()
    assert sorted(each["id"] for each in many.records) == ["10:a", "2:b"]
    assert many.missing == ["2:x", "x:b", "2"]


def test_records_by_id(source_database: SourceDatabase) -> None:
    fill(source_database, *numbered(3))
    client, entity = client_of(source_database), entity_of(**WAY)

    found = client.fetch_many(entity, ["2", "n1", "02", "4", "0"])
    nobody = client.fetch(entity, "9")
    client.close()

    # MySQL takes 'n1' for 0, and '02' for 2.
    assert ids(found.records) == [2]
    assert found.missing == ["n1", "02", "4", "0"]
    assert nobody is None
