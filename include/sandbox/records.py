"""What a kind of record is to the sandbox: how it is made, changed, spoiled, mapped."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import orjson

Fields = dict[str, Any]
#: An id as the API writes it.
WireId = int | str


@dataclass(frozen=True, slots=True)
class Defect:
    """One way in which a record can be bad, and what the warehouse must make of it.

    Attributes:
        spoil: Puts the defect into a record.
        reason: Why the warehouse must reject the record; None when it must keep it.
        field: Unified column that the rejection names.
        nulls: Unified columns that must be NULL because their value is unusable.
        warns: Unified columns about which a warning is due.
        limit: Most records of one table that get this defect from the dirty share.
    """

    spoil: Callable[[Fields, Random], None]
    reason: str | None = None
    field: str | None = None
    nulls: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Birth:
    """What a record is made from.

    Attributes:
        rng: Decides everything about the record.
        index: Position in its table, from 0.
        key: Its number, from which its id is made.
        created: When the source created it.
        modified: When the source last changed it.
    """

    rng: Random
    index: int
    key: int
    created: datetime
    modified: datetime


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ASCII_ENCODER = json.JSONEncoder(separators=(",", ":"))


def render_json(fields: Fields) -> bytes:
    """JSON text of a record: UTF-8, or ASCII escapes where UTF-8 cannot carry it."""
    try:
        return _ENCODER.encode(fields).encode()
    except UnicodeEncodeError:
        return _ASCII_ENCODER.encode(fields).encode()


def _number(key: int) -> WireId:
    return key


def parse_json(body: bytes) -> Fields:
    """Fields of a record that ``render_json`` wrote."""
    try:
        fields: Fields = orjson.loads(body)
    except orjson.JSONDecodeError:  # a lone surrogate, which json lets pass
        fields = json.loads(body)
    return fields


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One entity of one system.

    Attributes:
        name: Entity, as in the API's path.
        first_id: Key of the record with index 0; keys count up by one.
        make: New record.
        touch: Changes a record visibly: ``(fields, rng, modified, is_clean)``. It must
            not mend a defect.
        source_id: Id of a record as text, or None when it carries none.
        unify: Unified columns by the specification's mapping.
        defects: By name.
        also: Further unified tables that the same record fills -> their columns.
        wire_id: Key to the id that the API writes.
        key_of: The way back, from the id as text; ``ValueError`` when it is none.
        milliseconds: Whether its times have them; otherwise whole seconds.
        render: Record to the bytes that the API sends.
        parse: The way back.
        known_keys: Kind and value of each key under which it says others know it.
    """

    name: str
    first_id: int
    make: Callable[[Birth], Fields]
    touch: Callable[[Fields, Random, datetime, bool], None]
    source_id: Callable[[Fields], str | None]
    unify: Callable[[Fields], Fields]
    defects: Mapping[str, Defect] = field(default_factory=dict)
    also: Mapping[str, Callable[[Fields], Fields]] = field(default_factory=dict)
    wire_id: Callable[[int], WireId] = _number
    key_of: Callable[[str], int] = int
    milliseconds: bool = False
    render: Callable[[Fields], bytes] = render_json
    parse: Callable[[bytes], Fields] = parse_json
    known_keys: Callable[[Fields], list[tuple[str, str]]] = lambda _fields: []


@dataclass(slots=True)
class Record:
    """A live record.

    Attributes:
        key: Its number, also when the record itself carries no id.
        index: Position in its table at birth.
        created: When the source created it.
        modified: Last change in Unix seconds, as precisely as the record says it.
        body: The record as the API sends it.
        defect: Name of its defect, or None.
    """

    key: int
    index: int
    created: datetime
    modified: float
    body: bytes
    defect: str | None = None
