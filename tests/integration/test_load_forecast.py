"""A forecast against the requests of the full load that it was made for."""

from dataclasses import replace

import psycopg
import pytest

from crm_warehouse.engine.forecast import Forecast, Standing, forecast
from crm_warehouse.spec import Quota
from include.sandbox.server import SandboxServer
from tests.proof.house import SOURCES, House, Open

DAILY = Quota("daily", 250_000, 86_400.0)


def reckon(house: House, *entities: str, **options: object) -> Forecast:
    source = house.source
    return forecast(
        source,
        [source.entities[each] for each in entities],
        source_system=source.name,
        conninfo=house.conninfo,
        open_client=house.open_client,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("system", "entity"),
    [
        (system, entity)
        for system, source in SOURCES.items()
        for entity in source.entities
    ],
)
def test_a_forecast_is_what_the_load_then_takes(
    open_house: Open, system: str, entity: str
) -> None:
    house = open_house(system)
    house.sync(entity, "full")  # lists without a count are known from the warehouse
    house.sandbox.admin("DELETE", "/stats")

    [found] = reckon(house, entity).entities

    assert house.sandbox.stats()["requests"] == found.cost.spent <= 2
    result = house.sync(entity, "full")
    assert (found.cost.requests, found.cost.records) == (
        result.requests,
        result.records_received,
    )


@pytest.mark.usefixtures("always_in_lanes")
@pytest.mark.parametrize("entity", ["contacts", "deals"])
def test_lanes_are_forecast_within_five_percent(open_house: Open, entity: str) -> None:
    house = open_house("hubspot")
    house.sandbox.move(entity, "create", 16_000)

    [found] = reckon(house, entity).entities

    result = house.sync(entity, "full")
    assert found.cost.searches > 10
    assert found.cost.requests == pytest.approx(result.requests, rel=0.05)


def test_what_does_not_fit_today_is_told(open_house: Open) -> None:
    house = open_house("hubspot")
    daily = replace(DAILY, requests=20)
    house.source = replace(house.source, quotas=(daily,), webhook_share=0.1)
    house.sync("owners")

    found = reckon(house, "contacts", "companies", "deals")

    used = house.value("SELECT sum(used) FROM ops.api_quota_usage")
    assert found.daily is not None
    assert found.daily.left == 20 - used - 2  # a tenth of the limit is for webhooks
    assert found.spent == 6
    assert found.requests == 8 + 4 + 8
    assert found.share == pytest.approx(found.requests / found.daily.left)
    # Until the account's midnight, and the minute that its clock may be behind.
    assert found.days == 1
    assert found.wait_seconds == pytest.approx(seconds_to_midnight(house), abs=30)
    assert found.fitting() == ["companies"]
    assert found.seconds is not None
    assert found.seconds >= found.wait_seconds


def seconds_to_midnight(house: House) -> float:
    """By PostgreSQL, for the zone that a sync has learnt."""
    value = house.value(
        "SELECT extract(epoch FROM"
        " (((now() AT TIME ZONE time_zone)::date + 1)::timestamp"
        " AT TIME ZONE time_zone) + interval '1 minute' - now())"
        " FROM ops.api_quota WHERE time_zone IS NOT NULL"
    )
    return float(value)


@pytest.mark.parametrize(
    ("requests", "used", "ends", "by_zone", "seconds"),
    [
        (4, 6, 50, False, 0),
        (5, 6, 50, False, 50),  # what was used before makes room for six
        (10, 6, 50, False, 50),
        (11, 6, 50, False, 100),  # then what is sent now must end
        (14, 6, 50, False, 100),
        (15, 6, 50, False, 150),
        (14, 6, 50, True, 50),  # at midnight all ends at once
        (15, 6, 50, True, 150),
    ],
)
def test_a_wait_ends_when_the_window_does(
    requests: int, used: int, ends: float, by_zone: bool, seconds: float
) -> None:
    standing = Standing("daily", "", 100.0, 10, used, 0, ends, by_zone)

    assert standing.seconds_for(requests) == seconds


@pytest.mark.parametrize(
    ("system", "entities", "daily"),
    [("hubspot", ("contacts", "owners"), 24), ("genius", ("prospects",), 10)],
)
def test_a_day_that_is_used_up_is_reckoned_by_what_is_here(
    open_house: Open, system: str, entities: tuple[str, ...], daily: int
) -> None:
    house = open_house(system)
    for entity in entities:
        house.sync(entity)
    limit = replace(DAILY, requests=daily)
    house.source = replace(house.source, quotas=(limit,), webhook_share=0.0)
    with psycopg.connect(house.conninfo) as conn:
        conn.execute(
            "INSERT INTO ops.api_quota (source_system, name, limit_requests,"
            " per_seconds) VALUES (%s, 'daily', 1, 86400) ON CONFLICT DO NOTHING",
            [system],
        )
        conn.execute(
            "INSERT INTO ops.api_quota_usage (source_system, name, bucket, used)"
            " VALUES (%s, 'daily', now(), %s)",
            [system, daily],
        )

    found = reckon(house, *entities)

    first = found.entities[0]
    here = house.value("SELECT count(*) FROM warehouse.contacts WHERE NOT is_deleted")
    assert first.cost.records == here
    assert first.cost.exact is False
    assert "allowed again at" in (first.not_asked or "")
    assert found.requests is not None
    assert found.requests > 5
    assert (found.spent, found.fitting()) == (0, [])
    assert found.days == 1
    assert 0 < found.wait_seconds < 87_900  # a day, and the margin of the clocks


def test_a_missing_scope_leaves_the_others(open_house: Open) -> None:
    house = open_house("hubspot")
    house.sandbox.configure(withheld_scopes=["crm.objects.deals.read"])

    found = reckon(house, "contacts", "deals").entities

    house.sandbox.configure(withheld_scopes=[])
    assert [each.cost.exact for each in found] == [True, False]
    assert "crm.objects.deals.read" in (found[1].not_asked or "")
    assert found[1].cost.requests is None


@pytest.mark.parametrize("system", ["marketsharp", "activeprospect"])
def test_nobody_can_tell_before_the_first_load_of_a_list_without_a_count(
    open_house: Open, system: str
) -> None:
    house = open_house(system)
    house.source = replace(house.source, quotas=(DAILY,))

    found = reckon(house, "leads")

    assert [each.cost.requests for each in found.entities] == [None]
    assert (found.requests, found.seconds, found.share) == (None, None, None)


def test_short_quotas_and_slow_answers_take_their_time(open_house: Open) -> None:
    house = open_house("genius")
    quota = Quota("hourly", 4, 3600.0)
    house.source = replace(house.source, quotas=(quota, DAILY))

    found = reckon(house, "prospects")

    # Six pages; three of four requests are left, then four an hour.
    assert (found.requests, found.wait_seconds, found.days) == (6, 0.0, 0)
    assert found.seconds == 3600.0
    assert found.fitting() == ["prospects"]


def test_an_empty_source_takes_a_request(
    sandbox: SandboxServer, open_house: Open
) -> None:
    house = open_house("activeprospect")
    assert sandbox is not None
    ids = house.sandbox.truth("leads")
    house.sandbox.move("leads", "delete", len(ids))

    assert reckon(house, "leads").requests == 1
