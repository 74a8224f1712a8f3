"""Properties that come, go and change: noticed, written down, never a failure."""

import json
import logging
import time
import zlib
from dataclasses import replace
from typing import Any

import pytest

from tests.proof.house import House, Open

CHANGES = """
SELECT property, kind, old_value, new_value, columns FROM ops.schema_changes ORDER BY id
"""

DELIVERY = """
INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
) VALUES (
    'hubspot', 'r', gen_random_uuid()::text, 'application/json', '{}',
    'https://x.example/', %s, %s
)
"""


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


def change(house: House, **what: Any) -> None:
    house.sandbox.admin("POST", "/properties/contacts", what)


def changes(house: House) -> list[tuple[Any, ...]]:
    return [tuple(each.values()) for each in house.rows(CHANGES)]


def held(house: House, property_name: str) -> list[str | None]:
    """What raw holds of a property, record by record."""
    rows = house.rows(
        "SELECT payload #>> ARRAY['properties', %s] AS value FROM raw.hubspot_contacts"
        " ORDER BY source_id",
        property_name,
    )
    return [each["value"] for each in rows]


def test_trap_29_what_is_there_at_first_is_no_change(house: House) -> None:
    house.sync("contacts")
    known = house.rows("SELECT property FROM ops.source_properties ORDER BY property")
    there = house.sandbox.admin("POST", "/properties/contacts", {})["properties"]

    assert changes(house) == []
    assert sorted(each["property"] for each in known) == there
    house.sync("contacts")
    assert changes(house) == []


def test_trap_29_each_change_is_written_down_once(house: House) -> None:
    house.sync("contacts")
    change(
        house,
        add=[{"name": "shingle", "label": "Kind of shingle"}],
        remove=["homeowner"],
        retype={"roof_age_years": "string"},
        relabel={"city": "Town"},
    )

    results = [house.sync("contacts", mode) for mode in ("incremental", "full")]

    assert [each.status for each in results] == ["success"] * 2
    assert changes(house) == [
        ("city", "relabelled", "City", "Town", ["contacts.city"]),
        ("homeowner", "removed", "bool", None, []),
        ("roof_age_years", "retyped", "number", "string", []),
        ("shingle", "added", None, "string", []),
    ]
    wrote = house.rows("SELECT DISTINCT job_id, source_system FROM ops.schema_changes")
    assert wrote == [{"job_id": results[0].job_id, "source_system": "hubspot"}]


def test_trap_29_a_new_property_comes_into_raw_by_itself(house: House) -> None:
    house.sync("contacts")
    change(house, add=[{"name": "shingle"}])
    [line] = house.sandbox.truth("contacts")[:1]
    call = {"id": line["source_id"], "properties": {"shingle": "slate"}}
    house.sandbox.admin("POST", "/contacts/write", call)

    house.sync("contacts")

    assert sorted(filter(None, held(house, "shingle"))) == ["slate"]


def test_trap_29_a_mapped_property_that_goes_is_named_and_keeps_its_values(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.sync("contacts")
    cities = "SELECT source_id, city FROM warehouse.contacts ORDER BY 1"
    before = house.rows(cities)
    change(house, remove=["city"])

    with caplog.at_level(logging.WARNING):
        result = house.sync("contacts", "full")

    # All 600 records come without it: no guard stops that, and no column is emptied.
    assert (result.status, result.records_processed) == ("success", len(before))
    assert house.rows(cities) == before
    assert changes(house) == [("city", "removed", "string", None, ["contacts.city"])]
    told = [each.getMessage() for each in caplog.records]
    wanted = "hubspot contacts: property city, which contacts.city is mapped from, was"
    assert [each for each in told if wanted in each]

    change(house, add=[{"name": "city", "label": "City"}])
    house.sync("contacts", "full")

    assert house.rows(cities) == before
    assert [each[:2] for each in changes(house)] == [
        ("city", "removed"),
        ("city", "added"),
    ]


def test_trap_29_a_mapped_property_that_is_retyped_stops_nothing(house: House) -> None:
    house.sync("deals")
    retyped = {"retype": {"amount": "string"}}
    house.sandbox.admin("POST", "/properties/deals", retyped)
    house.sandbox.move("deals", "change", 20)

    assert house.sync("deals").records_updated == 20
    assert changes(house) == [
        ("amount", "retyped", "number", "string", ["leads.value"])
    ]


def test_trap_29_more_properties_than_a_table_has_columns(house: House) -> None:
    names = [f"question_{n:04}_{'of_a_long_form_' * 5}" for n in range(1_700)]
    change(house, add=[{"name": name} for name in names])
    try:
        [line] = house.sandbox.truth("contacts")[:1]
        call = {"id": line["source_id"], "properties": {names[-1]: "the last"}}
        house.sandbox.admin("POST", "/contacts/write", call)

        assert house.sync("contacts", "full").status == "success"
        house.sandbox.move("contacts", "change", 3)
        assert house.sync("contacts").records_updated == 3

        assert list(filter(None, held(house, names[-1]))) == ["the last"]
    finally:
        change(house, remove=names)


def test_trap_30_sensitive_properties_come_where_they_are_wanted_and_allowed(
    house: House,
) -> None:
    contacts = replace(house.source.entities["contacts"], sensitive=True)
    wanted = replace(house.source, entities={"contacts": contacts})
    eager = House(house.conninfo, house.sandbox, wanted)
    secret = {"name": "diagnosis", "sensitivity": "highly_sensitive"}
    change(house, add=[secret])
    [line] = house.sandbox.truth("contacts")[:1]
    call = {"id": line["source_id"], "properties": {"diagnosis": "invented"}}
    house.sandbox.admin("POST", "/contacts/write", call)

    # Not wanted; then wanted and not allowed: the rest is loaded.
    for each in (house, eager):
        assert each.sync("contacts", "full").status == "success"
        assert set(held(house, "diagnosis")) == {None}
    house.sandbox.configure(sensitive_scope=True)
    try:
        eager.sync("contacts", "full")

        assert list(filter(None, held(house, "diagnosis"))) == ["invented"]
        assert changes(house) == [("diagnosis", "added", None, "string", [])]
    finally:
        house.sandbox.configure(sensitive_scope=False)


def test_trap_29_a_webhook_that_comes_before_a_poll_empties_nothing(
    house: House,
) -> None:
    house.sync("contacts")
    [source_id] = [line["source_id"] for line in house.sandbox.truth("contacts")[:1]]
    row = f"SELECT city, phone FROM warehouse.contacts WHERE source_id = '{source_id}'"
    [before] = house.rows(row)
    change(house, remove=["city"])
    call = {"id": source_id, "properties": {"phone": "+12125550199"}}
    house.sandbox.admin("POST", "/contacts/write", call)
    event = {
        "subscriptionType": "contact.propertyChange",
        "objectId": int(source_id),
        "occurredAt": int(time.time() * 1_000),
    }
    body = json.dumps([event]).encode()
    house.rows(DELIVERY, zlib.compress(body), len(body))

    result = house.merge_webhooks()

    assert (result.status, result.records_updated) == ("success", 1)
    assert house.rows(row) == [{"city": before["city"], "phone": "+12125550199"}]
    assert [each[:2] for each in changes(house)] == [("city", "removed")]
