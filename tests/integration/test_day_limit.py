"""HubSpot's daily limit: jobs rest until the account's midnight, and lose nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_warehouse.spec import Quota
from include.sandbox.server import SandboxServer
from tests.proof.house import SOURCES, House
from tests.proof.oracle import compare_all

DETAILS = "GET /hubspot/account-info/v3/details"
#: More than our own count would ever stop at.
DAILY = Quota("daily", 100_000, 86_400)


@pytest.fixture
def house(warehouse: str, sandbox: SandboxServer) -> Iterator[House]:
    source = SOURCES["hubspot"]
    retry = replace(source.retry, delays=(0.01,) * 3)
    crm = sandbox.crm("hubspot")
    off = {"enabled": False}
    crm.configure(quota=off, search_quota=off, time_zone="Asia/Kathmandu")
    source = replace(source, quotas=(DAILY,), retry=retry, webhook_share=0.0)
    yield House(warehouse, crm, source)
    crm.configure(time_zone="America/New_York")


def next_midnight(zone: str) -> datetime:
    here = ZoneInfo(zone)
    tomorrow = datetime.now(here).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), here).astimezone(UTC)


def let_midnight_pass(house: House) -> None:
    """For the account, and for the jobs that wait for it."""
    left = (next_midnight("Asia/Kathmandu") - datetime.now(UTC)).total_seconds()
    house.sandbox.configure(clock_offset_seconds=left + 90)
    house.rows("UPDATE ops.api_quota_holds SET held_until = now()")
    house.rows("UPDATE ops.api_quota SET others_until = now()")


@pytest.mark.parametrize("told_before", [True, False])
def test_a_used_up_day_parks_all_jobs_until_midnight_of_the_account(
    house: House, told_before: bool
) -> None:
    if told_before:
        # Another program's requests leave ours a few; headers tell how many.
        house.sandbox.configure(daily_quota={"enabled": True, "requests": 500})
        call = {"quota": "daily_quota", "requests": 494}
        house.sandbox.admin("POST", "/use", call)
    else:
        body = '{"status":"error","policyName":"DAILY","errorType":"RATE_LIMIT"}'
        house.sandbox.fault("status", status=429, body=body, after=6)

    parked = house.sync("contacts", batch_size=20)
    sent = house.sandbox.stats()["requests"]
    other = house.sync("deals")

    assert (parked.status, other.status) == ("waiting", "waiting")
    midnight = next_midnight("Asia/Kathmandu")
    for run in (parked, other):
        assert run.resume_at is not None
        assert abs(run.resume_at - midnight - timedelta(minutes=1)) < timedelta(
            seconds=10
        )
        assert "requests of the day are used up" in run.errors[0]
    # Nobody asked in vain: not the other job at all, and not the first one again.
    assert house.sandbox.stats()["requests"] == sent
    refused = house.sandbox.stats()["by_route"].values()
    assert sum(c.get("429", 0) for c in refused) == (0 if told_before else 1)
    assert house.sandbox.stats()["by_route"][DETAILS] == {"200": 1}

    house.sandbox.clear_faults()
    let_midnight_pass(house)

    for entity in ("contacts", "deals"):
        assert house.sync(entity, batch_size=20).status == "success"
        assert compare_all(house.conninfo, house.sandbox, entity) == {}
    assert house.sandbox.stats()["by_route"][DETAILS] == {"200": 1}


def test_an_account_that_does_not_tell_its_zone_is_loaded_all_the_same(
    house: House,
) -> None:
    house.sandbox.fault("status", path="/account-info/*", status=403)

    assert house.sync("contacts").status == "success"
    assert house.sync("contacts").status == "success"

    assert house.sandbox.stats()["by_route"][DETAILS] == {"403": 1}
