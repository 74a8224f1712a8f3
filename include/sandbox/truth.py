"""What the warehouse must hold of a table, written down without the warehouse.

This is the other half of every end-to-end check, so it shares no code with the
mapping that it judges.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from include.sandbox.clock import iso
from include.sandbox.records import Defect, Record
from include.sandbox.table import Table

# Escaped pairs have become one character by now: what is left stands alone.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NO_DEFECT = Defect(spoil=lambda _fields, _rng: None)


def truth_lines(table: Table) -> Iterator[bytes]:
    """One JSON line per live record, in id order."""
    for record in table.live.values():
        yield orjson.dumps(truth_of(table, record))


def deleted_lines(table: Table) -> Iterator[bytes]:
    """One JSON line per deleted record, in the order of deletion."""
    for key, moment in table.deleted.items():
        yield orjson.dumps({"source_id": str(key), "deleted_at": iso(moment)})


def truth_of(table: Table, record: Record) -> dict[str, Any]:
    """The row that one record must become, or why it must be rejected."""
    blueprint = table.blueprint
    fields = blueprint.parse(record.body)
    defect = blueprint.defects[record.defect] if record.defect else _NO_DEFECT
    line: dict[str, Any] = {
        "source_id": blueprint.source_id(fields),
        "expect": "reject" if defect.reason else "keep",
        "defect": record.defect,
    }
    if defect.reason:
        return {**line, "reason": defect.reason, "field": defect.field}
    row = {column: storable(value) for column, value in blueprint.unify(fields).items()}
    row.update(dict.fromkeys(defect.nulls))
    return {**line, "null_fields": defect.nulls, "warnings": defect.warns, **row}


def storable(value: Any) -> Any:
    """The value as PostgreSQL text can hold it: U+FFFD for NUL and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value
