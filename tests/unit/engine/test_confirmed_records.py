"""Law 10: what was read earlier never overwrites what was confirmed later.

Here a record changes and changes back without a newer version, as HubSpot's do whose
associations change: only who asked later knows what holds.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, connect, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.clients.interface import Found, Page
from crm_warehouse.engine.inbox_care import Care, discard
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity, Source

NAME = "SELECT first_name FROM warehouse.contacts WHERE source_id = '1'"
RAW = "SELECT payload FROM raw.hubspot_contacts WHERE source_id = '1'"
GONE = "SELECT is_deleted FROM raw.hubspot_contacts WHERE source_id = '1'"
PLACES = "SELECT source_id, ctid, xmin::text FROM raw.hubspot_contacts ORDER BY 1"

#: What the source has at first and again, and what it had in between.
KEPT = contact(1, "Ann")
LINKED = {**KEPT, "associations": {"companies": {"results": [{"id": "9"}]}}}
RENAMED = contact(1, "Bo")


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return replace(load_source(default_directory() / "hubspot.yaml"), quotas=())


def poll(warehouse: str, source: Source, crm: ScriptedCrm) -> SyncResult:
    contacts = source.entities["contacts"]
    return run_sync(
        SyncRequest(source, contacts, source_system="hubspot", mode="full"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def merge(warehouse: str, source: Source, crm: ScriptedCrm, **asked: Any) -> SyncResult:
    return merge_webhooks(
        WebhookRequest(source, "hubspot", **asked),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def holding(*records: dict[str, Any]) -> ScriptedCrm:
    return ScriptedCrm({"contacts": {each["id"]: each for each in records}})


@pytest.mark.parametrize("between", [LINKED, RENAMED], ids=["linked", "renamed"])
def test_a_page_read_before_a_webhook_confirmed_does_not_overwrite(
    warehouse: str, conn: Connection, hubspot: Source, between: dict[str, Any]
) -> None:
    poll(warehouse, hubspot, holding(KEPT))

    class Lister(ScriptedCrm):
        def iter_pages(self, *asked: Any, **more: Any) -> Iterator[Page]:
            yield from super().iter_pages(*asked, **more)
            deliver(conn, event(1))
            assert merge(warehouse, hubspot, holding(KEPT)).records_unchanged == 1

    result = poll(warehouse, hubspot, Lister(holding(between).records))

    assert (result.records_unchanged, result.records_updated) == (1, 0)
    assert rows(conn, RAW) == [(KEPT,)]
    assert rows(conn, NAME) == [("Ann",)]


@pytest.mark.parametrize("between", [LINKED, RENAMED], ids=["linked", "renamed"])
def test_a_webhook_that_asked_before_a_poll_confirmed_does_not_overwrite(
    warehouse: str, conn: Connection, hubspot: Source, between: dict[str, Any]
) -> None:
    poll(warehouse, hubspot, holding(KEPT))

    class Asker(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Found:
            found = super().fetch_many(entity, source_ids)
            assert poll(warehouse, hubspot, holding(KEPT)).records_unchanged == 1
            return found

    deliver(conn, event(1))
    result = merge(warehouse, hubspot, Asker(holding(between).records))

    assert (result.records_unchanged, result.records_updated) == (1, 0)
    assert rows(conn, RAW) == [(KEPT,)]
    assert rows(conn, NAME) == [("Ann",)]


def test_a_webhook_that_missed_it_before_a_poll_confirmed_does_not_delete(
    warehouse: str, conn: Connection, hubspot: Source
) -> None:
    poll(warehouse, hubspot, holding(KEPT))

    class Asker(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Found:
            found = super().fetch_many(entity, source_ids)
            poll(warehouse, hubspot, holding(KEPT))  # restored in the source
            return found

    deliver(conn, event(1, "contact.deletion"))
    assert merge(warehouse, hubspot, Asker(holding().records)).records_deleted == 0

    assert rows(conn, GONE) == [(False,)]


def test_who_asked_last_wins_all_the_same(
    warehouse: str, conn: Connection, hubspot: Source
) -> None:
    """A confirmation holds back only what was read before it."""
    poll(warehouse, hubspot, holding(KEPT))
    deliver(conn, event(1))
    merge(warehouse, hubspot, holding(KEPT))

    assert poll(warehouse, hubspot, holding(RENAMED)).records_updated == 1
    deliver(conn, event(1, number=2))
    assert merge(warehouse, hubspot, holding(KEPT)).records_updated == 1
    assert rows(conn, NAME) == [("Ann",)]


def test_only_what_is_announced_is_written_where_nothing_changed(
    warehouse: str, conn: Connection, hubspot: Source
) -> None:
    crm = holding(KEPT, contact(2, "Cy"), contact(3, "Di"))
    poll(warehouse, hubspot, crm)
    before = rows(conn, PLACES)

    class Asker(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Found:
            poll(warehouse, hubspot, crm)
            return super().fetch_many(entity, source_ids)

    deliver(conn, event(2))
    merge(warehouse, hubspot, Asker(crm.records))
    announced = rows(conn, PLACES)
    poll(warehouse, hubspot, crm)

    assert announced[::2] == before[::2]
    assert announced[1] != before[1]
    assert rows(conn, PLACES) == announced


def test_an_event_that_somebody_discards_confirms_nothing(
    warehouse: str, conn: Connection, hubspot: Source
) -> None:
    poll(warehouse, hubspot, holding(KEPT))
    some = Choice("events", {"state": "pending", "event_type": "contact.restore"})

    class Asker(ScriptedCrm):
        def fetch_many(self, entity: Entity, source_ids: Any) -> Found:
            found = super().fetch_many(entity, source_ids)
            with connect(warehouse) as other:
                discard(other, Care(some, "ada", write=True), "not wanted", {})
            return found

    deliver(conn, event(1, "contact.deletion"), event(1, "contact.restore", number=2))
    assert merge(warehouse, hubspot, Asker(holding().records)).records_deleted == 1

    settled = rows(conn, "SELECT state FROM staging.webhook_events ORDER BY id")
    assert settled == [("merged",), ("discarded",)]
    assert rows(conn, GONE) == [(True,)]


def test_an_event_that_fails_confirms_nothing(
    warehouse: str, conn: Connection, hubspot: Source
) -> None:
    others = [contact(n, "Cy") for n in range(2, 31)]
    poll(warehouse, hubspot, holding(KEPT, *others))

    class Lister(ScriptedCrm):
        def iter_pages(self, *asked: Any, **more: Any) -> Iterator[Page]:
            yield from super().iter_pages(*asked, **more)
            deliver(conn, event(1, portalId=666))
            merge(warehouse, hubspot, self, portal_id="24601")

    gone = Lister(holding(*others).records)
    assert poll(warehouse, hubspot, gone).records_deleted == 1

    settled = rows(conn, "SELECT state FROM staging.webhook_events ORDER BY id")
    assert settled == [("failed",)]
    assert rows(conn, GONE) == [(True,)]
