"""The forms in which HubSpot writes values, and what becomes of each."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from crm_warehouse.spec import FieldMap
from include.sandbox.server import SandboxServer
from tests.proof.house import House, Open

NOON = datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 9, tzinfo=UTC)
#: As sent -> the instant it is.
INSTANTS = {
    "2026-03-09T12:30:00Z": NOON,
    "2026-03-09T12:30:00.000Z": NOON,
    "2026-03-09T14:30:00+02:00": NOON,
    "2026-03-09T07:30:00.000-05:00": NOON,
    "1773059400000": NOON,
    "1773059400000.0": NOON,
    "1773059400250": NOON.replace(microsecond=250_000),
    "-86400000": datetime(1969, 12, 31, tzinfo=UTC),
    "2026-03-09": MIDNIGHT,
    "1773014400000": MIDNIGHT,
}


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


def write(house: House, entity: str, source_id: str, **properties: Any) -> None:
    call = {"id": source_id, "properties": properties}
    house.sandbox.admin("POST", f"/{entity}/write", call)


def row(house: House, table: str, source_id: str) -> dict[str, Any]:
    return house.rows(
        f"SELECT * FROM warehouse.{table}"
        " WHERE source_system = 'hubspot' AND source_id = %s",
        source_id,
    )[0]


def warnings(house: House, source_id: str) -> list[tuple[str, str]]:
    found = house.rows(
        "SELECT error_type, field FROM ops.sync_errors"
        " WHERE NOT resolved AND severity = 'warning' AND source_id = %s ORDER BY 1, 2",
        source_id,
    )
    return [(each["error_type"], each["field"]) for each in found]


def ids(house: House, entity: str, count: int) -> list[str]:
    return [line["source_id"] for line in house.sandbox.truth(entity)[:count]]


def test_trap_25_an_empty_value_clears_what_was_there(house: House) -> None:
    [contact], [deal] = ids(house, "contacts", 1), ids(house, "deals", 1)
    filled = {"phone": "+12125550123", "email": "ann@example.com", "city": "Utica"}
    write(house, "contacts", contact, **filled)
    write(house, "deals", deal, amount="250", closedate="2026-03-09")
    for entity in ("contacts", "deals"):
        house.sync(entity)
    assert row(house, "contacts", contact)["phone_e164"] == "+12125550123"
    assert row(house, "leads", deal)["expected_close_at"] == MIDNIGHT

    write(house, "contacts", contact, phone="", email="", city=None)
    write(house, "deals", deal, amount="", closedate="")
    for entity in ("contacts", "deals"):
        house.sync(entity)

    person, lead = row(house, "contacts", contact), row(house, "leads", deal)
    assert [person[name] or None for name in ("phone", "email", "city")] == [None] * 3
    assert (person["phone_e164"], person["email_normalized"]) == (None, None)
    assert (lead["value"], lead["expected_close_at"]) == (None, None)
    assert (warnings(house, contact), warnings(house, deal)) == ([], [])


def test_trap_25_a_property_that_is_not_sent_clears_nothing(house: House) -> None:
    [contact] = ids(house, "contacts", 1)
    write(house, "contacts", contact, phone="+12125550123", city="Utica")
    house.sync("contacts")
    gone = {"remove": ["phone"]}
    house.sandbox.admin("POST", "/properties/contacts", gone)
    write(house, "contacts", contact, city="")

    for mode in ("incremental", "full", "replay"):
        assert house.sync("contacts", mode).status == "success"

        person = row(house, "contacts", contact)
        assert (person["phone"], person["phone_e164"]) == ("+12125550123",) * 2
        assert not person["city"]


def test_trap_26_numbers_that_are_none_leave_a_warning_and_the_row(
    house: House,
) -> None:
    sent = ["1,000", "N/A", "3092727991;3881228353", "about 5k", "1e999999999"]
    deals = ids(house, "deals", len(sent))
    for deal, amount in zip(deals, sent, strict=True):
        write(house, "deals", deal, amount=amount, dealname=f"Sent {amount}")

    result = house.sync("deals")

    assert (result.status, result.records_failed) == ("success", 0)
    for deal, amount in zip(deals, sent, strict=True):
        lead = row(house, "leads", deal)
        assert (lead["name"], lead["value"]) == (f"Sent {amount}", None)
        assert warnings(house, deal) == [("invalid_number", "value")]
        raw = "SELECT payload #>> '{properties,amount}' FROM raw.hubspot_deals"
        assert house.value(f"{raw} WHERE source_id = %s", deal) == amount

    write(house, "deals", deals[0], amount="1000.5")
    house.sync("deals")

    assert row(house, "leads", deals[0])["value"] == Decimal("1000.50")
    assert warnings(house, deals[0]) == []


def test_trap_27_every_form_of_an_instant_is_the_same_instant(house: House) -> None:
    deals = ids(house, "deals", len(INSTANTS))
    for deal, sent in zip(deals, INSTANTS, strict=True):
        write(house, "deals", deal, closedate=sent)

    house.sync("deals")

    for deal, sent in zip(deals, INSTANTS, strict=True):
        assert row(house, "leads", deal)["expected_close_at"] == INSTANTS[sent], sent
        assert warnings(house, deal) == []


def test_trap_27_two_forms_of_one_instant_are_no_change(house: House) -> None:
    [deal] = ids(house, "deals", 1)
    write(house, "deals", deal, closedate="1773059400000")
    house.sync("deals")
    hashed = row(house, "leads", deal)["expected_close_at"]

    write(house, "deals", deal, closedate="2026-03-09T12:30:00.000Z")
    house.sync("deals")

    assert row(house, "leads", deal)["expected_close_at"] == hashed == NOON


@pytest.mark.parametrize(
    ("sent", "held", "problems"),
    [
        ("true", True, []),
        ("FALSE", False, []),
        (True, True, []),
        ("", None, []),
        ("yes", None, [("invalid_boolean", "is_archived")]),
    ],
)
def test_booleans(
    house: House, sent: Any, held: bool | None, problems: list[tuple[str, str]]
) -> None:
    flag = FieldMap("is_archived", (("properties", "homeowner"),))
    contacts = house.source.entities["contacts"]
    entity = replace(contacts, into="users", fields=(flag,))
    source = replace(house.source, entities={"contacts": entity})
    [contact] = ids(house, "contacts", 1)
    write(house, "contacts", contact, homeowner=sent)

    House(house.conninfo, house.sandbox, source).sync("contacts")

    assert row(house, "users", contact)["is_archived"] is held
    assert warnings(house, contact) == problems


def test_trap_28_several_choices_stay_one_text_with_semicolons(house: House) -> None:
    interest = FieldMap("lead_source", (("properties", "project_interest"),))
    contacts = house.source.entities["contacts"]
    entity = replace(contacts, fields=(*contacts.fields, interest))
    source = replace(house.source, entities={"contacts": entity})
    [contact] = ids(house, "contacts", 1)
    write(house, "contacts", contact, project_interest="roofing;windows;two; words")

    House(house.conninfo, house.sandbox, source).sync("contacts")

    assert (
        row(house, "contacts", contact)["lead_source"] == "roofing;windows;two; words"
    )
    split = "SELECT string_to_array(lead_source, ';') FROM warehouse.contacts"
    assert house.value(f"{split} WHERE source_id = %s", contact) == [
        *("roofing", "windows", "two", " words")
    ]


def test_trap_28_a_deal_without_a_pipeline_names_no_stage(house: House) -> None:
    with_both, with_one = ids(house, "deals", 2)
    write(house, "deals", with_both, pipeline=" renovation ", dealstage="closedwon")
    write(house, "deals", with_one, pipeline="", dealstage="closedwon")

    house.sync("deals")

    held = [row(house, "leads", each) for each in (with_both, with_one)]
    named = [each["stage_source_id"] for each in held]
    assert named == ["renovation:closedwon", None]
    assert [each["status"] for each in held] == ["closedwon"] * 2


def test_trap_28_an_amount_has_its_currency_and_what_it_is_at_home(
    house: House, sandbox: SandboxServer
) -> None:
    [deal] = ids(house, "deals", 1)
    amounts = {"amount": "1000", "hs_amount_in_home_currency": "730.004"}
    write(house, "deals", deal, deal_currency_code="CAD", **amounts)

    house.sync("deals")

    lead = row(house, "leads", deal)
    assert (lead["value"], lead["currency"]) == (Decimal(1000), "CAD")
    assert lead["home_value"] == Decimal(730)
