"""Polls, replays and webhooks of the same records at once: the source's state wins."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from deadline import until
from engine_load import Connection, Load, at, connect, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookParser
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.replay import Replayer
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import AuthenticationError, TransientSourceError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity, Source

HUBSPOT = replace(load_source(default_directory() / "hubspot.yaml"), quotas=())
NAMES = "SELECT source_id, first_name, is_deleted FROM warehouse.contacts ORDER BY 1"
GONE = "SELECT source_id FROM raw.hubspot_contacts WHERE is_deleted"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm(
        {"contacts": {str(n): contact(n, f"Ann{n}") for n in range(1, 4)}}
    )


def merge(warehouse: str, crm: ScriptedCrm, source: Source = HUBSPOT) -> SyncResult:
    return merge_webhooks(
        WebhookRequest(source, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def poll(warehouse: str, crm: ScriptedCrm, mode: Any = "full") -> SyncResult:
    entity = HUBSPOT.entities["contacts"]
    return run_sync(
        SyncRequest(HUBSPOT, entity, source_system="hubspot", mode=mode),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def test_a_record_that_went_while_a_poll_held_it_does_not_come_to_life(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    """New to the warehouse, so that no tombstone can be there to stand in the way."""
    lister = ScriptedCrm({"contacts": dict(crm.records["contacts"])})

    class Lister(ScriptedCrm):
        def iter_pages(
            self, entity: Entity, window: Window, **asked: Any
        ) -> Iterator[Page]:
            yield from super().iter_pages(entity, window, **asked)
            del crm.records["contacts"]["1"]
            deliver(conn, event(1, "contact.deletion"))
            merge(warehouse, crm)

    result = poll(warehouse, Lister(lister.records), "incremental")

    assert (result.records_created, result.records_unchanged) == (2, 1)
    assert [row[0] for row in rows(conn, NAMES)] == ["2", "3"]
    assert rows(conn, "SELECT count(*) FROM raw.hubspot_contacts") == [(2,)]


def test_a_replay_does_not_undo_what_a_webhook_brought_meanwhile(
    warehouse: str, conn: Connection, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll(warehouse, crm)
    conn.execute("UPDATE warehouse.contacts SET sync_hash = 'of another mapping'")
    crm.records["contacts"]["1"] = contact(1, "Newer", minute=30)
    deliver(conn, event(1))
    merger = threading.Thread(target=merge, args=(warehouse, crm))
    read = Replayer._next_records

    def read_then_merge(self: Replayer) -> list[dict[str, Any]]:
        found = read(self)
        if not merger.ident:
            merger.start()
            until(lambda: rows(conn, WAITING) == [(1,)] or not merger.is_alive())
        return found

    monkeypatch.setattr(Replayer, "_next_records", read_then_merge)
    poll(warehouse, crm, "replay")
    merger.join(30)

    assert rows(conn, NAMES)[0][1] == "Newer"


def test_an_index_that_is_late_brings_nobody_back_to_life(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    poll(warehouse, crm)
    old = crm.records["contacts"].pop("1")
    deliver(conn, event(1, "contact.deletion"))
    merge(warehouse, crm)

    class Index(ScriptedCrm):
        def iter_pages(
            self, entity: Entity, window: Window, **asked: Any
        ) -> Iterator[Page]:
            for page in super().iter_pages(entity, window, **asked):
                yield replace(page, indexed=True)

    poll(warehouse, Index({"contacts": {"1": old}}), "incremental")
    assert rows(conn, NAMES)[0] == ("1", "Ann1", True)
    assert rows(conn, GONE) == [("1",)]

    later = {**old, "updatedAt": "2099-01-01T00:00:00.000Z"}  # changed since it went
    poll(warehouse, Index({"contacts": {"1": later}}), "incremental")
    assert rows(conn, NAMES)[0] == ("1", "Ann1", False)


def test_what_a_poll_saw_later_is_not_deleted_by_an_earlier_question(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    """Gone when the webhook asked, back and changed when the poll came by."""
    poll(warehouse, crm)
    del crm.records["contacts"]["1"]
    deliver(conn, event(1, "contact.deletion"))

    class Asker(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Any:
            found = super().fetch_many(entity, source_ids)
            back = contact(1, "Anne", minute=30)
            poll(warehouse, ScriptedCrm({"contacts": {"1": back}}), "incremental")
            return found

    result = merge(warehouse, Asker(crm.records))

    assert result.records_deleted == 0
    assert rows(conn, NAMES)[0] == ("1", "Anne", False)
    assert rows(conn, GONE) == []


@pytest.mark.parametrize("lists", [True, False])
def test_a_list_that_shows_it_brings_it_back(
    warehouse: str, conn: Connection, crm: ScriptedCrm, lists: bool
) -> None:
    poll(warehouse, crm)
    kept = crm.records["contacts"].pop("1")
    deliver(conn, event(1, "contact.deletion"))
    merge(warehouse, crm)
    crm.records["contacts"]["1"] = kept
    if lists:
        poll(warehouse, crm)
    else:
        deliver(conn, event(1, "contact.restore", number=2))
        merge(warehouse, crm)

    assert rows(conn, NAMES)[0] == ("1", "Ann1", False)


def test_an_entity_that_may_not_be_read_keeps_no_other_waiting(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    def refuse(entity: Entity, _ids: Any) -> None:
        if entity.name == "deals":
            raise AuthenticationError("no right to read deals")

    crm.before_read = refuse
    deliver(conn, *(event(1000 + n, "deal.creation", number=n) for n in range(600)))
    deliver(conn, event(1))

    with pytest.raises(AuthenticationError):
        merge(warehouse, crm)

    assert rows(conn, NAMES) == [("1", "Ann1", False)]
    assert rows(
        conn, "SELECT count(*) FROM staging.webhook_events WHERE state = 'pending'"
    ) == [(600,)]


@pytest.mark.parametrize("gone", ["file", "switch"])
def test_events_of_an_entity_that_is_loaded_no_more_block_nothing(
    warehouse: str, conn: Connection, crm: ScriptedCrm, gone: str
) -> None:
    def fail(_entity: Entity, _ids: Any) -> None:
        raise TransientSourceError("the source is down")

    crm.before_read = fail
    deliver(conn, event(9, "deal.creation"), event(1))
    with pytest.raises(TransientSourceError):
        merge(warehouse, crm)
    crm.before_read = lambda *_: None
    source = HUBSPOT
    if gone == "file":
        left = {n: e for n, e in HUBSPOT.entities.items() if n != "deals"}
        source = replace(HUBSPOT, entities=left)
    else:
        conn.execute(
            "UPDATE ops.sync_configurations SET is_active = false"
            " WHERE entity_type = 'deals'"
        )

    assert merge(warehouse, crm, source).status == "success"
    assert rows(
        conn, "SELECT object_id, state FROM staging.webhook_events ORDER BY id"
    ) == [("9", "ignored"), ("1", "merged")]


def test_an_event_of_no_record_does_not_go_round_for_ever(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    """As somebody may make one by hand, who sets a failed event back to pending."""
    deliver(conn, event("x y"), event(1, number=2))
    merge(warehouse, crm)
    conn.execute("UPDATE staging.webhook_events SET state = 'pending'")

    assert merge(warehouse, crm).records_unchanged == 1
    assert rows(conn, "SELECT state FROM staging.webhook_events ORDER BY id") == [
        ("ignored",),
        ("merged",),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"subscriptionType": "contact.\x00creation"},
        {"subscriptionType": "contact.\ud800creation"},
        {"eventId": "\x00"},
        {"occurredAt": "0001-01-01T00:00:00+14:00"},
        {"occurredAt": "9999-12-31T23:59:59-14:00"},
        {"occurredAt": 253402300799999},
        {"objectId": 2**63},
        {"subscriptionType": ["x"]},
        {"propertyValue": "\x00\ud800"},
        {"propertyValue": eval("[" * 90 + "]" * 90)},
    ],
    ids=lambda odd: ascii(odd)[:50],
)
def test_an_odd_event_stops_no_other(
    warehouse: str, conn: Connection, crm: ScriptedCrm, odd: dict[str, Any]
) -> None:
    deliver(conn, {**event(1, number=7), **odd}, event(3, number=8))
    deliver(conn, event(2, number=9))

    assert merge(warehouse, crm).status == "success"

    names = [row[0] for row in rows(conn, NAMES)]
    assert names[-2:] == ["2", "3"]
    assert rows(
        conn, "SELECT count(*) FROM staging.webhook_events WHERE state = 'pending'"
    ) == [(0,)]


def test_a_delivery_that_our_own_reading_fails_at_stops_no_other(
    warehouse: str, conn: Connection, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours: the delivery is set aside, by the error's name alone."""
    parse = WEBHOOK_PARSERS["hubspot"]

    def parse_badly(body: bytes, **asked: Any) -> Any:
        return 1 / 0 if b"deal" in body else parse(body, **asked)

    monkeypatch.setitem(WEBHOOK_PARSERS, "hubspot", WebhookParser(parse_badly))
    deliver(conn, event(9, "deal.creation"))
    deliver(conn, event(2))

    assert merge(warehouse, crm).records_created == 1
    assert rows(
        conn, "SELECT state, error_message FROM staging.webhook_deliveries ORDER BY id"
    ) == [("failed", "cannot be read: ZeroDivisionError"), ("exploded", None)]


def test_an_event_nested_too_deeply_stops_no_other(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    deep = "[" * 2000 + "]" * 2000
    body = '[{"subscriptionType":"contact.creation","objectId":1,"propertyValue":%s}]'
    deliver(conn, body=(body % deep).encode())
    deliver(conn, event(2))

    assert merge(warehouse, crm).status == "success"
    assert ("2", "Ann2", False) in rows(conn, NAMES)


def test_a_record_whose_id_was_lost_is_no_deletion(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    poll(warehouse, crm)

    class Lost(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Any:
            found = super().fetch_many(entity, source_ids)
            return replace(
                found, records=[{**each, "id": None} for each in found.records]
            )

    deliver(conn, event(1))
    result = merge(warehouse, Lost(crm.records))

    assert (result.records_deleted, result.records_failed) == (0, 1)
    assert rows(conn, NAMES)[0] == ("1", "Ann1", False)


def test_an_older_good_state_does_not_close_the_error_of_a_newer_bad_one(
    conn: Connection, genius: Source
) -> None:
    def visit(minute: int, when: str | None) -> dict[str, Any]:
        changed = f"2026-02-01T10:{minute:02d}:00Z"
        return {
            "id": 1,
            "prospect_id": 5,
            "scheduled_date": when,
            "modified_date": changed,
        }

    load = Load(conn, genius, genius.entities["appointments"])
    load.write(visit(1, "2026-03-01T10:00:00Z"))
    load.write(visit(9, None), observed=at(5))
    later = Load(conn, genius, genius.entities["appointments"], mode="incremental")
    resolved = (
        "SELECT resolved FROM ops.sync_errors WHERE severity = 'error'"
        " AND source_id = '1'"
    )

    later.write(visit(1, "2026-03-01T10:00:00Z"), observed=at(6))
    assert rows(conn, resolved) == [(False,)]

    later.write(visit(10, "2026-03-02T10:00:00Z"), observed=at(7))
    assert rows(conn, resolved) == [(True,)]


def test_two_jobs_that_end_at_once_do_not_lock_each_other_out(
    warehouse: str, conn: Connection
) -> None:
    """One deletes the very row that the other links."""
    deal = {
        "id": "1",
        "properties": {"dealname": "Roof"},
        "associations": {"contacts": {"results": [{"id": "7", "type_id": 3}]}},
        "updatedAt": "2026-02-01T10:00:00Z",
    }
    first = Load(conn, HUBSPOT, HUBSPOT.entities["deals"])
    first.write(deal)
    first.finish()
    faults: list[Exception] = []
    with connect(warehouse) as other, connect(warehouse) as holder:
        contacts = Load(other, HUBSPOT, HUBSPOT.entities["contacts"])
        contacts.write(contact(7, "Ann"))
        deals = Load(conn, HUBSPOT, HUBSPOT.entities["deals"])

        def end(load: Load, gone: list[str]) -> None:
            try:
                load.finish(gone)
            except Exception as fault:  # noqa: BLE001  told below
                faults.append(fault)

        # Whoever holds the row first makes both wait, each with what it has by then.
        with holder.transaction():
            holder.execute("SELECT FROM warehouse.lead_contacts FOR UPDATE")
            linker = threading.Thread(target=end, args=(contacts, []))
            linker.start()
            with connect(warehouse) as look:
                until(lambda: rows(look, WAITING)[0][0] >= 1)
                marker = threading.Thread(target=end, args=(deals, ["1"]))
                marker.start()
                until(lambda: rows(look, WAITING)[0][0] >= 2)
        linker.join(30)
        marker.join(30)

    assert faults == []
    assert rows(
        conn, "SELECT is_deleted, contact_id IS NOT NULL FROM warehouse.leads"
    ) == [(True, True)]
