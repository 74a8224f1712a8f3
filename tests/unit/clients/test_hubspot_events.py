"""HubSpot's webhook events: which records they make dirty."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_warehouse.clients.hubspot_events import parse_events
from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import MalformedDeliveryError, WebhookEvent

REAL: dict[str, Any] = {
    "eventId": 3816279340,
    "subscriptionId": 25,
    "portalId": 33,
    "appId": 1160452,
    "occurredAt": 1462216307945,
    "subscriptionType": "contact.propertyChange",
    "attemptNumber": 0,
    "objectId": 1246965,
    "propertyName": "lifecyclestage",
    "propertyValue": "subscriber",
    "changeSource": "ACADEMY",
}
SPECIFIED: dict[str, Any] = {
    "eventId": "100",
    "subscriptionId": "200",
    "portalId": "300",
    "occurredAt": "2023-01-01T00:00:00Z",
    "subscriptionType": "contact.propertyChange",
    "objectId": "12345",
    "propertyName": "email",
    "propertyValue": "ada.new@example.com",
}


def parse(value: Any, **accounts: str | None) -> list[WebhookEvent]:
    accounts = {"portal_id": None, "app_id": None, **accounts}
    return parse_events(json.dumps(value).encode(), **accounts)


def dirty(value: Any) -> list[tuple[str | None, str | None, str | None]]:
    events = parse(value, portal_id="33")
    return [(e.entity_type, e.object_id, e.problem) for e in events]


def test_an_array_as_it_really_comes() -> None:
    (event,) = parse([REAL])

    assert event == WebhookEvent(
        event_type="contact.propertyChange",
        entity_type="contacts",
        object_id="1246965",
        event_id="3816279340",
        occurred_at=datetime(2016, 5, 2, 19, 11, 47, 945000, UTC),
        payload=REAL,
        dedupe_key=event.dedupe_key,
        problem=None,
    )
    assert len(event.dedupe_key) == 64


def test_a_single_object_as_specified() -> None:
    (event,) = parse(SPECIFIED)

    assert (event.entity_type, event.object_id) == ("contacts", "12345")
    assert event.event_id == "100"
    assert event.occurred_at == datetime(2023, 1, 1, tzinfo=UTC)
    assert event.problem is None


def test_an_empty_delivery_has_no_events() -> None:
    assert parse([]) == []


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"3", b'"text"', b"null"])
def test_what_is_no_delivery_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedDeliveryError):
        parse_events(body, portal_id=None, app_id=None)


@pytest.mark.parametrize(
    ("event_type", "entity"),
    [
        ("contact.creation", "contacts"),
        ("contact.deletion", "contacts"),
        ("contact.restore", "contacts"),
        ("contact.privacyDeletion", "contacts"),
        ("deal.creation", "deals"),
        ("company.propertyChange", "companies"),
    ],
)
def test_types_of_ours(event_type: str, entity: str) -> None:
    assert dirty({"subscriptionType": event_type, "objectId": 7}) == [
        (entity, "7", None)
    ]


@pytest.mark.parametrize(
    ("number", "entity"), [("0-1", "contacts"), ("0-2", "companies"), ("0-3", "deals")]
)
def test_generic_types(number: str, entity: str) -> None:
    event = {"eventType": "object.creation", "objectTypeId": number, "objectId": 7}

    assert dirty(event) == [(entity, "7", None)]


@pytest.mark.parametrize(
    "event",
    [
        {"subscriptionType": "ticket.creation", "objectId": 7},
        {"subscriptionType": "contact.newThing", "objectId": 7},
        {"subscriptionType": "conversation.newMessage", "objectId": 7},
        {"subscriptionType": "object.creation", "objectTypeId": "2-77", "objectId": 7},
        {"subscriptionType": "object.creation", "objectId": 7},
    ],
    ids=str,
)
def test_what_is_not_ours_is_no_problem(event: dict[str, Any]) -> None:
    assert dirty(event) == [(None, "7", None)]


def test_a_merge_makes_every_record_dirty() -> None:
    event = {
        "subscriptionType": "contact.merge",
        "eventId": 1,
        "objectId": 30,
        "primaryObjectId": 10,
        "mergedObjectIds": [20, 21],
        "newObjectId": 30,
    }

    parsed = parse(event)

    assert [e.object_id for e in parsed] == ["10", "30", "20", "21"]
    assert {e.entity_type for e in parsed} == {"contacts"}
    assert len({e.dedupe_key for e in parsed}) == 4


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {
                "subscriptionType": "deal.associationChange",
                "associationType": "DEAL_TO_CONTACT",
                "fromObjectId": 5,
                "toObjectId": 6,
            },
            [("deals", "5", None), ("contacts", "6", None)],
        ),
        (
            {
                "subscriptionType": "contact.associationChange",
                "associationType": "CONTACT_TO_TICKET",
                "fromObjectId": 5,
                "toObjectId": 6,
            },
            [("contacts", "5", None)],
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "fromObjectTypeId": "0-2",
                "toObjectTypeId": "0-1",
                "fromObjectId": 5,
                "toObjectId": 6,
            },
            [("companies", "5", None), ("contacts", "6", None)],
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "fromObjectTypeId": "2-1",
                "toObjectTypeId": "2-2",
                "fromObjectId": 5,
                "toObjectId": 6,
            },
            [(None, None, None)],
        ),
    ],
)
def test_an_association_makes_both_ends_dirty(
    event: dict[str, Any], expected: list[Any]
) -> None:
    assert dirty(event) == expected


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (3, "is not an object"),
        ([], "is not an object"),
        ({"objectId": 3}, "has no type"),
        ({"subscriptionType": 3, "objectId": 3}, "has no type"),
        ({"subscriptionType": "contact.creation"}, "names no usable id"),
        ({"subscriptionType": "deal.creation", "objectId": "x"}, "names no usable id"),
        ({"subscriptionType": "deal.creation", "objectId": 1.5}, "names no usable id"),
        ({"subscriptionType": "deal.creation", "objectId": True}, "names no usable id"),
        ({"subscriptionType": "deal.creation", "objectId": {}}, "names no usable id"),
        ({"subscriptionType": "contact.merge"}, "names no usable id"),
    ],
    ids=str,
)
def test_what_can_never_be_applied(event: Any, problem: str) -> None:
    assert [(e.object_id, e.problem) for e in parse([event])] in (
        [(None, problem)],
        [("3", problem)],
    )


def test_only_events_of_our_account_and_app() -> None:
    ours = {"portal_id": "33", "app_id": "1160452"}

    assert [e.problem for e in parse([REAL], **ours)] == [None]
    (foreign,) = parse([REAL], portal_id="34", app_id="1160452")
    assert foreign.problem == "is of another portalId than the connection's"
    (foreign,) = parse([REAL], portal_id="33", app_id="2")
    assert foreign.problem == "is of another appId than the connection's"
    # The receiver's sample has no app.
    assert [e.problem for e in parse(SPECIFIED, portal_id="300", app_id="2")] == [None]


def test_a_repeated_delivery_has_the_same_key() -> None:
    first, again = parse([REAL, {**REAL, "attemptNumber": 3}])

    assert first.dedupe_key == again.dedupe_key


@pytest.mark.parametrize(
    "change",
    [
        {"appId": 2},
        {"portalId": 2},
        {"subscriptionId": 2},
        {"subscriptionType": "contact.creation"},
        {"objectId": 2},
        {"eventId": 2},
        {"occurredAt": 2},
        {"propertyName": "email"},
        {"propertyValue": "lead"},
    ],
    ids=str,
)
def test_events_of_one_id_are_told_apart(change: dict[str, Any]) -> None:
    first, other = parse([REAL, {**REAL, **change}])

    assert first.dedupe_key != other.dedupe_key


def test_adding_and_removing_an_association_are_two_events() -> None:
    event = {
        "subscriptionType": "deal.associationChange",
        "associationType": "DEAL_TO_CONTACT",
        "fromObjectId": 5,
        "toObjectId": 6,
        "associationRemoved": False,
    }

    keys = [e.dedupe_key for e in parse([event, {**event, "associationRemoved": True}])]

    assert len(set(keys)) == 4


def test_nameless_things_are_told_apart_by_what_they_are() -> None:
    first, other, again = parse([1, 2, 1])

    assert first.dedupe_key == again.dedupe_key != other.dedupe_key


@pytest.mark.parametrize("when", [None, "yesterday", True, 10**30, "", [], -5])
def test_an_unusable_time_is_none(when: Any) -> None:
    assert parse({**REAL, "occurredAt": when})[0].occurred_at is None


@pytest.mark.parametrize(
    "when", [1462216307945, "1462216307945", "2016-05-02T21:11:47.945+02:00"]
)
def test_times_of_every_form(when: Any) -> None:
    (event,) = parse({**REAL, "occurredAt": when})

    assert event.occurred_at == datetime(2016, 5, 2, 19, 11, 47, 945000, UTC)


def test_a_value_that_no_text_can_hold_is_kept() -> None:
    body = b'{"subscriptionType": "contact.creation", "objectId": 1, "x": "\\ud83d"}'

    (event,) = parse_events(body, portal_id=None, app_id=None)

    assert event.payload["x"] == "\ud83d"


def test_the_registry_knows_the_parser() -> None:
    assert WEBHOOK_PARSERS["hubspot"].read is parse_events


@pytest.mark.parametrize("client", ["hubspot", "activeprospect"])
def test_a_delivery_holds_ten_thousand_events_at_most(client: str) -> None:
    parse = WEBHOOK_PARSERS[client]

    assert len(parse(b"[" + b"1," * 9_999 + b"1]")) == 10_000
    with pytest.raises(MalformedDeliveryError, match="more than 10000 events"):
        parse(b"[" + b"1," * 10_000 + b"1]")


def test_a_long_id_of_an_event_does_not_stand_with_each_of_its_records() -> None:
    told = {"primaryObjectId": 1, "mergedObjectIds": [2, 3], "eventId": "9" * 201}
    events = parse({"subscriptionType": "contact.merge", **told})

    assert [e.event_id for e in events] == [None] * 3
    assert len({e.dedupe_key for e in events}) == 3
    assert {id(e.payload) for e in events} == {id(events[0].payload)}
