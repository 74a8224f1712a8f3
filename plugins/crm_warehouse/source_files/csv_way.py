"""Schema of an entity's ``csv:``, which loads as :class:`crm_warehouse.spec.CsvWay`."""

import codecs
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, post_load, validates_schema

from crm_warehouse.source_files import values
from crm_warehouse.source_files.containers import Items, Named
from crm_warehouse.source_files.fields import Choice, Flag, Text
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.ways_in import CsvWay

_KEY = r"[A-Za-z_][A-Za-z0-9_]*"
_HINT = "is no key of a record; write e.g. first_name"
#: YAML's word for a delimiter that is hard to write -> the delimiter.
_DELIMITERS = {",": ",", ";": ";", "|": "|", "tab": "\t"}
_A_MOMENT = datetime(2026, 3, 14, 14, 5, 9)  # noqa: DTZ001  a form has no zone


def plain(header: str) -> str:
    """The header without what people write differently: case, blanks, punctuation."""
    return "".join(filter(str.isalnum, header.casefold()))


def _key(description: str) -> Text:
    return Text(description, pattern=_KEY, hint=_HINT)


def _keys(description: str) -> Items:
    return Items(description, _key("A key of columns."), default=())


def _time_format(text: str) -> str:
    try:
        read = datetime.strptime(_A_MOMENT.strftime(text), text)  # noqa: DTZ007
    except ValueError:
        read = None
    if read is None or read.date() != _A_MOMENT.date():
        raise ValidationError(
            f"{text!r} is no form of a date; write e.g. %m/%d/%Y %I:%M %p"
        )
    return text


def _encoding(text: str) -> str:
    try:
        return codecs.lookup(text).name
    except LookupError:
        raise ValidationError(
            f"{text!r} is no encoding; write e.g. utf-8, cp1252 or utf-16"
        ) from None


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ValueError, ZoneInfoNotFoundError):
        raise ValidationError(
            f"{text!r} is no time zone; write e.g. America/Chicago"
        ) from None


class CsvSchema(StrictSchema):
    """How the entity is read from CSV files."""

    columns = Named(
        "Key of the record, as the API writes it: headers that files have for it. The "
        "key itself is always one. Case, blanks and punctuation do not count.",
        _key("A key of the record."),
        Items("Other headers.", values.words("A header.")),
    )
    integers = _keys("Keys whose cells are whole numbers.")
    numbers = _keys("Keys whose cells are decimal numbers, e.g. $1,234.50.")
    times = _keys("Keys whose cells are dates and times.")
    value_form = Choice(
        "How the API writes values: json knows numbers and null, text (XML) is text "
        "only.",
        ("json", "text"),
        default="json",
    )
    time_formats = Items(
        "Forms of times besides ISO 8601, as Python's strptime reads them.",
        Text("A form, e.g. %m/%d/%Y %I:%M %p.", convert=_time_format),
        default=(),
    )
    time_zone = Text(
        "Where times without an offset were written.", convert=_zone, default="UTC"
    )
    decimal_comma = Flag("Whether numbers are written 1.234,50.", default=False)
    encoding = Text(
        "Encoding of the files. Absent: found out from each.",
        convert=_encoding,
        default=None,
    )
    delimiter = Choice(
        "What stands between cells. Absent: found out from each.",
        _DELIMITERS,
        default=None,
    )

    @validates_schema
    def _check_keys(self, data: dict[str, Any], **_: Any) -> None:
        problems: dict[str, Any] = {
            kind: {
                at: [f"{key!r} is no key of columns"]
                for at, key in enumerate(data[kind])
                if key not in data["columns"]
            }
            for kind in ("integers", "numbers", "times")
        }
        problems["columns"] = _ambiguous(data["columns"])
        if found := {kind: each for kind, each in problems.items() if each}:
            raise ValidationError(found)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> CsvWay:
        word = data["delimiter"]
        data["delimiter"] = _DELIMITERS[word] if word is not None else None
        return CsvWay(**data)


def _ambiguous(columns: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    owners: dict[str, str] = {plain(key): key for key in columns}
    problems: dict[str, list[str]] = {}
    for key, headers in columns.items():
        for header in headers:
            owner = owners.setdefault(plain(header), key)
            if owner != key:
                problems[key] = [f"{header!r} is a header of {owner} already"]
    return problems
