"""Times that name no zone, of a source whose zone is known.

Twice a year a clock on the wall says something else than it means. Where it is set
back, an hour comes twice: its times are read as the first of both. Where it is set
forward, an hour is left out: its times are read by the clock as it stood before. A date
alone is its midnight in UTC, as everywhere.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_warehouse.engine.values import (
    Converter,
    UnusableValueError,
    canonical,
    timestamp,
)


def timestamp_in(zone: ZoneInfo) -> Converter:
    """Converter as ``values.timestamp``, for times that may name no zone."""

    def convert(value: Any) -> str:
        if (moment := _local(value)) is None:
            return timestamp(value)
        try:
            return canonical(moment.replace(tzinfo=zone).astimezone(UTC))
        except OverflowError:
            raise UnusableValueError(
                "invalid_timestamp", "not a date and time in ISO 8601"
            ) from None

    return convert


def comes_twice(value: Any, zone: ZoneInfo) -> bool:
    """Whether a time names no zone and is of the hour that comes twice.

    Two such times do not tell which of them is later.
    """
    if (moment := _local(value)) is None:
        return False
    first, second = (
        moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)
    )
    return first is not None and second is not None and second < first


def _local(value: Any) -> datetime | None:
    """A date with a time and no zone; None for whatever else it is."""
    if type(value) is not str or len(value) <= 10 or value[4] != "-":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None
