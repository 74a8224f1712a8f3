"""The two header fields that carry time: ``Date`` and ``Retry-After``."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Longest pause that a source may ask for, in seconds.
MAX_PAUSE_SECONDS = 24 * 3600.0

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def parse_http_date(text: str | None) -> datetime | None:
    """Aware UTC instant of an HTTP date, or None when it is absent or none."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        # The old form without a zone is legal, and HTTP knows only one zone.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the source asks us to wait.

    A date is measured by the answer's own ``Date`` header when it has one, so that
    the two clocks need not agree.

    Args:
        headers: Header fields of the refusal.
        now: Our time, for answers without ``Date``.

    Returns:
        Seconds in (0, ``MAX_PAUSE_SECONDS``]; None when the field is absent, garbage,
        or not in the future: then the caller's own policy is the better advice.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        until = parse_http_date(text)
        if until is None:
            return None
        seconds = (
            until - (parse_http_date(headers.get("Date")) or now)
        ).total_seconds()
    return min(seconds, MAX_PAUSE_SECONDS) if seconds > 0 else None
