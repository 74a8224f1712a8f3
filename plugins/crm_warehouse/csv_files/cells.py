"""From cells to values in the forms that the entity's API writes them in."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from crm_warehouse.ways_in import CsvWay

Converter = Callable[[str], Any]

_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,18})\s*")
#: What stands around the digits of an amount: currencies, blanks.
_AROUND = re.compile(r"[\s$€£\u00a0]")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")


def converters(way: CsvWay) -> dict[str, Converter]:
    """Key -> what makes its value of a cell that is not empty.

    A cell that is none of its kind stays text, as sent: the mapping says what is wrong.
    """
    as_text = way.value_form == "text"
    found: dict[str, Converter] = {}
    found |= dict.fromkeys(way.integers, whole_text if as_text else whole)
    decimal = partial(number, decimal_comma=way.decimal_comma, as_text=as_text)
    found |= dict.fromkeys(way.numbers, decimal)
    moment = partial(instant, formats=way.time_formats, zone=ZoneInfo(way.time_zone))
    return found | dict.fromkeys(way.times, moment)


def whole(cell: str) -> int | str:
    """A whole number; other text stays."""
    match = _WHOLE.fullmatch(cell)
    return int(match[1]) if match else cell


def whole_text(cell: str) -> str:
    """A whole number as text, without blanks around it; other text stays."""
    return str(whole(cell))


def number(cell: str, *, decimal_comma: bool, as_text: bool) -> float | int | str:
    """A decimal number, whatever groups its digits; other text stays.

    Accounting's ``(1,234.50)`` is negative.
    """
    bare = _AROUND.sub("", cell)
    if decimal_comma:
        bare = bare.translate({ord("."): ",", ord(","): "."})
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    if _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    try:
        value = Decimal(bare)
    except InvalidOperation:
        return cell
    if not value.is_finite() or "_" in bare:
        return cell
    if as_text:
        return bare
    return (
        int(value)
        if value == value.to_integral_value() and "." not in bare
        else float(bare)
    )


def instant(cell: str, *, formats: tuple[str, ...], zone: ZoneInfo) -> str:
    """A time as ISO 8601 text in UTC; other text stays.

    A time without an offset was written in ``zone``. One that its clocks showed twice,
    as summer time ended, is the first of both.
    """
    text = cell.strip()
    moment = None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
    for form in formats if moment is None else ():
        with suppress(ValueError):
            moment = datetime.strptime(text, form)  # noqa: DTZ007  it may have none
            break
    if moment is None:
        return cell
    try:
        moment = moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)
    except OverflowError:
        return cell
    plain = moment.replace(tzinfo=None).isoformat()
    return (plain.rstrip("0") if moment.microsecond else plain) + "Z"
