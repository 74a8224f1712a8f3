"""Case 20: a delivery that was inserted before and committed after others is merged."""

import json
import zlib
from typing import Any

import psycopg
import pytest

from tests.proof.house import House, Open

STORE = (
    "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
    " content_type, headers, url, body, body_bytes) VALUES ('hubspot', 'req',"
    " gen_random_uuid()::text, 'application/json', '{}', 'https://x.example/', %s, %s)"
)
WAITING = "SELECT count(*) FROM staging.webhook_deliveries WHERE state = 'pending'"
IDS = "SELECT source_id FROM warehouse.contacts ORDER BY length(source_id), source_id"


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


def insert(conn: psycopg.Connection[Any], contact: str) -> None:
    event = {
        "eventId": int(contact),
        "subscriptionType": "contact.creation",
        "objectId": int(contact),
        "occurredAt": 1_770_000_000_000,
    }
    body = json.dumps([event]).encode()
    conn.execute(STORE, [zlib.compress(body), len(body)])


@pytest.mark.parametrize("moment", ["between two merges", "while one runs"])
def test_nothing_is_skipped(house: House, moment: str) -> None:
    slow_one, fast_one = house.sandbox.move("contacts", "create", 2)
    with psycopg.connect(house.conninfo) as slow:
        insert(slow, slow_one)
        with psycopg.connect(house.conninfo) as fast:
            insert(fast, fast_one)
        open_client = house.open_client

        def commit_then_open(gate: Any) -> Any:
            """The merge has taken its deliveries apart when it wants its client."""
            house.open_client = open_client  # type: ignore[method-assign]
            if moment == "while one runs":
                slow.commit()
            return open_client(gate)

        house.open_client = commit_then_open  # type: ignore[method-assign]
        house.merge_webhooks()
        assert [row["source_id"] for row in house.rows(IDS)] == [fast_one]
        slow.commit()
    assert house.value(WAITING) == 1

    assert house.merge_webhooks().records_created == 1
    assert [row["source_id"] for row in house.rows(IDS)] == [slow_one, fast_one]
    assert house.value(WAITING) == 0
