"""What the warehouse must hold of a table, written down without the warehouse.

This is the other half of every end-to-end check, so it shares no code with the
mapping that it judges.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from include.sandbox.clock import iso
from include.sandbox.errors import BadRequestError
from include.sandbox.records import Blueprint, Defect, Fields, Record
from include.sandbox.table import Table

# Escaped pairs have become one character by now: what is left stands alone.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NO_DEFECT = Defect(spoil=lambda _fields, _rng: None)


def truth_lines(table: Table, into: str | None = None) -> Iterator[bytes]:
    """One JSON line per live record, in the order of ids.

    Args:
        table: The entity.
        into: Unified table, when the entity fills more than its own.

    Raises:
        BadRequestError: The entity does not fill ``into``.
    """
    unify = _unify(table.blueprint, into)
    for record in table.live.values():
        yield orjson.dumps(_truth_of(table.blueprint, record, unify))


def key_lines(table: Table) -> Iterator[bytes]:
    """One JSON line per key under which a live record says that others know it."""
    blueprint = table.blueprint
    for record in table.live.values():
        fields = blueprint.parse(record.body)
        source_id = blueprint.source_id(fields)
        for kind, value in blueprint.known_keys(fields) if source_id else ():
            line = {"source_id": source_id, "key_kind": kind, "key_value": value}
            yield orjson.dumps(line)


def deleted_lines(table: Table) -> Iterator[bytes]:
    """One JSON line per deleted record, in the order of deletion."""
    for key, moment in table.deleted.items():
        source_id = str(table.blueprint.wire_id(key))
        yield orjson.dumps({"source_id": source_id, "deleted_at": iso(moment)})


def _unify(blueprint: Blueprint, into: str | None) -> Callable[[Fields], Fields]:
    if into is None:
        return blueprint.unify
    if into not in blueprint.also:
        also = ", ".join(blueprint.also) or "no other"
        raise BadRequestError(f"{blueprint.name} also fill {also}, not {into!r}")
    return blueprint.also[into]


def _truth_of(
    blueprint: Blueprint, record: Record, unify: Callable[[Fields], Fields]
) -> dict[str, Any]:
    """The row that one record must become, or why it must be rejected."""
    fields = blueprint.parse(record.body)
    return truth_line(
        blueprint.source_id(fields),
        record.defect,
        blueprint.defects,
        lambda: unify(fields),
    )


def truth_line(
    source_id: str | None,
    name: str | None,
    defects: Mapping[str, Defect],
    unify: Callable[[], Fields],
) -> dict[str, Any]:
    """What must become of one record.

    Args:
        source_id: Its id, when it carries one.
        name: Its defect; None: it has none.
        defects: All there are.
        unify: Gives its unified columns, where it is kept.
    """
    defect = defects[name] if name else _NO_DEFECT
    line: dict[str, Any] = {
        "source_id": source_id,
        "expect": "reject" if defect.reason else "keep",
        "defect": name,
    }
    if defect.reason:
        return {**line, "reason": defect.reason, "field": defect.field}
    row = {column: storable(value) for column, value in unify().items()}
    # A defect may concern a column that only the other table of the record has.
    nulls = [column for column in defect.nulls if column in row]
    warns = [column for column in defect.warns if column in row]
    row.update(dict.fromkeys(nulls))
    return {**line, "null_fields": nulls, "warnings": warns, **row}


def storable(value: Any) -> Any:
    """The value as PostgreSQL text can hold it: U+FFFD for NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value
