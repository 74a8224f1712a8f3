"""One delivery, however made, stops no other, and takes little room."""

import json
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event
from test_erasure import MARK, erasing, places_of

from crm_warehouse.clients import webhook_events
from crm_warehouse.engine import inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

IDS = "SELECT source_id FROM warehouse.contacts ORDER BY 1"
DELIVERIES = (
    "SELECT id, state, error_message FROM staging.webhook_deliveries ORDER BY 1"
)
STATES = "SELECT state, count(*) FROM staging.webhook_deliveries GROUP BY 1 ORDER BY 1"
EVENTS = "SELECT count(*), count(payload) FROM staging.webhook_events"
#: The database refuses to store events about contact 3.
REFUSE = """
CREATE FUNCTION staging.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused: {mark}' USING ERRCODE = '{code}';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON staging.webhook_events
FOR EACH ROW WHEN (NEW.object_id = '3') EXECUTE FUNCTION staging.refuse()
"""
Merge = Callable[[], SyncResult]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return replace(load_source(default_directory() / "hubspot.yaml"), quotas=())


@pytest.fixture
def merge(warehouse: str, hubspot: Source) -> Merge:
    people = {str(n): contact(n, f"Ann{n}") for n in range(1, 6)}
    crm = ScriptedCrm({"contacts": people})
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def merging(size: int) -> dict[str, object]:
    """A merge event about so many records, with a value."""
    merged = [1_000_000_000 + n for n in range(size - 1)]
    told = {"primaryObjectId": 1, "mergedObjectIds": merged, "propertyValue": MARK}
    return {**event(None, "contact.merge"), **told}


def test_of_an_event_about_many_records_the_values_are_kept_once(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, merging(600))
    deliver(conn, event(2, number=2))

    merge()

    assert rows(conn, STATES) == [("exploded", 2)]
    assert rows(conn, IDS) == [("1",), ("2",)]
    assert rows(conn, EVENTS) == [(601, 2)]


def test_they_are_found_when_one_of_these_records_is_erased(
    conn: Connection, merge: Merge, hubspot: Source
) -> None:
    deliver(conn, merging(600))
    merge()
    assert places_of(conn, MARK) == {
        "staging.webhook_events.payload",
        "staging.webhook_deliveries.body",
    }

    erasing(conn, hubspot, "1000000300")

    assert places_of(conn, MARK) == set()


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 100 + b"1]",
        b"[" + b"{}," * 100 + b"{}]",
        b"[" + b"1," * 100 + b"x]",
        json.dumps(merging(101)).encode(),
    ],
    ids=["numbers", "objects", "no JSON", "one merge"],
)
def test_a_delivery_of_too_many_events_is_set_aside(
    conn: Connection, merge: Merge, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(webhook_events, "MOST_EVENTS", 100)
    bad = deliver(conn, body=body)
    good = deliver(conn, event(2, number=2))

    merge()

    assert rows(conn, DELIVERIES) == [
        (bad, "failed", "the delivery holds more than 100 events"),
        (good, "exploded", None),
    ]
    assert rows(conn, IDS) == [("2",)]


@pytest.mark.parametrize("code", ["22003", "23514", "54000"])
def test_what_the_database_refuses_stops_nothing_and_is_read_again(
    conn: Connection, merge: Merge, code: str
) -> None:
    conn.execute(REFUSE.format(code=code, mark=MARK).encode())
    numbers = [deliver(conn, event(n, number=n)) for n in range(1, 6)]

    merge()

    assert rows(conn, IDS) == [("1",), ("2",), ("4",), ("5",)]
    assert rows(conn, STATES) == [("exploded", 4), ("failed", 1)]
    [(_, _, message)] = [x for x in rows(conn, DELIVERIES) if x[0] == numbers[2]]
    # So maintenance lets the next releases try (retry_deliveries.sql).
    assert message.startswith("cannot be read: ")
    assert MARK not in message


def test_what_only_the_moment_is_to_blame_for_fails_no_delivery(
    conn: Connection, merge: Merge
) -> None:
    conn.execute(REFUSE.format(code="40001", mark="").encode())
    deliver(conn, event(2, number=2), event(3, number=3))

    with pytest.raises(psycopg.errors.SerializationFailure):
        merge()

    assert rows(conn, STATES) == [("pending", 1)]


def test_tiny_events_are_written_a_part_at_a_time(
    conn: Connection, hubspot: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_ENOUGH_EVENTS", 10)
    monkeypatch.setattr(inbox, "_STATEMENT", 4)
    for first in range(0, 35, 5):
        deliver(conn, *(event(n, number=n) for n in range(first, first + 5)))

    inbox.explode_deliveries(conn, WebhookRequest(hubspot, "hubspot"))

    parts = "SELECT count(*) FROM staging.webhook_deliveries GROUP BY xmin::text"
    assert sorted(rows(conn, parts)) == [(1,), (2,), (2,), (2,)]
    assert rows(conn, EVENTS) == [(35, 35)]
