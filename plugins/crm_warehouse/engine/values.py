"""From a value as sent to the text that COPY writes; one converter per kind.

A converter takes any JSON value but None and returns text in canonical form (the same
fact always gives the same text, so that ``sync_hash`` only moves with the fact), or
raises :class:`UnusableValueError`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from crm_warehouse.engine import payload

Converter = Callable[[Any], str]

#: NULL in COPY's text; a control character, because the usual ``\\N`` would make every
#: row look as if it had something to escape.
NULL = "\x01"

#: numeric(12,2): ten digits before the point.
_LARGEST_AMOUNT = Decimal(10) ** 10
_CENT = Decimal("0.01")
_NOT_A_NUMBER = Decimal("NaN")
_LARGEST_INTEGER = 2**63 - 1

#: Milliseconds since 1970 as text: digits that no ISO 8601 text consists of.
_EPOCH_MILLISECONDS = re.compile(r"(?:[0-9]{11,13}|-[0-9]{1,13})(?:\.[0-9]+)?")
#: Below, a number might as well be seconds.
_LEAST_MILLISECONDS = 10**10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnusableValueError(ValueError):
    """The value is no instance of its kind.

    Args:
        error_type: Stable word for ``ops.sync_errors.error_type``.
        message: What is expected; never the value.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def text(value: Any) -> str:
    """Text as sent; numbers and booleans as JSON writes them, objects as JSON."""
    if type(value) is str:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json(value)


def trimmed(value: Any) -> str:
    """Text without white space at its ends."""
    return text(value).strip()


def one_value(convert: Converter) -> Converter:
    """The converter, for records whose values may be inside objects.

    An object that comes this far holds its value nowhere that is known of, and a list
    holds several; as text they would pass for one.
    """

    def converted(value: Any) -> str:
        if type(value) is dict:
            raise UnusableValueError("invalid_text", "an object without a value")
        if type(value) is list:
            raise UnusableValueError("invalid_text", "a list in place of a value")
        return convert(value)

    return converted


def timestamp(value: Any) -> str:
    """ISO 8601 text to the same instant in UTC; without a zone it is UTC already.

    Accepted is what ``datetime.fromisoformat`` of Python 3.11 reads, from the year 1
    to 9999, and milliseconds since 1970 of 11 to 13 digits, or negative, as HubSpot's
    older endpoints write them, and LeadConduit as a number. A date alone is its
    midnight in UTC.
    """
    if type(value) is int and _LEAST_MILLISECONDS <= value < _LEAST_MILLISECONDS * 1000:
        value = str(value)
    if type(value) is not str:
        raise UnusableValueError("invalid_timestamp", "not an ISO 8601 text")
    try:
        if value[4:5] != "-" and _EPOCH_MILLISECONDS.fullmatch(value):
            microseconds = round(Decimal(value) * 1_000)
            return canonical(_EPOCH + timedelta(microseconds=microseconds))
        moment = datetime.fromisoformat(value)
        if _is_in_utc(value):
            # What sources send mostly: no need to write it anew.
            if len(value) == len("2025-06-15T10:30:00Z"):
                return value
            return value[:-1].rstrip("0").rstrip(".") + "Z"
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, IndexError):
        raise UnusableValueError(
            "invalid_timestamp", "not a date and time in ISO 8601"
        ) from None
    return canonical(moment)


def _is_in_utc(value: str) -> bool:
    """``2025-06-15T10:30:00Z``, perhaps with milliseconds, a point before them."""
    return (
        value[-1] == "Z"
        and (len(value) == 20 or (len(value) == 24 and value[19] == "."))
        and value[10] == "T"
        and value[7] == "-"
        and value[13] == ":"  # not 103000.5
        and value[11:13] != "24"  # the next day's 00, for Python 3.14
    )


def canonical(moment: datetime) -> str:
    """Seconds, a fraction only where there is one, and Z: as most sources write it."""
    plain = moment.replace(tzinfo=None, microsecond=0).isoformat()
    if moment.microsecond:
        return f"{plain}.{moment.microsecond:06d}".rstrip("0") + "Z"
    return plain + "Z"


def numeric(value: Any) -> str:
    """Amount with two decimals, rounded half to even; below ten billion."""
    sent = text(value).strip()
    try:
        amount = Decimal(sent)
    except InvalidOperation:
        amount = _NOT_A_NUMBER
    if not amount.is_finite() or "_" in sent:
        raise UnusableValueError("invalid_number", "not a decimal number")
    # Half a cent below the limit rounds to it.
    if -_LARGEST_AMOUNT < amount < _LARGEST_AMOUNT:
        amount = amount.quantize(_CENT) + 0  # never -0.00
        if abs(amount) < _LARGEST_AMOUNT:
            return str(amount)
    raise UnusableValueError("invalid_number", "outside numeric(12,2)")


def integer(value: Any) -> str:
    """Whole number of 64 bits; ``3.0`` is one."""
    sent = text(value).strip()
    try:
        number = Decimal(sent)
        # Its size first: a short text may mean a billion digits.
        if abs(number) <= _LARGEST_INTEGER and "_" not in sent:
            whole = int(number)
            if whole == number:
                return str(whole)
    except (ArithmeticError, ValueError):
        pass  # no number, not a finite one, or too many digits
    raise UnusableValueError("invalid_number", "not a whole number of 64 bits")


def boolean(value: Any) -> str:
    """``true`` or ``false``, as JSON or as text in any case."""
    sent = text(value).strip().lower()
    if sent in ("true", "false"):
        return sent
    raise UnusableValueError("invalid_boolean", "neither true nor false")


def json(value: Any) -> str:
    """JSON text with sorted keys."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # lone surrogates, integers above 64 bits, deep nesting
        return payload.clean_json(value)


#: Kind of a unified field (``unified.KINDS``) -> its converter.
CONVERTERS: dict[str, Converter] = {
    "text": text,
    "email": text,
    "phone": text,
    "numeric": numeric,
    "timestamp": timestamp,
    "json": json,
    "boolean": boolean,
    "integer": integer,
}
