"""A database's values as the API would send them, whatever database it is."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from database_tables import (
    HOUR,
    NOON,
    client_of,
    entity_of,
    pages_of,
    records_of,
    window_of,
)

from crm_warehouse.databases import values
from crm_warehouse.ways_in import ColumnRule, Join
from tests.proof.source_databases import OpenDatabase, SourceDatabase

LOCAL = ColumnRule(("day", "hour"), is_local=True, plus="length", zone="US/Pacific")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.10"), 12.1),
        (Decimal("10.00"), 10.0),
        (Decimal(7), 7),
        (Decimal("123456789012345.678"), "123456789012345.678"),
        (Decimal("1E+30"), 1e30),
        (Decimal(2**70), str(2**70)),
        (Decimal("NaN"), "NaN"),
        (float("-inf"), "-Infinity"),
        (0.1, 0.1),
        (b"\x00\xff", "00ff"),
        ([Decimal("1.5"), None], [1.5, None]),
    ],
)
def test_what_json_does_not_know(value: Any, expected: Any) -> None:
    made = values.plain(value)

    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("zone", "sent", "expected"),
    [
        ("UTC", "2026-03-01 12:00:00", "2026-03-01T12:00:00Z"),
        ("UTC", "2026-03-01 12:00:00.500000", "2026-03-01T12:00:00.500000Z"),
        ("US/Pacific", "2026-07-01 12:00:00", "2026-07-01T19:00:00Z"),
        ("US/Pacific", "2026-12-01 12:00:00", "2026-12-01T20:00:00Z"),
        ("US/Pacific", "2026-07-01 12:00:00+02", "2026-07-01T10:00:00Z"),
        ("UTC", "0000-00-00 00:00:00", None),
        ("UTC", "infinity", "infinity"),
        ("UTC", "2026-00-10 00:00:00", "2026-00-10 00:00:00"),
        ("UTC", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_instants(zone: str, sent: str, expected: str | None) -> None:
    assert values.moments(ZoneInfo(zone))(sent) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("2026-07-01", "09:30:00", None, "US/Eastern"), "2026-07-01T13:30:00Z"),
        (("2026-07-01", "09:30:00", "1:15:00", "US/Eastern"), "2026-07-01T14:45:00Z"),
        (("2026-07-01", "09:30:00", 90, "US/Eastern"), "2026-07-01T15:00:00Z"),
        # The night in which clocks go forward: two hours are three by the clock.
        (("2026-03-08", "01:00:00", "2:00:00", "US/Pacific"), "2026-03-08T11:00:00Z"),
        (("2026-07-01", "09:30:00", None, None), "2026-07-01T16:30:00Z"),
        (("2026-07-01", "09:30:00", None, " "), "2026-07-01T16:30:00Z"),
        # Whose clock it is must not be guessed where a name says it.
        (("2026-07-01", "9:30", None, "Mars/Base"), "2026-07-01 9:30 [Mars/Base]"),
        (("2026-07-01", None, None, None), "2026-07-01T07:00:00Z"),
        (("2026-07-01 00:00:00", "9:30", None, None), "2026-07-01T16:30:00Z"),
        (("2026-07-01", "25:00:00", None, None), "2026-07-02T08:00:00Z"),
        (("0000-00-00", "00:00:00", None, None), None),
        ((None, "09:30:00", None, None), None),
        (("2026-07-01", "noon", None, None), "2026-07-01 noon [None]"),
    ],
)
def test_a_date_and_a_time_of_a_local_clock(parts: Any, expected: str | None) -> None:
    assert values.local_instant(*parts, "US/Pacific") == expected


def test_without_any_zone_there_is_no_instant() -> None:
    found = values.local_instant("2026-07-01", "09:30:00", None, "Mars/Base", None)

    assert found == "2026-07-01 09:30:00 [Mars/Base]"


def test_every_database_gives_the_same_record(source_database: SourceDatabase) -> None:
    """Reserved words, local times, codes, joins, characters of four bytes."""
    kind = source_database.kind
    quote = "`" if kind == "mariadb" else '"'
    source_database.execute(
        f"CREATE TABLE {quote}group{quote} (id integer PRIMARY KEY, zone varchar(50))",
        f"""CREATE TABLE {quote}lead{quote} (id integer PRIMARY KEY,
            {quote}order{quote} varchar(50), amount decimal(12,2),
            rate double precision, state smallint, day date, hour time, length time,
            added_on timestamp NULL,
            group_id integer, secret varchar(50))""",
        f"INSERT INTO {quote}group{quote} VALUES (1, 'US/Eastern'), (2, NULL)",
        f"""INSERT INTO {quote}lead{quote} VALUES
            (1, 'Zoë 🏠', 12.10, 0.5, 1, '2026-07-01', '09:30:00', '01:00:00',
             '2026-03-01 12:00:00', 1, 'x'),
            (2, '', NULL, NULL, 9, '2026-07-01', '09:30:00', NULL, NULL, 2, 'x'),
            (3, NULL, 3.00, 2, NULL, NULL, NULL, NULL, NULL, NULL, 'x')""",
    )
    entity = entity_of(
        table="lead",
        columns={
            "name": ColumnRule(("order",)),
            "status": ColumnRule(("state",), {"1": "new"}),
            "begins": replace(LOCAL, plus=None, zone_from="group.zone"),
            "ends": replace(LOCAL, zone_from="group.zone"),
            "zone": ColumnRule(("group.zone",)),
        },
        joins={"group": Join("group", "group_id", "id")},
        leave_out=("secret",),
    )

    assert records_of(source_database, entity) == [
        {
            "id": 1,
            "name": "Zoë 🏠",
            "amount": 12.1,
            "rate": 0.5,
            "status": "new",
            "begins": "2026-07-01T13:30:00Z",
            "ends": "2026-07-01T14:30:00Z",
            "added_on": "2026-03-01T12:00:00Z",
            "group_id": 1,
            "zone": "US/Eastern",
        },
        {
            **{"id": 2, "name": "", "amount": None, "rate": None, "status": 9},
            **{"begins": "2026-07-01T16:30:00Z", "ends": "2026-07-01T16:30:00Z"},
            **{"added_on": None, "group_id": 2, "zone": None},
        },
        {
            **{"id": 3, "name": None, "amount": 3.0, "rate": 2.0, "status": None},
            **{"begins": None, "ends": None, "added_on": None},
            **{"group_id": None, "zone": None},
        },
    ]


def test_what_only_mysql_has(open_database: OpenDatabase) -> None:
    database = open_database("mariadb")
    database.execute(
        """CREATE TABLE odd (id int unsigned PRIMARY KEY, zero datetime, part datetime,
           gone date, flag bit(1), bits bit(4), hours time, raw varbinary(4), doc json,
           instant timestamp NULL, tiny tinyint(1))""",
        "SET sql_mode = '', time_zone = '+02:00'",
        """INSERT INTO odd VALUES (4294967295, '0000-00-00', '2026-00-10',
           '0000-00-00', b'1', b'101', '-838:59:59', x'00ff', '{"a": 1}',
           '2026-03-01 12:00:00', 1)""",
    )

    assert records_of(database, entity_of(table="odd", time_zone="US/Pacific")) == [
        {
            **{"id": 4294967295, "zero": None, "gone": None},
            **{"part": "2026-00-10 00:00:00", "flag": True, "bits": 5},
            **{"hours": "-838:59:59", "raw": "00ff", "doc": '{"a": 1}'},
            # An instant, whatever zone is declared for others.
            **{"instant": "2026-03-01T10:00:00Z", "tiny": 1},
        }
    ]


def test_what_only_postgresql_has(open_database: OpenDatabase) -> None:
    database = open_database("postgres")
    database.execute(
        """CREATE TABLE odd (id uuid PRIMARY KEY, late timestamptz, moment timestamptz,
           naive timestamp, flag boolean, sums numeric[], doc jsonb, length interval,
           nan double precision, many numeric, raw bytea, clock time)""",
        """INSERT INTO odd VALUES ('6f1f6b6e-0000-4000-8000-000000000001', 'infinity',
           '2026-03-01 12:00:00+02', '2026-07-01 12:00:00', true, '{1.5,NULL}',
           '{"a": [1]}', '26 hours', 'NaN', 'NaN', '\\x00ff', '09:30')""",
    )

    assert records_of(database, entity_of(table="odd", time_zone="US/Pacific")) == [
        {
            **{"id": "6f1f6b6e-0000-4000-8000-000000000001", "late": "infinity"},
            **{"moment": "2026-03-01T10:00:00Z", "naive": "2026-07-01T19:00:00Z"},
            **{"flag": True, "sums": [1.5, None], "doc": {"a": [1]}},
            **{"length": "26:00:00", "nan": "NaN", "many": "NaN", "raw": "00ff"},
            "clock": "09:30:00",
        }
    ]


def test_types_of_postgresql_that_are_others_in_disguise(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A domain is the type below it; ``char(n)`` is filled up with blanks."""
    monkeypatch.setattr("crm_warehouse.databases.client._FIRST_ROWS", 1)
    database = open_database("postgres")
    database.execute(
        "CREATE DOMAIN moment AS timestamp",
        "CREATE DOMAIN birth AS moment NOT NULL",
        "CREATE TABLE odd (id char(9) PRIMARY KEY, at birth)",
        "INSERT INTO odd VALUES ('a', '2026-03-01 12:00'), ('ab', '2026-03-01 12:00')",
    )
    entity = entity_of(table="odd", changed=("at",))
    records = [{"id": id, "at": "2026-03-01T12:00:00Z"} for id in ("a", "ab")]

    pages = pages_of(database, entity, window_of(NOON, NOON + HOUR), page_size=1)

    assert [record for page in pages for record in page.records] == records
    client = client_of(database)
    found = client.fetch_many(entity, ["ab", "b"])
    client.close()
    assert (found.records, found.missing) == (records[1:], ["b"])


def test_sqlite_may_have_anything_anywhere(open_database: OpenDatabase) -> None:
    database = open_database("sqlite")
    database.execute(
        "CREATE TABLE odd (id integer PRIMARY KEY, moment datetime, name varchar(9))",
        "INSERT INTO odd VALUES (1, 'soon', x'00ff'), (2, 17, CAST(x'e9' AS text))",
    )

    assert records_of(database, entity_of(table="odd")) == [
        {"id": 1, "moment": "soon", "name": "00ff"},
        {"id": 2, "moment": 17, "name": "\udce9"},
    ]
