"""Archived, restored, merged and erased records of HubSpot, from end to end."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from reconciling import run

from crm_warehouse.engine.reconcile import ReconcileResult
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import SOURCES, House
from tests.proof.oracle import compare_all, state_differences

_DELIVER = (
    "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
    " content_type, headers, url, body, body_bytes) VALUES ('hubspot', 'r',"
    " gen_random_uuid()::text, 'application/json', '{}', 'u', %s, %s)"
)
_DELETED = "SELECT is_deleted, deleted_at FROM warehouse.contacts WHERE source_id = %s"


@pytest.fixture(scope="module")
def small() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(prospects=60, quota=False), "hubspot") as server:
        yield server


@pytest.fixture
def house(warehouse: str, small: SandboxServer) -> House:
    """Contacts, deals and companies of a small portal, loaded."""
    small.reset()
    source = SOURCES["hubspot"]
    retry = replace(source.retry, delays=(0.01,) * 3)
    crm = small.crm("hubspot")
    house = House(warehouse, crm, replace(source, quotas=(), retry=retry))
    for entity in ("contacts", "deals", "companies"):
        assert house.sync(entity, "full").status == "success"
    return house


def act(house: House, action: str, entity: str = "contacts", **call: Any) -> Any:
    return house.sandbox.admin("POST", f"/{entity}/{action}", call)


def people(house: House) -> list[str]:
    """Ids of contacts who have a deal, those with most deals first."""
    rows = house.rows(
        "SELECT contact_source_id AS id FROM warehouse.leads WHERE contact_id"
        " IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
    )
    return [row["id"] for row in rows]


def announce(house: House, kind: str, **more: Any) -> None:
    """Store a signed POST with one event, as the receiver does."""
    event = {"eventId": 1, "portalId": 24601, "appId": 9001, "occurredAt": 1, **more}
    body = json.dumps([{**event, "subscriptionType": kind}]).encode()
    house.rows(_DELIVER, zlib.compress(body), len(body))


def agrees(house: House, *entities: str) -> bool:
    found = {
        entity: (
            compare_all(house.conninfo, house.sandbox, entity),
            state_differences(house.conninfo, house.sandbox, entity),
        )
        for entity in entities
    }
    assert found == {entity: ({}, []) for entity in entities}
    return True


def sweep(house: House) -> ReconcileResult:
    """What is done each day between full loads, repairs included."""
    return run(house, "contacts", extent="sweep", repair=True)


def test_a_full_load_marks_what_is_archived_with_the_sources_time(house: House) -> None:
    [gone] = act(house, "archive")["ids"]
    at = house.sandbox.admin("GET", "/contacts/states")["archived"][gone]
    before = house.sandbox.stats()["requests"]

    result = house.sync("contacts", "full")

    assert (result.records_deleted, result.status) == (1, "success")
    assert house.rows(_DELETED, gone) == [
        {"is_deleted": True, "deleted_at": datetime.fromisoformat(at)}
    ]
    # Two pages of properties and list, one of the archive; none asks for the id.
    assert house.sandbox.stats()["requests"] - before == result.requests
    assert not [e for e in house.sandbox.log() if e["path"].endswith(gone)]
    assert agrees(house, "contacts")


def test_a_sweep_marks_what_no_search_finds_and_writes_nothing_twice(
    house: House,
) -> None:
    [gone] = act(house, "archive")["ids"]
    assert house.sync("contacts").records_deleted == 0

    first, second = sweep(house), sweep(house)

    assert (first.records_deleted, second.records_deleted) == (1, 0)
    assert second.records_updated == 0
    assert house.value(_DELETED, gone) is True
    assert agrees(house, "contacts")


def test_a_sweep_revives_what_was_restored_although_its_time_is_old(
    house: House,
) -> None:
    [back] = act(house, "archive")["ids"]
    sweep(house)
    act(house, "restore", ids=[back])
    assert house.sync("contacts").records_processed == 0

    job = sweep(house)

    assert (job.records_updated, job.records_deleted) == (1, 0)
    assert house.rows(_DELETED, back) == [{"is_deleted": False, "deleted_at": None}]
    assert agrees(house, "contacts")


def test_a_deletion_event_brings_the_time_of_archiving(house: House) -> None:
    [gone] = act(house, "archive")["ids"]
    at = house.sandbox.admin("GET", "/contacts/states")["archived"][gone]
    announce(house, "contact.deletion", objectId=int(gone))

    assert house.merge_webhooks().records_deleted == 1

    assert house.rows(_DELETED, gone)[0]["deleted_at"] == datetime.fromisoformat(at)


@pytest.mark.parametrize("tell", ["both", "ids", "times", "apart"])
def test_a_chain_of_merges_is_read_from_either_property(
    house: House, tell: str
) -> None:
    a, b, c = people(house)[:3]
    act(house, "merge", primary=b, merged=[a], tell=tell)
    assert house.sync("contacts").records_deleted == 1
    act(house, "merge", primary=c, merged=[b], tell=tell)
    assert house.sync("contacts").records_deleted == 1

    again = house.sync("contacts")

    assert (again.records_updated, again.records_deleted) == (0, 0)
    assert agrees(house, "contacts", "deals", "companies")


@pytest.mark.parametrize("new_id", [False, True])
def test_a_merge_event_redirects_whatever_the_survivor_tells(
    house: House, new_id: bool
) -> None:
    a, b = people(house)[:2]
    made = act(house, "merge", primary=b, merged=[a], new_id=new_id, tell="nothing")
    new = int(made["survivor"]) if new_id else None
    announce(
        house,
        "contact.merge",
        objectId=int(b),
        primaryObjectId=int(b),
        mergedObjectIds=[int(a)],
        newObjectId=new,
        numberOfPropertiesMoved=3,
    )

    result = house.merge_webhooks()

    assert result.records_deleted == 1 + new_id
    assert agrees(house, "contacts", "deals", "companies")


def test_an_event_of_the_lost_record_alone_finds_its_survivor(house: House) -> None:
    a, b = people(house)[:2]
    act(house, "merge", primary=b, merged=[a], tell="nothing")
    announce(house, "contact.propertyChange", objectId=int(a), propertyName="city")

    assert house.merge_webhooks().records_deleted == 1

    assert agrees(house, "contacts", "deals", "companies")


def test_deals_that_were_merged_keep_their_contacts_together(house: House) -> None:
    a, b = [row["source_id"] for row in house.sandbox.truth("deals")][:2]
    act(house, "merge", "deals", primary=b, merged=[a])

    assert house.sync("deals").records_deleted == 1

    assert agrees(house, "deals")


def test_a_replay_finds_merges_that_raw_tells_of(house: House) -> None:
    a, b = people(house)[:2]
    act(house, "merge", primary=b, merged=[a])
    house.sync("contacts")
    house.rows("DELETE FROM warehouse.merged_records")

    house.sync("contacts", "replay")

    assert state_differences(house.conninfo, house.sandbox, "contacts") == []


def test_a_privacy_deletion_erases_and_no_old_page_brings_it_back(
    house: House,
) -> None:
    gone = people(house)[0]
    payload = house.rows(
        "SELECT payload FROM raw.hubspot_contacts WHERE source_id = %s", gone
    )[0]["payload"]
    act(house, "erase", ids=[gone])
    announce(house, "contact.privacyDeletion", objectId=int(gone))

    result = house.merge_webhooks(portal_id="24601")

    assert (result.records_deleted, result.status) == (1, "success")
    for entity in ("contacts", "deals", "companies"):
        house.sync(entity, "full")
    announce(
        house,
        "contact.propertyChange",
        objectId=int(gone),
        propertyName="email",
        propertyValue=payload["properties"]["email"],
    )
    assert house.merge_webhooks().records_processed == 0
    assert agrees(house, "contacts", "deals", "companies")
    assert house.value("SELECT reason FROM ops.erased_records") == "source"
    # The same person under a new id is somebody whom nobody has erased.
    house.sandbox.move("contacts", "create", 1)
    assert house.sync("contacts").records_created == 1
