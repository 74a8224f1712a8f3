"""How messages tell when something is, and how long what failed rests."""

from datetime import UTC, datetime, timedelta

#: How long what failed is left alone: a DAG that always runs, after a run that did not
#: do its work, and an entity whose webhooks cannot be merged. Without it the next run
#: would begin at once, find the same and fail again, all day long.
REST = timedelta(minutes=15)


def utc_text(moment: datetime) -> str:
    """A moment for people: ``2026-03-01 12:00:00Z``.

    Args:
        moment: Aware, in whatever time zone.
    """
    return f"{moment.astimezone(UTC):%F %TZ}"
