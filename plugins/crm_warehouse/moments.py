"""How messages tell when something is."""

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """A moment for people: ``2026-03-01 12:00:00Z``.

    Args:
        moment: Aware, in whatever time zone.
    """
    return f"{moment.astimezone(UTC):%F %TZ}"
