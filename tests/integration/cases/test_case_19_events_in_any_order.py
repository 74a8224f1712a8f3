"""Case 19: the events of one record in every order end in the same row."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.house import House, Open
from tests.proof.inbox_door import InboxDoor
from tests.proof.oracle import compare_all

KINDS = ("creation", "propertyChange", "propertyChange", "deletion")
ORDERS = list(itertools.permutations(range(len(KINDS))))
MOMENT = 1_770_000_000_000
LIVING = "SELECT count(*) FROM warehouse.contacts WHERE NOT is_deleted"


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


@pytest.fixture
def door(warehouse: str) -> Iterator[InboxDoor]:
    with InboxDoor(warehouse, "hubspot") as door:
        yield door


def told(contact: str, step: int, *, at_once: bool) -> dict[str, Any]:
    """The event of one of the steps, which happened in order, or all at once."""
    return {
        "eventId": int(contact) * 10 + step,
        "subscriptionId": 1,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": MOMENT if at_once else MOMENT + step,
        "subscriptionType": f"contact.{KINDS[step]}",
        "attemptNumber": 0,
        "objectId": int(contact),
        "propertyName": "firstname",
        "propertyValue": f"Event {step}",
    }


def write(house: House, contact: str, name: str) -> None:
    call = {"id": contact, "properties": {"firstname": name}}
    house.sandbox.admin("POST", "/contacts/write", call)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("last", ["archive", "restore"])
def test_every_order_of_create_change_change_delete(
    house: House, door: InboxDoor, last: str, at_once: bool
) -> None:
    """One contact for each order; a merge after each step, and one event each."""
    act = house.sandbox.admin
    house.sync("contacts", "full")
    others = house.value(LIVING)
    contacts = house.sandbox.move("contacts", "create", len(ORDERS))
    steps: list[Callable[[], Any]] = [
        lambda: None,  # created
        lambda: [write(house, each, "A") for each in contacts],
        lambda: [write(house, each, "B") for each in contacts],
        lambda: act("POST", "/contacts/archive", {"ids": contacts}),
    ]

    for round_, step in enumerate(steps):
        step()
        door.store_json(
            [
                told(contact, order[round_], at_once=at_once)
                for contact, order in zip(contacts, ORDERS, strict=True)
            ]
        )
        house.merge_webhooks()
    if last == "restore":
        act("POST", "/contacts/restore", {"ids": contacts})
        late = [told(each, 3, at_once=True) | {"eventId": 1} for each in contacts]
        door.store_json(late)
        house.merge_webhooks()

    alive = len(ORDERS) if last == "restore" else 0
    assert house.value(LIVING) == others + alive
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
