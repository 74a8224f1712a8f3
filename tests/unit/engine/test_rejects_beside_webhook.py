"""Rejects that a webhook brought, or met: each ends as a row or stays in quarantine."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.reprocess import ReprocessRequest, reprocess
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity

HUBSPOT = replace(load_source(default_directory() / "hubspot.yaml"), quotas=())
CONTACTS = HUBSPOT.entities["contacts"]
NAMES = "SELECT source_id, first_name FROM warehouse.contacts ORDER BY 1"
OPEN = "SELECT source_id, error_type FROM ops.sync_errors WHERE NOT resolved"
RAW = "SELECT source_id FROM raw.hubspot_contacts ORDER BY 1"
RULE = (
    "INSERT INTO ops.sync_validation_rules"
    " (name, source_system, entity_type, field, rule_type, config)"
    " VALUES ('short', 'hubspot', 'contacts', 'first_name', 'max_length',"
    " '{\"length\": 3}')"
)
REFUSAL = (
    "ALTER TABLE warehouse.contacts ADD CONSTRAINT odd CHECK (first_name <> 'Wilma')"
)
MENDED = {
    RULE: "DELETE FROM ops.sync_validation_rules",
    REFUSAL: "ALTER TABLE warehouse.contacts DROP CONSTRAINT odd",
}


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm({"contacts": {"1": contact(1, "Ann"), "7": contact(7, "Wilma")}})


def merge(warehouse: str, crm: ScriptedCrm) -> SyncResult:
    return merge_webhooks(
        WebhookRequest(HUBSPOT, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def poll(warehouse: str, crm: ScriptedCrm, mode: Any = "full") -> SyncResult:
    return run_sync(
        SyncRequest(HUBSPOT, CONTACTS, source_system="hubspot", mode=mode),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def again(warehouse: str, crm: ScriptedCrm) -> SyncResult:
    del crm
    return reprocess(ReprocessRequest(HUBSPOT, CONTACTS, "hubspot"), conninfo=warehouse)


def replay(warehouse: str, crm: ScriptedCrm) -> SyncResult:
    return poll(warehouse, crm, "replay")


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("retry", [again, replay])
def test_what_a_webhook_brought_comes_in_when_the_rule_is_mended(
    warehouse: str, conn: Connection, crm: ScriptedCrm, retry: Any, is_known: bool
) -> None:
    """Known by a poll before, or by the webhook first."""
    conn.execute(RULE)
    if is_known:
        poll(warehouse, crm)
    deliver(conn, event(7, "contact.creation"))
    merge(warehouse, crm)
    assert rows(conn, OPEN) == [("7", "validation_rule")]
    conn.execute(MENDED[RULE])

    result = retry(warehouse, crm)

    assert (result.records_created, result.records_failed) == (1, 0)
    assert ("7", "Wilma") in rows(conn, NAMES)
    assert rows(conn, OPEN) == []


def test_what_postgresql_refused_from_a_webhook_comes_in_when_it_is_mended(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    conn.execute(REFUSAL)
    deliver(conn, event(7, "contact.creation"))
    merge(warehouse, crm)
    assert rows(conn, OPEN) == [("7", "refused_by_warehouse")]
    assert rows(conn, RAW) == []
    conn.execute(MENDED[REFUSAL])

    assert again(warehouse, crm).records_created == 1

    assert rows(conn, NAMES) == [("7", "Wilma")]
    assert rows(conn, OPEN) == []


class Slow(ScriptedCrm):
    """Reads its list, and hands it over when ``meanwhile`` is done."""

    def meanwhile(self) -> None:
        """What happens while the page is on its way."""

    def iter_pages(
        self, entity: Entity, window: Window, **asked: Any
    ) -> Iterator[Page]:
        for page in super().iter_pages(entity, window, **asked):
            self.meanwhile()
            yield page


def test_a_poll_of_older_rules_loses_nothing_that_newer_rules_rejected(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    """The rule came, and was applied by a merge, while the poll's page was read."""

    class Poll(Slow):
        def meanwhile(self) -> None:
            conn.execute(RULE)
            deliver(conn, event(7, "contact.creation"))
            merge(warehouse, crm)
            assert rows(conn, OPEN) == [("7", "validation_rule")]

    poll(warehouse, Poll(crm.records))

    assert rows(conn, NAMES) == [("1", "Ann"), ("7", "Wilma")]
    assert rows(conn, OPEN) == []


def test_a_reject_that_was_gone_before_it_was_written_makes_no_row(
    warehouse: str, conn: Connection, crm: ScriptedCrm
) -> None:
    """Read by a poll, looked for by a webhook in vain, then written by the poll."""

    class Poll(Slow):
        def meanwhile(self) -> None:
            del crm.records["contacts"]["7"]
            deliver(conn, event(7, "contact.deletion"))
            merge(warehouse, crm)

    conn.execute(RULE)
    poll(warehouse, Poll({"contacts": dict(crm.records["contacts"])}))
    assert rows(conn, OPEN) == [("7", "validation_rule")]
    conn.execute(MENDED[RULE])

    result = again(warehouse, crm)

    assert (result.records_created, result.records_unchanged) == (0, 1)
    assert rows(conn, NAMES) == [("1", "Ann")]
    assert rows(conn, RAW) == [("1",)]
    assert rows(conn, OPEN) == []
