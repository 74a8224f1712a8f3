"""ActiveProspect delivers leads whole; polls and deliveries of one never fight."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crm_warehouse.engine import webhook_gaps
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from tests.proof.house import House, Open
from tests.proof.hubspot_sender import PUBLIC_URL, SECRET
from tests.proof.inbox_door import InboxDoor
from tests.proof.oracle import compare_all
from tests.proof.receiver_process import started
from tests.proof.stage import delivered

STATES = "SELECT DISTINCT state FROM staging.webhook_events"
FAILED = "SELECT count(*) FROM staging.webhook_deliveries WHERE state = 'failed'"


@pytest.fixture
def door(warehouse: str) -> Iterator[InboxDoor]:
    with InboxDoor(warehouse) as door:
        yield door


@pytest.fixture
def house(open_house: Open) -> Iterator[House]:
    house = open_house("activeprospect")
    yield house
    house.sandbox.admin("DELETE", "/webhooks")


def subscribe(house: House, door: InboxDoor, **more: Any) -> None:
    call = {"target": door.url, "secret": "an invented one", **more}
    house.sandbox.admin("POST", "/webhooks", call)


@pytest.mark.parametrize("form", ["json", "form", "xml"])
def test_each_form_makes_the_rows_of_the_truth(
    house: House, door: InboxDoor, form: str
) -> None:
    house.sync("leads", "full")
    subscribe(house, door, forms=[form])
    house.sandbox.move("leads", "create", 10)
    house.sandbox.move("leads", "change", 30)
    delivered(house.sandbox)

    result = house.merge_webhooks()

    assert (result.status, result.requests, result.records_failed) == ("success", 0, 0)
    assert result.records_created == 10
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    assert house.sync("leads", "full").records_updated == 0


def test_deliveries_alone_make_the_truth_however_they_come(
    house: House, door: InboxDoor
) -> None:
    """Twice, in any order, after refusals, between deliveries that hold no lead."""
    house.sync("leads", "full")
    door.refused = 5
    subscribe(house, door, duplicates=0.3, bad=0.2, shuffled=True)
    rng = Random(7)
    for _ in range(4):
        for _ in range(rng.randrange(1, 4)):
            house.sandbox.move("leads", "create", rng.randrange(5))
            # Of few leads, so that several deliveries are about one of them.
            house.sandbox.move("leads", "change", 50)
        delivered(house.sandbox)
        assert house.merge_webhooks().records_failed == 0

    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    assert house.value(FAILED) > 10
    assert house.rows(STATES) == [{"state": "merged"}]
    assert house.sandbox.admin("GET", "/webhooks")["failed_attempts"] == 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_polls_and_deliveries_in_any_order_end_equal(
    house: House, door: InboxDoor, seed: int
) -> None:
    house.sync("leads", "full")
    subscribe(house, door, duplicates=0.2, shuffled=True)
    rng = Random(seed)
    steps: list[Callable[[], Any]] = [
        lambda: house.sandbox.move("leads", "create", rng.randrange(1, 6)),
        lambda: house.sandbox.move("leads", "change", rng.randrange(10, 80)),
        lambda: house.sandbox.move("leads", "delete", rng.randrange(3)),
        lambda: house.sync("leads", "incremental"),
        lambda: house.sync("leads", "full"),
        house.merge_webhooks,
    ]
    for _ in range(25):
        rng.choice(steps)()
    delivered(house.sandbox)
    if seed % 2:
        house.merge_webhooks()
        house.sync("leads", "full")
    else:  # what was deleted meanwhile stays so, whatever comes late
        house.sync("leads", "full")
        house.merge_webhooks()

    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    assert (
        house.value(
            "SELECT count(*) FROM staging.webhook_events WHERE state = 'pending'"
        )
        == 0
    )


def test_lost_deliveries_come_with_the_next_poll_and_are_counted(
    house: House, door: InboxDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap asks for no full load: that would delete what the source only forgot."""
    monkeypatch.setattr(webhook_gaps, "TOLERANCE_SECONDS", 0.0)
    house.sync("leads", "full")
    subscribe(house, door)
    house.sandbox.move("leads", "create", 2)
    house.sandbox.move("leads", "change", 10)
    delivered(house.sandbox)
    house.merge_webhooks()
    house.sandbox.admin("DELETE", "/webhooks")
    house.sandbox.move("leads", "create", 3)
    house.sandbox.move("leads", "change", 4)

    house.sync("leads")
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    report = maintain(MaintenanceRequest([house.source]), conninfo=house.conninfo)

    [act] = [each for each in report.acts if each.act == "measure_webhooks"]
    assert act.details["leads"]["created"] == 3
    assert act.details["leads"]["changed"] in (3, 4)  # of the new ones may be one
    assert [each for each in report.due if each.mode == "full"] == []


def test_from_the_source_through_the_receiver_into_the_warehouse(
    house: House, tmp_path: Path
) -> None:
    house.sync("leads", "full")
    extra = {"webhook_secrets": [SECRET], "public_url": PUBLIC_URL}
    connection = {"conn_type": "activeprospect", "password": "k", "extra": extra}
    variable = {"AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT": json.dumps(connection)}
    with started(house.conninfo, None, tmp_path / "log", **variable) as receiver:
        where = f"http://127.0.0.1:{receiver.port}/api/v1/webhooks/activeprospect/"
        call = {"target": where, "secret": SECRET, "duplicates": 0.3, "bad": 0.2}
        house.sandbox.admin("POST", "/webhooks", call)
        house.sandbox.move("leads", "create", 10)
        house.sandbox.move("leads", "change", 40)
        delivered(house.sandbox)

    assert house.merge_webhooks().records_created == 10
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    assert house.sandbox.admin("GET", "/webhooks")["failed_attempts"] == 0
    assert house.value(FAILED) > 0
