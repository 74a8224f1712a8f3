"""Replay and discard: what comes back, what does not, and that nothing old wins."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from engine_load import Connection, connect, rows
from scripted_crm import ScriptedCrm, contact, deliver, event
from test_erasure import erasing
from test_webhook_merge import hubspot, poll

from crm_warehouse.engine.inbox_care import Care, discard, replay
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.spec import Entity, Source

__all__ = ["hubspot"]

OURS = "24601"
EVENTS = "SELECT object_id, state FROM staging.webhook_events ORDER BY id"
DELIVERIES = "SELECT state FROM staging.webhook_deliveries ORDER BY id"
REASONS = "SELECT reason FROM staging.webhook_events ORDER BY id"
NAMES = "SELECT source_id, first_name, is_deleted FROM warehouse.contacts ORDER BY 1"
AUDIT = (
    "SELECT actor, action, object_type, object_id, details FROM ops.audit_log"
    " WHERE action ~ '^webhooks' ORDER BY id"
)

Merge = Callable[..., SyncResult]


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm(
        {"contacts": {str(n): contact(n, f"Ann{n}") for n in range(1, 9)}}
    )


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    def merge(source: Source = hubspot, portal_id: str | None = OURS) -> SyncResult:
        return merge_webhooks(
            WebhookRequest(source, "hubspot", portal_id=portal_id),
            conninfo=warehouse,
            open_client=crm.open_client,
        )

    return merge


def again(conn: Connection, kind: Any = "events", **filters: Any) -> Counter[str]:
    return replay(conn, Care(Choice(kind, filters), "ada", write=True))


def drop(
    conn: Connection, source: Source, kind: Any = "events", **filters: Any
) -> Counter[str]:
    care = Care(Choice(kind, filters), "ada", write=True)
    return discard(conn, care, "a test", {"hubspot": source})


def states(conn: Connection) -> list[str]:
    return [state for _, state in rows(conn, EVENTS)]


def test_merged_events_are_read_again_once(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event(2, number=2), event(3, number=3))
    merge()

    assert again(conn, object_id="2") == {"replayed": 1}
    assert states(conn) == ["merged", "pending", "merged"]
    assert again(conn, object_id="2") == {"waiting_already": 1}
    assert merge().records_unchanged == 1
    assert merge().records_received == 0

    assert crm.asked == [("contacts", ["1", "2", "3"]), ("contacts", ["2"])]
    assert states(conn) == ["merged"] * 3


def test_replaying_an_older_event_does_not_overwrite_a_newer_fact(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1, propertyValue="Old"))
    merge()
    crm.records["contacts"]["1"] = contact(1, "New", minute=5)
    deliver(conn, event(1, number=2, propertyValue="New"))
    merge()
    deliver(conn, event(2, "contact.deletion", number=3))
    del crm.records["contacts"]["2"]
    merge()
    before = rows(conn, "SELECT xmin::text, * FROM warehouse.contacts ORDER BY 2")

    assert again(conn, source_system="hubspot") == {"replayed": 3}
    merge()

    assert rows(conn, NAMES) == [("1", "New", False)]
    after = rows(conn, "SELECT xmin::text, * FROM warehouse.contacts ORDER BY 2")
    assert after == before


def test_a_replayed_event_read_before_a_poll_does_not_overwrite_it(
    merge: Merge, conn: Connection, crm: ScriptedCrm, warehouse: str, hubspot: Source
) -> None:
    deliver(conn, event(1))
    merge()
    again(conn, object_id="1")
    old = crm.records["contacts"]["1"]

    def poll_meanwhile(_entity: Entity, _ids: Sequence[str]) -> None:
        crm.before_read = lambda *_: None
        newer = ScriptedCrm({"contacts": {"1": contact(1, "New", minute=5)}})
        poll(warehouse, hubspot, newer, "incremental")
        crm.records["contacts"]["1"] = old

    crm.before_read = poll_meanwhile
    merge()

    assert rows(conn, NAMES) == [("1", "New", False)]
    assert states(conn) == ["merged"]


def test_a_replay_while_its_record_is_read_disturbs_no_merge(
    merge: Merge, conn: Connection, crm: ScriptedCrm, hubspot: Source
) -> None:
    """Also of an event whose entity is not loaded any more."""
    deliver(conn, event(1), event(7, "deal.creation", number=2))
    merge()
    deliver(conn, event(1, number=3))

    def replay_meanwhile(_entity: Entity, _ids: Sequence[str]) -> None:
        crm.before_read = lambda *_: None
        again(conn, source_system="hubspot", state="merged")

    crm.before_read = replay_meanwhile
    only = replace(hubspot, entities={"contacts": hubspot.entities["contacts"]})
    assert merge(only).status == "success"
    assert states(conn) == ["merged", "pending", "merged"]

    merge(only)

    assert states(conn) == ["merged", "ignored", "merged"]


def test_an_older_page_cannot_bring_back_what_a_replayed_event_found_gone(
    merge: Merge, conn: Connection
) -> None:
    deliver(conn, event(77, "contact.deletion"))
    merge()
    gone = "SELECT is_gone, settled_at FROM staging.webhook_events"
    before = rows(conn, gone)

    again(conn, object_id="77")

    assert before[0][0]
    assert rows(conn, gone) == before


def test_events_that_failed_are_judged_anew(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    """The connection named another portal; now it is right."""
    deliver(conn, event(1), event("x y", number=2), event(3, number=3))
    merge(portal_id="666")
    assert states(conn) == ["failed"] * 3

    assert again(conn, state="failed") == {"judged_again": 3}
    # Until it is judged, nobody believes an event of another account.
    assert states(conn) == ["failed"] * 3
    merge()

    assert states(conn) == ["merged", "failed", "merged"]
    assert rows(conn, REASONS) == [(None,), ("names no usable id",), (None,)]
    assert rows(conn, DELIVERIES) == [("exploded",)]
    assert [name for name, _, _ in rows(conn, NAMES)] == ["1", "3"]


def test_a_foreign_privacy_event_that_is_discarded_or_replayed_erases_nobody(
    merge: Merge, conn: Connection, hubspot: Source
) -> None:
    deliver(conn, event(1))
    merge()
    deliver(conn, event(1, "contact.privacyDeletion", number=2, portalId=666))
    merge()

    assert drop(conn, hubspot, state="failed") == {"discarded": 1}
    merge()
    assert again(conn, state="discarded") == {"judged_again": 1}
    merge()

    assert rows(conn, NAMES) == [("1", "Ann1", False)]
    assert states(conn) == ["merged", "failed"]
    assert rows(conn, "SELECT * FROM ops.erased_records") == []


def test_a_foreign_event_that_a_later_release_reads_otherwise_erases_nobody(
    merge: Merge, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(conn, event(1))
    deliver(conn, event(1, "contact.privacyDeletion", number=2, portalId=666))
    merge()
    told = ("subscriptionType", "objectId", "eventId")
    monkeypatch.setattr("crm_warehouse.clients.hubspot_events._IDENTITY", told)

    again(conn, state="failed")
    merge()

    assert states(conn) == ["merged", "discarded", "failed"]
    assert rows(conn, NAMES) == [("1", "Ann1", False)]


def test_what_a_later_release_reads_otherwise_has_one_row_that_counts(
    merge: Merge, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(conn, event(5, "lead.creation"), event(1, number=2))
    merge()
    assert rows(conn, EVENTS) == [("5", "ignored"), ("1", "merged")]
    entities = {"lead": "contacts", "contact": "contacts"}
    monkeypatch.setattr("crm_warehouse.clients.hubspot_events._ENTITIES", entities)

    assert again(conn, state="ignored") == {"judged_again": 1}
    merge()

    assert rows(conn, EVENTS) == [("5", "ignored"), ("1", "merged"), ("5", "merged")]
    again(conn, "deliveries", state="exploded")
    merge()
    assert len(rows(conn, EVENTS)) == 3


def test_events_of_erased_records_never_come_back(
    merge: Merge, conn: Connection, hubspot: Source, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event(2, number=2), event("1 ", number=3))
    merge()
    erasing(conn, hubspot)
    before = rows(
        conn, "SELECT id, state, payload FROM staging.webhook_events ORDER BY 1"
    )
    crm.asked.clear()

    counts = again(conn, source_system="hubspot", state="merged")
    counts += again(conn, source_system="hubspot", state="failed")
    conn.execute("UPDATE staging.webhook_deliveries SET state = 'pending'")
    merge()

    assert counts == {"replayed": 1, "record_erased": 2}
    assert crm.asked == [("contacts", ["2"])]
    assert (
        rows(conn, "SELECT id, state, payload FROM staging.webhook_events ORDER BY 1")
        == before
    )


def test_failed_deliveries_are_exploded_again_without_twins(
    merge: Merge, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = deliver(conn, body=b"<html>nothing for you</html>")
    with monkeypatch.context() as broken:
        broken.setattr("crm_warehouse.engine.inbox.WEBHOOK_PARSERS", {"hubspot": None})
        deliver(conn, event(1))
        merge()
    assert rows(conn, DELIVERIES) == [("failed",), ("failed",)]

    assert again(conn, "deliveries", state="failed") == {"replayed": 2}
    merge()
    assert rows(conn, DELIVERIES) == [("failed",), ("exploded",)]
    assert again(conn, "deliveries") == {"replayed": 1, "exploded": 1}
    conn.execute("UPDATE staging.webhook_deliveries SET state = 'pending'")

    assert merge().records_received == 0
    assert rows(conn, EVENTS) == [("1", "merged")]
    assert rows(
        conn, "SELECT id FROM staging.webhook_deliveries WHERE state = 'failed'"
    ) == [(bad,)]


def test_discarded_events_are_not_merged_and_can_be_replayed(
    merge: Merge, conn: Connection, hubspot: Source, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event("x", number=2))
    deliver(conn, event(2, "contact.merge", number=3, mergedObjectIds=[3]))
    merge()
    again(conn, state="merged")

    assert drop(conn, hubspot, source_system="hubspot") == {
        "discarded": 2,
        "tells_of_merge_or_erasure": 2,
    }
    crm.asked.clear()
    merge()

    assert [ids for _, ids in crm.asked] == [["2", "3"]]
    assert states(conn) == ["discarded", "discarded", "merged", "merged"]
    assert rows(conn, REASONS)[:2] == [
        ("discarded by ada: a test",),
        ("discarded by ada: a test; was: names no usable id",),
    ]
    assert drop(conn, hubspot, state="merged") == {"settled": 2}

    assert again(conn, state="discarded") == {"judged_again": 2}
    merge()

    assert states(conn) == ["merged", "failed", "merged", "merged"]
    assert rows(conn, REASONS)[1] == ("names no usable id",)


def test_discarded_deliveries_are_not_exploded_and_can_be_replayed(
    merge: Merge, conn: Connection, hubspot: Source
) -> None:
    deliver(conn, event(1))
    told = deliver(conn, event(2, "contact.privacyDeletion", number=2))
    deliver(conn, body=b"no JSON")

    assert drop(conn, hubspot, "deliveries", source_system="hubspot") == {
        "discarded": 2,
        "tells_of_merge_or_erasure": 1,
    }
    merge()
    assert rows(conn, DELIVERIES) == [("discarded",), ("exploded",), ("discarded",)]
    assert rows(conn, "SELECT delivery_id FROM staging.webhook_events") == [(told,)]
    assert again(conn, "deliveries", state="discarded") == {"replayed": 2}
    merge()

    assert rows(conn, DELIVERIES) == [("exploded",), ("exploded",), ("failed",)]
    assert [name for name, _, _ in rows(conn, NAMES)] == ["1"]


def test_what_is_discarded_while_it_is_exploded_stays_discarded(
    merge: Merge, conn: Connection, hubspot: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_warehouse.engine import inbox

    deliver(conn, event(1))
    explode = inbox._explode

    def discard_meanwhile(*arguments: Any) -> Any:
        drop(conn, hubspot, "deliveries", state="pending")
        return explode(*arguments)

    monkeypatch.setattr(inbox, "_explode", discard_meanwhile)
    merge()

    assert rows(conn, EVENTS) == []
    assert rows(conn, DELIVERIES) == [("discarded",)]


def test_no_event_is_settled_from_two_sides_at_once(
    conn: Connection, merge: Merge, hubspot: Source, warehouse: str
) -> None:
    deliver(conn, event(1))
    merge()
    conn.execute("SET lock_timeout = '100ms'")

    for entity_type in ("contacts", "webhooks"):
        with connect(warehouse) as other, other.transaction():
            hold_rows(other, source_system="hubspot", entity_type=entity_type)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                again(conn, state="merged")
    assert states(conn) == ["merged"]
    assert rows(conn, AUDIT) == []


def test_batches_are_audited_and_nothing_is_written_unless_asked(
    merge: Merge, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "crm_warehouse.engine.inbox_care._BATCH", {"events": 2, "deliveries": 2}
    )
    deliver(conn, *(event(n, number=n) for n in range(1, 6)))
    merge()
    choice = Choice("events", {"source_system": "hubspot", "object_id": None})

    assert replay(conn, Care(choice, "ada", write=False)) == {"replayed": 5}
    assert states(conn) == ["merged"] * 5
    assert rows(conn, AUDIT) == []
    assert replay(conn, Care(choice, "ada", write=True)) == {"replayed": 5}

    told = rows(conn, AUDIT)
    assert [row[:4] for row in told] == [
        ("ada", "webhooks.replayed", "webhook_events", "hubspot")
    ] * 3
    assert [row[4]["counts"] for row in told] == [
        {"replayed": 2},
        {"replayed": 2},
        {"replayed": 1},
    ]
    assert told[0][4]["filters"] == {"source_system": "hubspot"}
    assert json.loads(json.dumps(told[0][4]["ids"])) == [1, 2]
