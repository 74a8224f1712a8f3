"""The sandbox's time: the machine's, moved by an offset that tests may set."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

#: The records that a sandbox starts with were last changed in the two years before.
#: Fixed, so that the same seed gives the same bytes on any day.
EPOCH = datetime(2026, 6, 1, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC to the second, with ``Z``."""
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return plain.isoformat(timespec="seconds") + "Z"


def iso_milliseconds(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, with ``Z``."""
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return plain.isoformat(timespec="milliseconds") + "Z"


def parse_moment(value: object) -> datetime | None:
    """Aware instant of an ISO 8601 text (no zone means UTC), or None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Clock:
    """Time of one system."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._date = (0, b"")

    def now(self) -> datetime:
        """Aware UTC time of this system."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    def ago(self, seconds: float) -> datetime:
        """Aware UTC time of this system so long ago."""
        return self.now() - timedelta(seconds=seconds)

    def date_header(self) -> bytes:
        """Value of the ``Date`` header, formatted once a second."""
        now = self.now()
        second = int(now.timestamp())
        if self._date[0] != second:
            self._date = (second, format_datetime(now, usegmt=True).encode())
        return self._date[1]
