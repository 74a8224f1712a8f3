"""Messages tell times in one way, whatever zone they were given in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from crm_warehouse.errors import WaitError
from crm_warehouse.moments import utc_text

NOON = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("hours", [-5, 0, 1])
def test_it_is_utc_to_the_second(hours: int) -> None:
    moment = NOON.astimezone(timezone(timedelta(hours=hours)))

    assert utc_text(moment) == "2026-03-01 12:00:00Z"
    assert str(WaitError(moment, "full")) == (
        "full; requests are allowed again at 2026-03-01 12:00:00Z"
    )
