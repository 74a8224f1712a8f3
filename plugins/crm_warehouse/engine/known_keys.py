"""Known keys: the ids under which a record says that other systems know it.

A HubSpot contact may hold a MarketSharp id, a lead the certificate of its consent.
Nobody has to guess who is meant by those, so they are written down as they are said, in
``identity.known_keys``: by which record, since when, until when. They follow the raw
layer: what the newest payload of a live record says is what is said.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import orjson
import psycopg
from psycopg import sql

from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.record_paths import getter
from crm_warehouse.engine.values import NULL
from crm_warehouse.spec import Entity, KeyMap

#: Column of a chunk: what its records say, as JSON, kind -> values.
COLUMN = "known_keys"
#: An index takes so much of each, beside the longest source id.
_LONGEST_KEY = 255
#: What people and programs write where there is no key.
_NOTHING = frozenset({"", "0", "-", "null", "none", "n/a"})
_WHOLE_FLOAT = 2.0**53
_WHOLE = re.compile(r"([0-9]+)\.0+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: Reads a record; returns the column's COPY text, and adds what it could not use.
KeyReader = Callable[[Any, list[Problem]], str]


def key_reader(maps: Collection[KeyMap], value_keys: Sequence[str] = ()) -> KeyReader:
    """Function that reads the known keys of records.

    Args:
        maps: Their places.
        value_keys: Keys at which an object there may hold the value.
    """
    places = [
        (each.kind, [getter(path, value_keys) for path in each.paths]) for each in maps
    ]

    def read(record: Any, warnings: list[Problem]) -> str:
        said: dict[str, dict[str, None]] = {}
        for kind, getters in places:
            for get in getters:
                value = get(record)
                if value is None or value == "":
                    continue
                try:
                    said.setdefault(kind, {}).update(dict.fromkeys(_keys(value)))
                except ValueError as error:
                    field = f"{COLUMN}.{kind}"
                    warnings.append(Problem("unusable_key", str(error), field))
        listed = {kind: list(keys) for kind, keys in said.items() if keys}
        if not listed:
            return NULL
        return orjson.dumps(listed).decode().replace("\\", "\\\\")

    return read


def _keys(value: Any) -> Iterator[str]:
    """Keys of one place in canonical form, those that stand for nothing left out.

    Raises:
        ValueError: It holds something else.
    """
    if type(value) is dict:  # as lead programs decorate what was filled in
        value = value.get("value")
    if type(value) is float and value.is_integer() and abs(value) < _WHOLE_FLOAT:
        value = int(value)
    if type(value) is int:
        value = str(value)
    if value is None:
        return
    if type(value) is not str:
        raise ValueError("no key: neither a text nor a whole number")
    for part in value.split(";"):
        key = _canonical(part.strip())
        if key.lower() not in _NOTHING:
            yield key


def _canonical(text: str) -> str:
    if len(text) > _LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise ValueError(f"no key: longer than {_LONGEST_KEY}, or not plain ASCII")
    if "@" in text or " " in text:  # names and addresses of people, not of records
        raise ValueError("no key: holds an @, or a blank")
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    return text.lower() if _UUID.fullmatch(text) else text


class KeyMerge:
    """Makes ``identity.known_keys`` what the records of a chunk say.

    Args:
        raw_table: Table of the raw layer that holds the records.
        kept: Kinds about which records say nothing any more, since the properties are
            gone that held them: what was said stays.
        with_raw: False where the records are read from the raw layer itself.
    """

    def __init__(
        self, raw_table: str, kept: Collection[str], *, with_raw: bool
    ) -> None:
        self._kept = list(kept)
        current: sql.Composable = sql.SQL("true")
        if with_raw:
            current = sql.SQL(
                "EXISTS (SELECT FROM raw.{} AS r"
                " WHERE r.source_system = %(source_system)s"
                " AND r.source_id = c.source_id"
                " AND r.payload_hash = c.payload_hash AND NOT r.is_deleted OFFSET 0)"
            ).format(sql.Identifier(raw_table))
        self._statement = query("merge_known_keys", current=current)

    def merge(self, cursor: psycopg.Cursor[Any], values: dict[str, Any]) -> None:
        """Merge what the chunk's records say; values as the statement names them."""
        cursor.execute(self._statement, {**values, "kept": self._kept})


def end_keys(conn: Connection, entity: Entity, values: dict[str, Any]) -> None:
    """End what records say that are gone; values as the statement names them.

    Part of a transaction that holds the entity's rows.
    """
    if entity.known_keys and values["ids"]:
        conn.execute(query("end_known_keys"), values)
