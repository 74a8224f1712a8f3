"""The records of an entity as the CSV file that the vendor's export would be.

Headers are words for people, times are as spreadsheets write them, and what a record
does not have is an empty cell. Values that are no text or number are left out.
"""

import csv
import re
from io import StringIO
from typing import Any

from include.sandbox.clock import parse_moment
from include.sandbox.records import Fields
from include.sandbox.table import Table

TIME_FORM = "%m/%d/%Y %I:%M:%S %p"
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def export(table: Table) -> bytes:
    """All live records as UTF-8, with a byte order mark, as spreadsheets save it."""
    blueprint = table.blueprint
    records = [blueprint.parse(record.body) for record in table.live.values()]
    keys = _keys(records)
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_header(key, blueprint.name) for key in keys])
    for fields in records:
        writer.writerow([_cell(key, fields.get(key)) for key in keys])
    return text.getvalue().encode("utf-8-sig", "surrogatepass")


def _keys(records: list[Fields]) -> list[str]:
    """Keys of all records in the order of their first appearance."""
    plain = {
        key: None
        for fields in records
        for key, value in fields.items()
        if not isinstance(value, dict | list)
    }
    return [*plain]


def _header(key: str, entity: str) -> str:
    if key.lower() == "id":
        one = re.sub("ies$", "y", entity).removesuffix("s")
        return f"{one.replace('_', ' ').title()} ID"
    return " ".join(word[0].upper() + word[1:] for word in _WORDS.findall(key))


def _cell(key: str, value: Any) -> Any:
    if key.lower().endswith("date") and isinstance(value, str):
        moment = parse_moment(value)
        return moment.strftime(TIME_FORM) if moment else value
    return "" if value is None or isinstance(value, dict | list) else value
