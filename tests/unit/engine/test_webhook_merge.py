"""Law 10: an event makes us read the record again; what it says is not believed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import (
    ConfigurationError,
    QuotaWaitError,
    SyncConflictError,
    TransientSourceError,
)
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity, Source

NAMES = "SELECT source_id, first_name, is_deleted FROM warehouse.contacts ORDER BY 1"
EVENTS = (
    "SELECT object_id, state, reason, job_id IS NOT NULL"
    " FROM staging.webhook_events ORDER BY id"
)


@pytest.fixture(scope="session")
def hubspot() -> Source:
    source = load_source(default_directory() / "hubspot.yaml")
    return replace(source, quotas=())


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm(
        {"contacts": {str(n): contact(n, f"Ann{n}") for n in range(1, 6)}}
    )


Merge = Callable[..., SyncResult]


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    def merge(source: Source = hubspot, **asked: Any) -> SyncResult:
        return merge_webhooks(
            WebhookRequest(source, "hubspot", **asked),
            conninfo=warehouse,
            open_client=crm.open_client,
        )

    return merge


def poll(warehouse: str, source: Source, crm: ScriptedCrm, mode: Any) -> SyncResult:
    entity = source.entities["contacts"]
    return run_sync(
        SyncRequest(source, entity, source_system="hubspot", mode=mode),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def test_what_the_source_holds_is_merged_not_what_the_event_says(
    merge: Merge, conn: Connection
) -> None:
    deliver(conn, event(1), event(3))

    result = merge()

    assert rows(conn, NAMES) == [("1", "Ann1", False), ("3", "Ann3", False)]
    assert (result.entity, result.mode, result.status) == (
        "webhooks",
        "webhook",
        "success",
    )
    assert (result.records_received, result.records_created) == (2, 2)
    assert result.requests == 1
    assert rows(conn, EVENTS) == [
        ("1", "merged", None, True),
        ("3", "merged", None, True),
    ]


def test_an_object_announced_often_is_read_once(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, *(event(2, number=n) for n in range(20)))
    deliver(conn, event(2, number=99))

    merge()

    assert crm.asked == [("contacts", ["2"])]
    assert [row[1] for row in rows(conn, EVENTS)] == ["merged"] * 21


def test_the_same_event_again_is_known(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(2))
    merge()
    deliver(conn, event(2, attemptNumber=3))

    assert merge().records_received == 0
    assert len(rows(conn, EVENTS)) == 1
    assert len(crm.asked) == 1
    assert rows(conn, "SELECT DISTINCT state FROM staging.webhook_deliveries") == [
        ("exploded",)
    ]


def test_a_record_that_is_gone_is_marked(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event(2))
    merge()
    del crm.records["contacts"]["1"]
    deliver(conn, event(1, "contact.deletion", number=2))

    result = merge()

    assert (result.records_deleted, result.records_received) == (1, 1)
    assert rows(conn, NAMES) == [("1", "Ann1", True), ("2", "Ann2", False)]
    assert rows(
        conn, "SELECT is_deleted FROM raw.hubspot_contacts WHERE source_id = '1'"
    ) == [(True,)]


def test_a_record_that_comes_back_lives_again(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    kept = crm.records["contacts"]["1"]
    deliver(conn, event(1))
    merge()
    del crm.records["contacts"]["1"]
    deliver(conn, event(1, "contact.deletion", number=2))
    merge()
    crm.records["contacts"]["1"] = kept
    deliver(conn, event(1, "contact.restore", number=3))

    assert merge().records_updated == 1
    assert rows(conn, NAMES) == [("1", "Ann1", False)]


def test_a_record_that_was_never_here_and_is_gone_counts_for_nothing(
    merge: Merge, conn: Connection
) -> None:
    deliver(conn, event(77, "contact.deletion"))

    result = merge()

    assert (result.records_received, result.records_deleted) == (0, 0)
    assert rows(conn, EVENTS) == [("77", "merged", None, True)]


def test_entities_are_merged_apart(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    crm.records["deals"] = {
        "1": {
            "id": "1",
            "properties": {"dealname": "Roof", "dealstage": "new", "amount": "10"},
            "associations": {"contacts": {"results": [{"id": "2", "type_id": 3}]}},
            "updatedAt": "2026-02-01T10:00:00Z",
        }
    }
    deliver(conn, event(1, "deal.creation"), event(1, number=2), event(2, number=3))

    result = merge()

    assert (result.records_received, result.records_created) == (3, 3)
    assert rows(
        conn,
        "SELECT l.source_id, l.value::text, c.source_id, k.contact_id = c.id"
        " FROM warehouse.leads AS l JOIN warehouse.contacts AS c ON c.id = l.contact_id"
        " JOIN warehouse.lead_contacts AS k ON k.lead_id = l.id",
    ) == [("1", "10.00", "2", True)]


def test_events_of_no_interest_or_use_are_settled_with_their_reason(
    merge: Merge, conn: Connection, hubspot: Source
) -> None:
    deliver(
        conn,
        event(1, "ticket.creation"),
        event(2, number=2, portalId=666),
        event("x y", number=3),
        event(3, number=4),
    )

    only = replace(hubspot, entities={"contacts": hubspot.entities["contacts"]})
    deliver(conn, event(9, "deal.creation"))
    result = merge(only, portal_id="24601", app_id="9001")

    assert result.records_received == 1
    states = {row[0]: (row[1], bool(row[2])) for row in rows(conn, EVENTS)}
    assert states["3"] == ("merged", False)
    assert states["2"] == ("failed", True)
    assert states["9"] == ("ignored", True)
    assert sorted(state for state, _ in states.values()) == [
        "failed",
        "failed",
        "ignored",
        "ignored",
        "merged",
    ]


def test_a_body_that_is_no_delivery_stops_nothing(
    merge: Merge, conn: Connection
) -> None:
    bad = deliver(conn, body=b"<html>nothing for you</html>")
    deliver(conn, event(1))

    assert merge().records_created == 1
    assert rows(
        conn,
        "SELECT id FROM staging.webhook_deliveries WHERE state = 'failed'"
        " AND error_message <> ''",
    ) == [(bad,)]


def test_more_than_one_batch(merge: Merge, conn: Connection, crm: ScriptedCrm) -> None:
    crm.records["contacts"] = {str(n): contact(n, "Bo") for n in range(1, 1203)}
    for first in range(1, 1203, 100):
        numbers = range(first, min(first + 100, 1203))
        deliver(conn, *(event(n, number=n) for n in numbers))

    result = merge()

    assert result.records_created == 1202
    assert [len(ids) for _, ids in crm.asked] == [500, 500, 202]


def test_an_event_that_comes_while_its_record_is_read_is_kept_for_the_next_merge(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1))

    def change_meanwhile(_entity: Entity, _ids: Sequence[str]) -> None:
        crm.before_read = lambda *_: None
        deliver(conn, event(1, number=2))

    crm.before_read = change_meanwhile
    merge()
    assert rows(
        conn, "SELECT count(*) FROM staging.webhook_deliveries WHERE state = 'pending'"
    ) == [(1,)]
    crm.records["contacts"]["1"] = contact(1, "Anne", minute=5)

    assert merge().records_updated == 1
    assert rows(conn, NAMES) == [("1", "Anne", False)]


def test_rows_and_their_events_are_settled_together(
    merge: Merge, conn: Connection
) -> None:
    deliver(conn, event(1))
    conn.execute(
        "ALTER TABLE staging.webhook_events"
        " ADD CONSTRAINT refuse CHECK (state <> 'merged') NOT VALID"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        merge()
    assert rows(conn, NAMES) == []
    conn.execute("ALTER TABLE staging.webhook_events DROP CONSTRAINT refuse")

    assert merge().records_created == 1
    assert rows(conn, EVENTS) == [("1", "merged", None, True)]


def test_a_fault_of_the_source_loses_nothing(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1))

    def fail(_entity: Entity, _ids: Sequence[str]) -> None:
        raise TransientSourceError("the source is down")

    crm.before_read = fail
    with pytest.raises(TransientSourceError):
        merge()
    assert rows(conn, EVENTS) == [("1", "pending", None, False)]
    crm.before_read = lambda *_: None

    result = merge()

    assert (result.status, result.records_created) == ("success", 1)
    assert rows(conn, "SELECT status FROM ops.sync_jobs") == [("success",)]


def test_used_up_quota_parks_the_merge(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1))

    def wait(_entity: Entity, _ids: Sequence[str]) -> None:
        raise QuotaWaitError(crm.gate.now(), "the quota is used up")

    crm.before_read = wait
    first = merge()
    assert (first.status, first.resume_at is not None) == ("waiting", True)
    crm.before_read = lambda *_: None

    second = merge()

    assert (second.job_id, second.status) == (first.job_id, "success")
    assert rows(conn, NAMES) == [("1", "Ann1", False)]


def test_a_webhook_does_not_bring_back_an_older_state(
    merge: Merge, conn: Connection, crm: ScriptedCrm, warehouse: str, hubspot: Source
) -> None:
    """The read began before a poll's, and is committed after it."""
    deliver(conn, event(1))
    old = crm.records["contacts"]["1"]

    def poll_meanwhile(_entity: Entity, _ids: Sequence[str]) -> None:
        crm.before_read = lambda *_: None
        crm.records["contacts"]["1"] = contact(1, "Anne", minute=5)
        poll(warehouse, hubspot, ScriptedCrm(crm.records), "incremental")
        crm.records["contacts"]["1"] = old

    crm.before_read = poll_meanwhile
    merge()

    assert rows(conn, NAMES)[0] == ("1", "Anne", False)


def test_a_record_that_a_webhook_confirms_during_a_full_load_is_not_deleted(
    merge: Merge, conn: Connection, crm: ScriptedCrm, warehouse: str, hubspot: Source
) -> None:
    """It was missing from the list and by id, came back, and did not change."""
    poll(warehouse, hubspot, crm, "full")
    lister = ScriptedCrm({"contacts": dict(crm.records["contacts"])})
    kept = lister.records["contacts"].pop("1")
    fetch = lister.fetch

    def fetch_then_restore(entity: Entity, source_id: str) -> Any:
        found = fetch(entity, source_id)
        if source_id == "1":
            assert found is None
            deliver(conn, event(1, "contact.restore", number=8))
            crm.records["contacts"]["1"] = kept
            merge()
        return found

    lister.fetch = fetch_then_restore  # type: ignore[method-assign]
    result = poll(warehouse, hubspot, lister, "full")

    assert result.records_deleted == 0
    assert rows(conn, NAMES)[0] == ("1", "Ann1", False)


def test_a_merge_runs_beside_a_poll_but_not_beside_another_merge(
    merge: Merge, conn: Connection, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_warehouse.engine.lock._PATIENCE_SECONDS", 0.2)
    deliver(conn, event(1))

    def merge_again(_entity: Entity, _ids: Sequence[str]) -> None:
        with pytest.raises(SyncConflictError):
            merge()

    crm.before_read = merge_again

    assert merge().status == "success"


def test_a_source_without_webhooks_says_so(merge: Merge, genius: Source) -> None:
    with pytest.raises(ConfigurationError, match="genius announces nothing"):
        merge(genius)
