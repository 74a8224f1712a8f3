"""What ``forecast`` prints, and whether it says that it fits."""

import pytest

from crm_warehouse.cli.forecast import _as_json, _as_text, _choice, _fits
from crm_warehouse.clients.interface import Cost
from crm_warehouse.engine.forecast import EntityForecast, Forecast, Standing


def made(requests: int | None, used: int = 0, ends: float = 50.0) -> Forecast:
    cost = Cost(requests, requests, 0, 1, 0.0, 1, exact=False)
    standing = Standing("daily", "", 86_400.0, 10_000, used, 0, ends, by_zone=True)
    return Forecast("acme", [EntityForecast("people", cost, "no scope")], [standing])


@pytest.mark.parametrize(
    ("requests", "used", "line"),
    [
        (0, 0, "0.0 % of what is left today: 10,000 of 10,000"),
        (9, 0, "<0.1 % of what is left today: 10,000 of 10,000"),
        (10, 0, "0.1 % of what is left today: 10,000 of 10,000"),
        (20_000, 0, "200.0 % of what is left today: 10,000 of 10,000"),
        (9, 10_000, "nothing is left today: 0 of 10,000"),
        (None, 4, "left today: 9,996 of 10,000"),
    ],
)
def test_the_share_of_today(requests: int | None, used: int, line: str) -> None:
    last = _as_text(made(requests, used)).splitlines()[-1]

    assert last == f"{line} requests (quota 'daily')"


def test_what_cannot_be_told_has_no_number() -> None:
    found = made(None)

    lines = _as_text(found).splitlines()
    assert lines[1].split("  ")[-1] == (
        "cannot be told before a first load (not asked: no scope)"
    )
    assert len(lines) == 3  # no sum
    assert _fits(found, 0.0) is None
    outcome = _as_json(found, None)
    assert [outcome[key] for key in ("requests", "seconds", "share_of_today")] == (
        [None] * 3
    )


def test_a_wait_is_told_in_days_and_to_the_end_of_this_one() -> None:
    assert "goes on for 1 more day, without" in _choice(made(10_001))
    assert "--max-wait 110 on" in _choice(made(10_001))
    assert "goes on for 2 more days, without" in _choice(made(20_001))
    assert _fits(made(10_001), 49.0) is False
    assert _fits(made(10_001), 50.0) is True
