"""Case 17: what HubSpot, or whoever recorded it, sends again has one effect."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.house import House, Open
from tests.proof.hubspot_sender import PATH, signed
from tests.proof.receiver_process import HUBSPOT, Receiver, started

_TIMES, _SENDERS = 1_000, 8
COUNTS = (
    "SELECT (SELECT count(*) FROM staging.webhook_deliveries) AS deliveries,"
    " (SELECT count(*) FROM staging.webhook_events) AS events,"
    " (SELECT count(*) FROM staging.webhook_events WHERE state = 'merged') AS merged"
)
ROWS = (
    "SELECT ctid::text, xmin::text FROM warehouse.contacts UNION ALL"
    " SELECT ctid::text, xmin::text FROM raw.hubspot_contacts ORDER BY 1, 2"
)


@pytest.fixture
def receiver(warehouse: str, tmp_path: Path) -> Iterator[Receiver]:
    with started(warehouse, HUBSPOT, tmp_path / "receiver.log") as receiver:
        yield receiver


def send(
    receiver: Receiver, body: bytes, headers: dict[str, str], times: int
) -> set[int]:
    """Post the same bytes so often over one connection; the statuses."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
    statuses = set()
    for _ in range(times):
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    return statuses


def body_of(contact: str, attempt: int) -> bytes:
    event: dict[str, Any] = {
        "eventId": 7,
        "subscriptionId": 1,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": int(time.time()) * 1_000,
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": attempt,
        "objectId": int(contact),
        "propertyName": "firstname",
        "propertyValue": "Mallory",
    }
    return json.dumps([event]).encode()


def test_a_thousand_replays_and_every_attempt_have_one_effect(
    open_house: Open, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    house: House = open_house("hubspot")
    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)  # one event has one time
    [contact] = house.sandbox.move("contacts", "create", 1)
    body = body_of(contact, 0)
    headers = signed(body)

    with ThreadPoolExecutor(_SENDERS) as senders:
        sent = [
            senders.submit(send, receiver, body, headers, _TIMES // _SENDERS)
            for _ in range(_SENDERS)
        ]
        assert [each.result() for each in sent] == [{200}] * _SENDERS
    assert house.merge_webhooks().records_created == 1
    before = house.rows(ROWS)
    assert house.rows(COUNTS) == [{"deliveries": 1, "events": 1, "merged": 1}]

    for attempt in range(1, 11):  # HubSpot's own retries: other bytes, signed anew
        again = body_of(contact, attempt)
        assert send(receiver, again, signed(again), 1) == {200}
    result = house.merge_webhooks()

    assert (result.records_received, result.requests) == (0, 0)
    assert house.rows(COUNTS) == [{"deliveries": 11, "events": 1, "merged": 1}]
    assert house.rows(ROWS) == before
