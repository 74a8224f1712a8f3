"""Erasing: whoever was merged with an erased record goes too, known early or late."""

from collections.abc import Callable
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows
from scripted_crm import ScriptedCrm, contact, deliver, event
from test_erasure import MARK, erasing, hubspot, marked, places_of

from crm_warehouse.engine import inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.spec import Source

__all__ = ["hubspot"]

ERASED = "SELECT source_id, reason FROM ops.erased_records ORDER BY 1"
MERGE = {"primaryObjectId": 2, "mergedObjectIds": [1], "number": 4}


@pytest.fixture
def merge(warehouse: str, hubspot: Source) -> Callable[[], SyncResult]:
    crm = ScriptedCrm({"contacts": {"3": contact(3, "Bo")}})
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot", portal_id="24601"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def load(
    conn: Connection, hubspot: Source, *records: dict[str, Any], minutes: float = 1
) -> Load:
    begun = Load(conn, hubspot, hubspot.entities["contacts"])
    begun.write(*records, observed=at(minutes))
    begun.finish()
    return begun


def test_a_merge_and_a_privacy_deletion_come_together(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    load(conn, hubspot, marked(1), marked(2), marked(3, "Bo"))
    deliver(conn, event(2, "contact.merge", **MERGE))
    deliver(conn, event(2, "contact.privacyDeletion", number=9))

    assert merge().records_deleted == 2

    assert places_of(conn, MARK) == set()
    assert rows(conn, ERASED) == [("1", "source"), ("2", "source")]


@pytest.mark.parametrize("switched_off", [False, True])
def test_a_merge_that_is_told_after_the_erasure(
    conn: Connection,
    hubspot: Source,
    merge: Callable[[], SyncResult],
    switched_off: bool,
) -> None:
    load(conn, hubspot, marked(1), marked(2), marked(3, "Bo"))
    deliver(conn, event(2, "contact.privacyDeletion", number=9))
    merge()
    if switched_off:
        conn.execute(
            "UPDATE ops.sync_configurations SET is_active = false"
            " WHERE entity_type = 'contacts'"
        )
    deliver(conn, event(2, "contact.merge", **MERGE))

    merge()

    assert places_of(conn, MARK) == set()
    assert rows(conn, ERASED) == [("1", "merge"), ("2", "source")]


@pytest.mark.parametrize("asked", ["5", "6"])
def test_a_merge_of_which_only_raw_knows(
    conn: Connection, hubspot: Source, asked: str
) -> None:
    load(conn, hubspot, marked(5))
    merged = marked(6, hs_merged_object_ids="5")
    load(conn, hubspot, merged, marked(55, "Bo"), minutes=2)
    conn.execute("DELETE FROM warehouse.merged_records")

    erasing(conn, hubspot, asked)

    assert places_of(conn, MARK) == set()
    assert rows(conn, ERASED) == [("5", "request"), ("6", "request")]


def test_a_merge_event_of_the_release_before(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    load(conn, hubspot, marked(1), marked(2))
    deliver(conn, event(2, "contact.merge", **MERGE))
    inbox.explode_deliveries(conn, WebhookRequest(hubspot, "hubspot"))
    conn.execute("UPDATE staging.webhook_events SET merged_into = NULL")

    erasing(conn, hubspot, "2")

    assert places_of(conn, MARK) == set()


@pytest.mark.parametrize("erased", ["5", "6"])
def test_a_page_that_tells_of_a_merge_with_an_erased_record(
    conn: Connection, hubspot: Source, erased: str
) -> None:
    load(conn, hubspot, marked(5), marked(6), marked(2, "Bo"))
    erasing(conn, hubspot, erased)
    assert places_of(conn, MARK) != set()

    merged = marked(6, hs_merged_object_ids="5")
    job = load(conn, hubspot, merged, marked(2, "Bo"), minutes=2).job

    assert places_of(conn, MARK) == set()
    other = {"5": "6", "6": "5"}[erased]
    assert rows(conn, ERASED) == sorted([(erased, "request"), (other, "merge")])
    # The survivor is on the page, so it counts as unchanged; the lost one is not.
    assert (job.records_unchanged, job.records_deleted, job.records_processed) == (
        (2, 0, 2) if erased == "5" else (2, 1, 3)
    )


@pytest.mark.parametrize("state", ["merged", "ignored", "pending"])
def test_a_privacy_deletion_of_the_release_before(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult], state: str
) -> None:
    load(conn, hubspot, marked(1), marked(3, "Bo"))
    deliver(conn, event(1, "contact.privacyDeletion", number=9))
    inbox.explode_deliveries(conn, WebhookRequest(hubspot, "hubspot"))
    conn.execute(
        "UPDATE staging.webhook_events SET state = %s, settled_at = now()", [state]
    )

    merge()

    assert places_of(conn, MARK) == set()


def test_one_of_another_account_erases_nobody(
    conn: Connection, hubspot: Source, warehouse: str
) -> None:
    load(conn, hubspot, marked(1), marked(3, "Bo"))
    deliver(conn, event(1, "contact.privacyDeletion", number=9))
    crm = ScriptedCrm({"contacts": {}})
    merge_webhooks(
        WebhookRequest(hubspot, "hubspot", portal_id="7"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )

    assert rows(conn, ERASED) == []


def test_a_loser_that_comes_late_is_counted_once(
    conn: Connection, hubspot: Source
) -> None:
    load(conn, hubspot, marked(5))
    begun = Load(conn, hubspot, hubspot.entities["contacts"])
    begun.write(marked(6, hs_merged_object_ids="5"), observed=at(2))
    begun.write(marked(5), observed=at(2.5))
    job = begun.finish()

    assert (
        job.records_received,
        job.records_processed,
        job.records_repeated,
        job.records_created,
        job.records_deleted,
    ) == (3, 2, 1, 1, 1)
