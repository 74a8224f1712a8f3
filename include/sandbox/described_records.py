"""Records of a described API: made like its sample, of invented people."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from include.sandbox.cells import amount
from include.sandbox.clock import iso, iso_milliseconds, parse_moment
from include.sandbox.defects import BAD_TIMES
from include.sandbox.places import look, put
from include.sandbox.population import Person, person, spelled
from include.sandbox.records import Birth, Blueprint, Defect, Fields, WireId

_FIRST_KEY = 100_001
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_AMOUNTS = frozenset({"value", "home_value", "probability"})
#: Unified columns that are a person's -> what to ask the person for.
_PERSONAL: dict[str, Callable[[Person], str | None]] = {
    "first_name": lambda who: who.first_name,
    "last_name": lambda who: who.last_name,
    "email": lambda who: who.email,
    "phone": lambda who: f"+1{who.phone}" if who.phone else None,
    "address": lambda who: who.address,
    "city": lambda who: who.place.city,
    "state": lambda who: who.place.state,
    "zip": lambda who: who.zip_code,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record, as a description's ``kinds`` has it.

    Attributes:
        name: Entity.
        path: Its list below the API's root, e.g. ``/contacts``.
        into: Unified table.
        records: Place of the list in an answer.
        sample: A record; every record has its shape.
        id: Place of the id.
        columns: Unified column -> its place.
        created: Place of the time of creation, or None.
        version: Place of the time of the last change, or None.
        parents: Unified column -> the kind whose ids it holds.
        changing: Place of a text that a change changes.
        required: Times that a row cannot exist without, as unified columns.
        share: Records for each record that was asked for.
    """

    name: str
    path: str
    into: str
    records: str
    sample: Mapping[str, Any]
    id: str
    columns: Mapping[str, str]
    changing: str
    created: str | None = None
    version: str | None = None
    parents: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    share: float = 1.0


def blueprint(kind: Kind, seed: int, counts: Mapping[str, int]) -> Blueprint:
    """What the sandbox needs of a kind.

    Args:
        kind: The kind.
        seed: Of the people.
        counts: Records of every kind.
    """
    by_text = isinstance(look(kind.sample, kind.id), str)

    def wire_id(key: int) -> WireId:
        return str(key) if by_text else key

    def make(birth: Birth) -> Fields:
        fields = _made(kind, seed, birth, counts)
        put(fields, kind.id, wire_id(birth.key))
        return fields

    def touch(fields: Fields, rng: Random, modified: datetime, _clean: bool) -> None:
        put(fields, kind.changing, f"changed {rng.randrange(10**9)}")
        if kind.version:
            put(fields, kind.version, _written(kind, kind.version, modified))

    def source_id(fields: Fields) -> str | None:
        key = look(fields, kind.id)
        return None if key in (None, "") else str(key)

    return Blueprint(
        name=kind.name,
        first_id=_FIRST_KEY,
        make=make,
        touch=touch,
        source_id=source_id,
        unify=lambda fields: _unified(kind, fields),
        defects=_defects(kind),
        wire_id=wire_id,
        milliseconds=_has_milliseconds(kind),
    )


def _made(kind: Kind, seed: int, birth: Birth, counts: Mapping[str, int]) -> Fields:
    fields = copy.deepcopy(dict(kind.sample))
    who = spelled(person(seed, birth.index), birth.rng)
    for column, place in kind.columns.items():
        if column in _PERSONAL:
            put(fields, place, _PERSONAL[column](who))
        elif column in kind.parents:
            among = max(counts[kind.parents[column]], 1)
            key = _FIRST_KEY + birth.rng.randrange(among)
            is_text = isinstance(look(kind.sample, place), str)
            put(fields, place, str(key) if is_text else key)
        elif column in _AMOUNTS:
            put(fields, place, birth.rng.randrange(1_000_000) / 100)
        elif _is_time(column):
            visit = birth.created + timedelta(days=birth.rng.randrange(1, 30))
            put(fields, place, _written(kind, place, visit))
    times = ((kind.created, birth.created), (kind.version, birth.modified))
    for where, moment in times:
        if where:
            put(fields, where, _written(kind, where, moment))
    return fields


def _is_time(column: str) -> bool:
    return column.endswith("_at") or column == "scheduled_date"


def _has_milliseconds(kind: Kind) -> bool:
    place = kind.version or kind.created
    return "." in str(look(kind.sample, place)) if place else False


def _written(kind: Kind, place: str, moment: datetime) -> str:
    """A time as precisely as the sample says it there."""
    told = str(look(kind.sample, place))
    if _DAY.fullmatch(told):
        return moment.date().isoformat()
    return (iso_milliseconds if "." in told else iso)(moment)


def _unified(kind: Kind, fields: Fields) -> Fields:
    return {
        column: _cell(column, look(fields, place))
        for column, place in kind.columns.items()
    }


def _cell(column: str, value: Any) -> Any:
    if _is_time(column):
        moment = parse_moment(value)
        return iso_milliseconds(moment) if moment else None
    if column in _AMOUNTS:
        return amount(value)
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else json.dumps(value)


def _defects(kind: Kind) -> dict[str, Defect]:
    def without_id(fields: Fields, rng: Random) -> None:
        put(fields, kind.id, rng.choice((None, "")))

    def strange(fields: Fields, rng: Random) -> None:
        fields["custom_roof_pitch"] = f"{rng.randrange(2, 13)}/12"

    def without_time(fields: Fields, rng: Random) -> None:
        put(fields, kind.columns[kind.required[0]], rng.choice(BAD_TIMES))

    found = {
        "missing_id": Defect(without_id, reason="missing_id"),
        "unknown_fields": Defect(strange),
    }
    if kind.required:
        found[f"bad_{kind.required[0]}"] = Defect(
            without_time, reason="invalid_timestamp", field=kind.required[0]
        )
    return found
