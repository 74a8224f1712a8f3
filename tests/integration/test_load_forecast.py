"""A forecast against the requests of the full load that it was made for."""

from dataclasses import replace

import pytest

from crm_warehouse.engine.forecast import Forecast, forecast
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


@pytest.mark.parametrize("entity", ["contacts", "deals"])
def test_lanes_are_forecast_within_five_percent(
    open_house: Open, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    house = open_house("hubspot")
    monkeypatch.setattr("crm_warehouse.clients.hubspot.LIST_RECORDS", 100)
    house.sandbox.move(entity, "create", 4000)

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
    assert (found.days, found.wait_seconds) == (1, 86_400.0)
    assert found.fitting() == ["companies"]
    assert found.seconds >= 86_400


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
