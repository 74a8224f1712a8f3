import asyncio
from datetime import UTC, datetime, timedelta
from pkgutil import resolve_name

import pytest
from structlog.testing import capture_logs

from crm_warehouse.triggers import wait
from crm_warehouse.triggers.wait import WaitTrigger


def fire(trigger: WaitTrigger) -> list[object]:
    async def run() -> list[object]:
        async with asyncio.timeout(30):
            return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


def test_it_fires_at_its_moment_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "_LOOK_SECONDS", 0.1)
    moment = datetime.now(UTC) + timedelta(seconds=0.5)

    assert fire(WaitTrigger(moment, "quota")) == [moment.isoformat()]
    assert datetime.now(UTC) >= moment


def test_a_moment_that_has_passed_fires_at_once() -> None:
    """As after an outage of the triggerer."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    assert fire(WaitTrigger(moment, "quota")) == [moment.isoformat()]


def test_its_log_says_until_when_and_why() -> None:
    trigger = WaitTrigger(datetime(2026, 3, 1, tzinfo=UTC), "3 of 3 requests used")
    with capture_logs() as entries:
        fire(trigger)

    assert [entry["event"] for entry in entries] == [
        "waiting until 2026-03-01 00:00:00Z: 3 of 3 requests used"
    ]


def test_what_airflow_stores_makes_the_same_trigger() -> None:
    trigger = WaitTrigger(datetime(2026, 3, 1, tzinfo=UTC), "quota")
    path, arguments = trigger.serialize()
    again = resolve_name(path)(**arguments)

    assert again.serialize() == (path, arguments)
    assert again.moment == trigger.moment
