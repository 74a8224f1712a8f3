"""Genius' own database: the records of its API in the tables that the vendor has.

What is known of the vendor's MySQL is so here: codes instead of words, visits by local
clocks, zones and words in tables of their own, times of changes that are NULL until the
first one, and short tables without any time. Any database SQLAlchemy knows will do.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.sandbox.genius import tables
from include.sandbox.records import Fields

#: Words that the database keeps as codes.
STATUSES = {
    word: code
    for code, word in enumerate(
        ("scheduled", "confirmed", "completed", "cancelled", "no_show"), start=1
    )
}
_DURATION = time(1, 30)
_ROWS_AT_ONCE = 1_000


class GeniusDatabase:
    """The tables, and what is written into them.

    Args:
        engine: The database, and a login that may make tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        #: Table -> word -> id there.
        self._words: dict[str, dict[str, int]] = {}
        #: Division -> its zone, by whose clock its visits are.
        self._zones: dict[int, ZoneInfo] = {}

    def create(self) -> None:
        """Make the tables, empty."""
        tables.METADATA.drop_all(self._engine)
        tables.METADATA.create_all(self._engine)
        self._words.clear()

    def write(self, entity: str, records: Iterable[Fields]) -> int:
        """Insert records, or put them in the place of those with their ids.

        Divisions come before appointments, whose clocks they have.

        Args:
            entity: As the API names it.
            records: As the API sends them.

        Returns:
            How many there were.
        """
        table, make = self._makers()[entity]
        count = 0
        for some in _by_the(_ROWS_AT_ONCE, records):
            rows = [make(record) for record in some]
            ids = [row["id"] for row in rows]
            with self._engine.begin() as conn:
                conn.execute(sa.delete(table).where(table.c.id.in_(ids)))
                conn.execute(sa.insert(table), rows)
            count += len(rows)
        return count

    def delete(self, entity: str, ids: Iterable[int]) -> None:
        """Remove records."""
        table, _ = self._makers()[entity]
        with self._engine.begin() as conn:
            conn.execute(sa.delete(table).where(table.c.id.in_([*ids])))

    def _makers(self) -> dict[str, tuple[sa.Table, Callable[[Fields], Fields]]]:
        return {
            "prospects": (tables.PROSPECT, _prospect),
            "appointments": (tables.APPOINTMENT, self._appointment),
            "users": (tables.USER_DATA, _user),
            "divisions": (tables.DIVISION, self._division),
            "marketing_sources": (tables.MARKETING_SOURCE, self._marketing_source),
        }

    def _appointment(self, record: Fields) -> Fields:
        division = 1 + record["id"] % len(self._zones)
        visit = _moment(record["scheduled_date"]).replace(tzinfo=UTC)
        local = visit.astimezone(self._zones[division])
        return {
            "id": record["id"],
            "prospect_id": record["prospect_id"],
            "user_id": record["user_id"],
            "division_id": division,
            "type_id": self._word(tables.APPOINTMENT_TYPE, record["type"]),
            "status": STATUSES[record["status"]],
            "date": local.date(),
            "time": local.time(),
            "duration": _DURATION,
            "notes": record["notes"],
            **_times(record),
        }

    def _division(self, record: Fields) -> Fields:
        self._zones[record["id"]] = ZoneInfo(record["timezone"])
        return {
            "id": record["id"],
            "label": record["name"],
            "phone": record["phone"],
            "status": record["status"],
            "manager_user_id": record["manager_user_id"],
            "region_id": self._word(tables.DIVISION_REGION, record["region"]),
            "group_id": self._word(tables.DIVISION_GROUP, record["timezone"]),
        }

    def _marketing_source(self, record: Fields) -> Fields:
        return {
            "id": record["id"],
            "label": record["name"],
            "status": record["status"],
            "cost_per_lead": record["cost_per_lead"],
            "type_id": self._word(tables.MARKETING_SOURCE_TYPE, record["category"]),
        }

    def _word(self, table: sa.Table, word: str) -> int:
        """Id of a word in its table, which gets it when it is new."""
        known = self._words.setdefault(table.name, {})
        if word not in known:
            known[word] = len(known) + 1
            column = table.columns.keys()[1]
            with self._engine.begin() as conn:
                conn.execute(sa.insert(table), {"id": known[word], column: word})
        return known[word]


def _prospect(record: Fields) -> Fields:
    kept = {column.name: record.get(column.name) for column in tables.PROSPECT.c}
    return {**kept, "is_dummy": 0, "is_dnc": 0, **_times(record)}


def _user(record: Fields) -> Fields:
    kept = {key: value for key, value in record.items() if key in tables.USER_DATA.c}
    name = record.get("name") or record.get("full_name")
    return {**kept, "name": name, "password": "$2b$not-for-us", **_times(record)}


def _times(record: Fields) -> Fields:
    added, updated = (
        _moment(record[f"{word}_date"]) for word in ("created", "modified")
    )
    return {"added_on": added, "updated_at": None if updated == added else updated}


def _moment(text: str) -> datetime:
    """A time of the API as the database has it: UTC, without saying so."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _by_the(count: int, records: Iterable[Fields]) -> Iterator[list[Any]]:
    rest = iter(records)
    while some := list(islice(rest, count)):
        yield some
