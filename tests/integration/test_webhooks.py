"""Webhooks from the sending HubSpot through the receiver into the warehouse."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.house import House, Open
from tests.proof.hubspot_sender import PATH, PUBLIC_URL, SECRET, signed
from tests.proof.oracle import compare_all
from tests.proof.receiver_process import HUBSPOT, Receiver, started

_PATIENCE_SECONDS = 60.0
OURS = {"portal_id": str(PORTAL_ID), "app_id": str(APP_ID)}


@pytest.fixture
def receiver(warehouse: str, tmp_path: Path) -> Iterator[Receiver]:
    with started(warehouse, HUBSPOT, tmp_path / "receiver.log") as receiver:
        yield receiver


@pytest.fixture
def house(open_house: Open, receiver: Receiver) -> House:
    """HubSpot, loaded, and posting its changes to the receiver."""
    house = open_house("hubspot")
    for entity in house.source.entities:
        house.sync(entity, "full")
    house.sandbox.admin(
        "POST",
        "/webhooks",
        {
            "target": f"http://127.0.0.1:{receiver.port}{PATH}",
            "secret": SECRET,
            "public_url": f"{PUBLIC_URL}{PATH}",
        },
    )
    return house


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def delivered(house: House) -> None:
    """Until everything that was sent has been taken."""
    until(lambda: house.sandbox.admin("GET", "/webhooks")["queued"] == 0)


def post(receiver: Receiver, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    try:
        connection.request("POST", PATH, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def everything(house: House) -> list[dict[str, Any]]:
    """All rows with their places, and what raw holds, but when it was last seen so."""
    return house.rows(
        "SELECT 'row' AS t, ctid::text AS a, xmin::text AS b FROM warehouse.contacts"
        " UNION ALL SELECT 'raw', source_id, payload_hash || source_updated_at"
        " FROM raw.hubspot_contacts"
        " ORDER BY 1, 2"
    )


def event(contact_id: int, **more: Any) -> dict[str, Any]:
    return {
        "eventId": 7_000_000 + contact_id,
        "subscriptionId": 1,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": int(time.time() * 1000),
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": 0,
        "objectId": contact_id,
        "propertyName": "firstname",
        "propertyValue": "Mallory",
        **more,
    }


def test_changes_creations_and_deletions_arrive(house: House) -> None:
    for entity in ("contacts", "deals", "companies"):
        house.sandbox.move(entity, "change", 20)
        house.sandbox.move(entity, "create", 5)
        house.sandbox.move(entity, "delete", 4)
    delivered(house)

    result = house.merge_webhooks(**OURS)

    assert (result.records_created, result.records_deleted) == (15, 12)
    assert (result.status, result.records_failed) == ("success", 0)
    for entity in house.source.entities:
        assert compare_all(house.conninfo, house.sandbox, entity) == {}


def test_forged_stale_and_replayed_webhooks_change_nothing(
    house: House, receiver: Receiver
) -> None:
    before = everything(house)
    first = int(house.sandbox.truth("contacts")[0]["source_id"])
    body = json.dumps([event(first)]).encode()
    good = signed(body)

    forged = {
        **good,
        "X-HubSpot-Signature-v3": signed(body, secret="other")[
            "X-HubSpot-Signature-v3"
        ],
    }
    stale = signed(body, timestamp=int(time.time() * 1000) - 301_000)
    assert post(receiver, body, forged) == 401
    assert post(receiver, body.replace(b"Mallory", b"Trudy"), good) == 401
    assert post(receiver, body, stale) == 503
    assert house.value("SELECT count(*) FROM staging.webhook_deliveries") == 0

    assert post(receiver, body, good) == 200
    assert house.merge_webhooks(**OURS).records_unchanged == 1
    assert post(receiver, body, good) == 200  # replayed
    again = house.merge_webhooks(**OURS)

    assert (again.records_received, again.requests) == (0, 0)
    assert house.value("SELECT count(*) FROM staging.webhook_deliveries") == 1
    assert everything(house) == before


def test_events_of_another_portal_are_never_applied(
    house: House, receiver: Receiver
) -> None:
    body = json.dumps([event(1, portalId=666)]).encode()
    assert post(receiver, body, signed(body)) == 200

    assert house.merge_webhooks(**OURS).records_received == 0
    assert house.rows("SELECT state FROM staging.webhook_events") == [
        {"state": "failed"}
    ]


def test_a_thousand_webhooks_arrive_while_polls_run(house: House) -> None:
    """Polls and merges of the same contacts at once; in the end rows equal truth."""
    stop, faults = threading.Event(), []

    def poll() -> None:
        modes = 0
        while not stop.is_set():
            try:
                house.sync("contacts", "full" if modes % 2 else "incremental")
            except Exception as error:  # noqa: BLE001  told to the test below
                faults.append(error)
                return
            modes += 1

    poller = threading.Thread(target=poll)
    poller.start()
    merged = 0
    try:
        for _ in range(10):
            house.sandbox.move("contacts", "change", 80)
            house.sandbox.move("contacts", "create", 12)
            house.sandbox.move("contacts", "delete", 8)
            merged += house.merge_webhooks(**OURS).records_received
        delivered(house)
    finally:
        stop.set()
        poller.join()
    merged += house.merge_webhooks(**OURS).records_received

    assert faults == []
    assert merged > 500  # many contacts changed more than once between two merges
    counted = "SELECT count(*) FROM staging.webhook_events WHERE state = '{}'"
    assert house.value(counted.format("merged")) >= 1000
    assert house.value(counted.format("pending")) == 0
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
