"""A database's values as the API of the source would send them, in JSON."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Convert = Callable[[Any], Any]

#: How MySQL writes that a date is not there.
_ZERO_DATE = "0000-00-00"
#: Digits that a float keeps.
_EXACT_DIGITS = 15
_LARGEST_INTEGER = 2**63 - 1
_DURATION = re.compile(r"(-?)([0-9]+):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,6})?))?")
_MINUTES = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def _number(value: Decimal) -> Any:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value) if abs(value) <= _LARGEST_INTEGER else str(value)
    digits = len(value.normalize().as_tuple().digits)
    return float(value) if digits <= _EXACT_DIGITS else str(value)


def _float(value: float) -> Any:
    return value if math.isfinite(value) else str(Decimal(value))


def _duration(value: timedelta) -> str:
    sign, whole = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(whole.days * 86_400 + whole.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{whole.microseconds:06d}".rstrip("0") if whole.microseconds else ""
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}{fraction}"


def plain(value: Any) -> Any:
    """A value as JSON has it.

    Decimal numbers of up to 15 digits are numbers, longer ones text; bytes are
    hexadecimal text; durations ``h:mm:ss``; whatever else JSON does not know is text.
    """
    kind = type(value)
    return value if kind in _JSON else _PLAIN.get(kind, str)(value)


_JSON = frozenset({str, int, bool, type(None)})
_PLAIN: dict[type, Convert] = {
    Decimal: _number,
    float: _float,
    bytes: bytes.hex,
    timedelta: _duration,
    list: lambda values: [plain(value) for value in values],
    dict: lambda values: {str(key): plain(value) for key, value in values.items()},
}


def day(value: Any) -> Any:
    """A date; a zero date is none."""
    return None if _is_zero(value) else plain(value)


def moments(zone: ZoneInfo | None) -> Convert:
    """What makes an instant of a time as databases write it: ISO 8601 in UTC.

    What is no time stays as it is, so that it is seen and not lost.

    Args:
        zone: Where times without a zone are from; None: UTC.
    """
    is_utc = zone is None or zone.key == "UTC"

    def convert(value: Any) -> Any:
        if type(value) is not str:
            return plain(value)
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            elif not is_utc:
                moment = moment.replace(tzinfo=zone).astimezone(UTC)
                moment = moment.replace(tzinfo=None)
        except (ValueError, OverflowError):
            return None if _is_zero(value) else value
        return f"{moment.isoformat()}Z"

    return convert


def _is_zero(value: Any) -> bool:
    return type(value) is str and value.startswith(_ZERO_DATE)


def bits(value: Any) -> Any:
    """MySQL's ``BIT``: one is true or false, more are a number."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value


def local_instant(
    day_of: Any, time_of: Any, plus: Any, zone: str | None, other_zone: str | None
) -> Any:
    """The instant that a date and a time of day in a zone are.

    Args:
        day_of: Date; of a date with a time only the date counts.
        time_of: Time of day; None is midnight.
        plus: Duration that has passed since, or None.
        zone: Name of the zone; None or empty: it is not told.
        other_zone: The one for when it is not.

    Returns:
        ISO 8601 text in UTC; None without a date; a text that nobody takes for a time,
        with what was found, when it is no instant.
    """
    if day_of is None or _is_zero(str(day_of)):
        return None
    try:
        clock = ZoneInfo((zone or "").strip() or str(other_zone))
        moment = datetime.fromisoformat(str(day_of)[:10])
        moment += _passed(time_of, in_minutes=False)
        moment = moment.replace(tzinfo=clock).astimezone(UTC)
        moment += _passed(plus, in_minutes=True)
    except (KeyError, ValueError, OSError, OverflowError):
        return f"{day_of} {time_of} [{zone}]"
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def _passed(value: Any, *, in_minutes: bool) -> timedelta:
    """A duration as databases write it: ``h:mm:ss``, or a number of minutes."""
    if value is None:
        return timedelta(0)
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if in_minutes and _MINUTES.fullmatch(text):
        return timedelta(minutes=float(text))
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("no duration")
    sign, hours, minutes, seconds = match.groups()
    passed = timedelta(
        hours=int(hours), minutes=int(minutes), seconds=float(seconds or 0)
    )
    return -passed if sign else passed
