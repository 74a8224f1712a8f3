"""Case 18: one event of a batch of a hundred is poison.

It is set aside with its reason and can be replayed; the other 99 are merged.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine.inbox_care import Care, replay
from crm_warehouse.engine.inbox_choice import Choice
from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.house import House, Open
from tests.proof.hubspot_sender import deliver
from tests.proof.receiver_process import HUBSPOT, Receiver, started

OURS = {"portal_id": str(PORTAL_ID), "app_id": str(APP_ID)}
KIND = '"subscriptionType": "contact.propertyChange", "occurredAt": 1770000000000'
DEEP = "[" * 5_000 + "]" * 5_000
NO_ID, NO_TYPE = ("failed", "names no usable id"), ("failed", "has no type")
UNREADABLE = ("failed", "is nested too deeply, or no JSON")
NOT_OURS = ("ignored", "an event of this kind changes no record that is loaded")
MERGED = ("merged", None)
#: What stands in the batch instead of an event -> what becomes of it.
POISON: dict[str, tuple[str | bytes, tuple[str, str | None]]] = {
    "a NUL in its id": (rf'{{{KIND}, "objectId": "7\u0000"}}', NO_ID),
    "a lone surrogate in its id": (rf'{{{KIND}, "objectId": "\ud83d"}}', NO_ID),
    "1e400 as its id": (f'{{{KIND}, "objectId": 1e400}}', NO_ID),
    "NaN as its id": (f'{{{KIND}, "objectId": NaN}}', NO_ID),
    "an object as its id": (f'{{{KIND}, "objectId": {{"id": [7]}}}}', NO_ID),
    "a list as its type": ('{"subscriptionType": ["contact.creation"]}', NO_TYPE),
    "a page as its type": (f'{{"subscriptionType": "{"x" * 90_000}"}}', NO_TYPE),
    "an unknown object": ('{"subscriptionType": "yacht.creation"}', NOT_OURS),
    "no object": ("7", ("failed", "is not an object")),
    "a value 5,000 levels deep": (
        f'{{{KIND}, "objectId": 7, "x": {DEEP}}}',
        UNREADABLE,
    ),
    "5,000 levels and nothing else": (DEEP, UNREADABLE),
    "no JSON": ('{"objectId":}', UNREADABLE),
    # Values are evidence only: the record is read again whatever they are.
    "a NUL in a value": (rf'{{{KIND}, "objectId": "%s", "x": "\u0000"}}', MERGED),
    "a surrogate, NaN, 1e400": (
        rf'{{{KIND}, "objectId": "%s", "x": ["\ud83d", NaN, 1e400]}}',
        MERGED,
    ),
    "a value 500 levels deep": (
        f'{{{KIND}, "objectId": "%s", "x": {"[" * 500 + "]" * 500}}}',
        MERGED,
    ),
    "bytes that are no UTF-8": (
        f'{{{KIND}, "objectId": "%s", "x": "\xe9"}}'.encode("latin-1"),
        MERGED,
    ),
}


@pytest.fixture
def receiver(warehouse: str, tmp_path: Path) -> Iterator[Receiver]:
    with started(warehouse, HUBSPOT, tmp_path / "receiver.log") as receiver:
        yield receiver


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


def good(contact_id: str, number: int) -> dict[str, Any]:
    return {
        "eventId": number,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": 1_770_000_000_000,
        "subscriptionType": "contact.creation",
        "objectId": int(contact_id),
    }


def test_the_other_ninety_nine_are_merged(house: House, receiver: Receiver) -> None:
    """A batch for each kind of poison, which stands in its middle."""
    ids = [each["source_id"] for each in house.sandbox.truth("contacts")]
    for number, (poison, _) in enumerate(POISON.values()):
        events = [
            json.dumps(good(ids[n % len(ids)], number * 100 + n)).encode()
            for n in range(99)
        ]
        raw = poison if isinstance(poison, bytes) else poison.encode()
        events.insert(50, raw.replace(b"%s", ids[number].encode()))
        answer = deliver(receiver.port, b"[" + b", ".join(events) + b"]")
        assert answer.status == 200

    result = house.merge_webhooks(**OURS)

    assert result.status == "success"
    found = house.rows(
        "SELECT position, state, reason FROM staging.webhook_events"
        " WHERE position = 50 ORDER BY delivery_id"
    )
    told = [(each["state"], each["reason"]) for each in found]
    assert dict(zip(POISON, told, strict=True)) == {
        name: fate for name, (_, fate) in POISON.items()
    }
    others = "SELECT count(*) FROM staging.webhook_events WHERE position <> 50"
    assert house.value(f"{others} AND state = 'merged'") == 99 * len(POISON)
    assert house.value(others) == 99 * len(POISON)
    assert house.value("SELECT count(*) FROM warehouse.contacts") == 99


def test_poison_is_replayed_once_its_reason_is_gone(
    house: House, receiver: Receiver
) -> None:
    ids = [each["source_id"] for each in house.sandbox.truth("contacts")]
    events = [good(each, n) for n, each in enumerate(ids[:100])]
    assert len(events) == 100
    events[50]["portalId"] = 666
    assert deliver(receiver.port, json.dumps(events).encode()).status == 200
    count = "SELECT count(*) FROM staging.webhook_events WHERE state = '{}'"
    contacts = "SELECT count(*) FROM warehouse.contacts"
    merged_with = {**OURS, "portal_id": None}

    for accounts, merged in ((OURS, 99), (OURS, 99), (merged_with, 100)):
        with psycopg.connect(house.conninfo, autocommit=True) as conn:
            choice = Choice("events", {"state": "failed"})
            replay(conn, Care(choice, "ada", write=True))
        house.merge_webhooks(**accounts)
        assert house.value(count.format("merged")) == merged
        assert house.value(count.format("failed")) == 100 - merged
        assert house.value(contacts) == merged


def test_a_body_that_is_no_batch_stops_no_other(
    house: House, receiver: Receiver
) -> None:
    bodies = [
        b"7",
        b'"text"',
        b"null",
        b"{",
        b"[1",
        b"<a/>",
        b"\xff\xfe",
        DEEP[1:].encode(),
    ]
    ids = [each["source_id"] for each in house.sandbox.truth("contacts")]
    for number, body in enumerate([*bodies, json.dumps(good(ids[0], 1)).encode()]):
        assert deliver(receiver.port, body).status == 200, number

    assert house.merge_webhooks(**OURS).records_created == 1
    failed = house.rows(
        "SELECT error_message FROM staging.webhook_deliveries"
        " WHERE state = 'failed' ORDER BY id"
    )
    assert len(failed) == len(bodies)
    assert all(each["error_message"].startswith("the delivery") for each in failed)
