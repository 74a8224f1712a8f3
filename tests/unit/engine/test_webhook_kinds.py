"""Whatever HubSpot's event is called, its record ends as the source has it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

NAMES = "SELECT source_id, first_name, is_deleted FROM warehouse.contacts ORDER BY 1"
EVENTS = (
    "SELECT entity_type, object_id, state, reason FROM staging.webhook_events"
    " ORDER BY id"
)
UNKNOWN = "an event of this kind changes no record that is loaded"
Merge = Callable[..., SyncResult]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return replace(load_source(default_directory() / "hubspot.yaml"), quotas=())


@pytest.fixture
def crm() -> ScriptedCrm:
    people = {str(n): contact(n, f"Ann{n}") for n in range(1, 6)}
    company = {**contact(7, "x"), "properties": {"name": "Acme"}}
    deal = {**contact(8, "x"), "properties": {"dealname": "Roof"}}
    return ScriptedCrm(
        {"contacts": people, "companies": {"7": company}, "deals": {"8": deal}}
    )


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    return lambda **asked: merge_webhooks(
        WebhookRequest(hubspot, "hubspot", **asked),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


@pytest.fixture
def loaded(conn: Connection, merge: Merge, crm: ScriptedCrm) -> None:
    """Contact 1 is here; nobody was asked since."""
    deliver(conn, event(1, number=99))
    merge()
    crm.asked.clear()


@pytest.mark.parametrize("action", ["creation", "propertyChange", "restore"])
@pytest.mark.parametrize(
    ("kind", "object_type", "entity", "object_id"),
    [
        ("contact", None, "contacts", 2),
        ("object", "0-1", "contacts", 2),
        ("object", "0-2", "companies", 7),
        ("object", "0-3", "deals", 8),
    ],
)
def test_a_record_is_read_whatever_its_event_is_called(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    action: str,
    kind: str,
    object_type: str | None,
    entity: str,
    object_id: int,
) -> None:
    named = {"objectTypeId": object_type} if object_type else {}
    deliver(conn, event(object_id, f"{kind}.{action}", **named))

    assert merge().records_created == 1
    assert crm.asked == [(entity, [str(object_id)])]


@pytest.mark.parametrize(
    "about",
    [
        {"subscriptionType": "object.creation", "objectTypeId": "2-77"},
        {"subscriptionType": "object.privacyDeletion", "objectTypeId": "2-77"},
        {"subscriptionType": "object.creation"},
        {"subscriptionType": "object.somethingNew", "objectTypeId": "0-1"},
        {"subscriptionType": "ticket.deletion"},
        {"subscriptionType": "conversation.newMessage"},
    ],
    ids=str,
)
def test_what_is_of_no_interest_is_ignored_with_its_reason(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    loaded: None,
    about: dict[str, Any],
) -> None:
    deliver(conn, event(1) | about)

    assert merge().records_received == 0
    assert rows(conn, EVENTS)[-1] == (None, "1", "ignored", UNKNOWN)
    assert (crm.asked, rows(conn, NAMES)) == ([], [("1", "Ann1", False)])


@pytest.mark.parametrize("kind", ["contact", "object"])
def test_a_deletion_is_believed_where_the_source_has_it_no_more(
    conn: Connection, merge: Merge, crm: ScriptedCrm, loaded: None, kind: str
) -> None:
    named = {"objectTypeId": "0-1"} if kind == "object" else {}
    deliver(conn, event(1, f"{kind}.deletion", **named))
    merge()
    assert rows(conn, NAMES) == [("1", "Ann1", False)]  # it lives

    del crm.records["contacts"]["1"]
    deliver(conn, event(1, f"{kind}.deletion", number=2, **named))
    merge()
    assert rows(conn, NAMES) == [("1", "Ann1", True)]


def test_what_hubspot_took_out_is_no_value(
    conn: Connection, merge: Merge, crm: ScriptedCrm, loaded: None
) -> None:
    """Of a person who is being erased, events say REDACTED, and the API nothing."""
    del crm.records["contacts"]["1"]
    deliver(conn, event(1, propertyValue="REDACTED"))

    merge()

    assert rows(conn, NAMES) == [("1", "Ann1", True)]


@pytest.mark.parametrize("kind", ["contact", "object"])
def test_a_privacy_deletion_erases(
    conn: Connection, merge: Merge, crm: ScriptedCrm, loaded: None, kind: str
) -> None:
    named = {"objectTypeId": "0-1"} if kind == "object" else {}
    deliver(conn, event(1, f"{kind}.privacyDeletion", **named))

    merge(portal_id="24601")

    assert crm.asked == []  # there is nothing left to read
    assert rows(conn, "SELECT source_id, reason FROM ops.erased_records") == [
        ("1", "source")
    ]
    assert rows(conn, NAMES) == [("1", None, True)]


def test_nobody_is_erased_for_a_connection_that_names_no_portal(
    conn: Connection, merge: Merge, loaded: None
) -> None:
    """Another portal's records may have the same ids, and what is erased stays so."""
    deliver(conn, event(1, "contact.privacyDeletion", number=2) | {"portalId": 666})
    merge()

    assert rows(conn, EVENTS)[-1][:3] == ("contacts", "1", "failed")
    assert "must have portal_id" in rows(conn, EVENTS)[-1][3]
    assert rows(conn, "SELECT source_id FROM ops.erased_records") == []
    assert rows(conn, NAMES) == [("1", "Ann1", False)]


def test_a_merge_leads_to_the_survivor(
    conn: Connection, merge: Merge, crm: ScriptedCrm, loaded: None
) -> None:
    del crm.records["contacts"]["1"]
    deliver(
        conn,
        event(2, "object.merge", objectTypeId="0-1")
        | {"primaryObjectId": 2, "mergedObjectIds": [1]},
    )

    merge()

    assert rows(conn, NAMES)[:2] == [("1", "Ann1", True), ("2", "Ann2", False)]
    assert rows(
        conn, "SELECT source_id, survivor_source_id FROM warehouse.merged_records"
    ) == [("1", "2")]


def test_an_association_makes_both_ends_dirty_and_nobody_else(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(
        conn,
        event(None, "contact.associationChange")
        | {"associationType": "CONTACT_TO_COMPANY", "fromObjectId": 2, "toObjectId": 7},
        event(None, "contact.associationChange", number=2)
        | {"associationType": "TICKET_TO_CONTACT", "fromObjectId": 5, "toObjectId": 3},
        event(None, "object.associationChange", number=3)
        | {"objectTypeId": "2-77", "fromObjectTypeId": "2-77", "toObjectTypeId": "0-3"}
        | {"fromObjectId": 4, "toObjectId": 8},
    )

    merge()

    assert sorted(crm.asked) == [
        ("companies", ["7"]),
        ("contacts", ["2", "3"]),  # 5 is a ticket, and 4 one of the account's own
        ("deals", ["8"]),
    ]


@pytest.mark.parametrize("other", [{"portalId": 666}, {"appId": 666}])
@pytest.mark.parametrize(
    "kind", ["contact.propertyChange", "contact.deletion", "contact.privacyDeletion"]
)
def test_events_of_another_account_or_app_are_kept_and_never_applied(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    loaded: None,
    kind: str,
    other: dict[str, int],
) -> None:
    del crm.records["contacts"]["1"]
    deliver(conn, event(1, kind, number=2) | other)

    assert merge(portal_id="24601", app_id="9001").records_received == 0
    [name] = other
    assert rows(conn, EVENTS)[-1] == (
        *("contacts", "1", "failed"),
        f"is of another {name} than the connection's",
    )
    assert rows(conn, NAMES) == [("1", "Ann1", False)]


def test_an_id_of_an_event_twice_is_two_events_where_the_record_differs(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event(2), event(1, attemptNumber=4))

    assert merge().records_created == 2
    assert len(rows(conn, EVENTS)) == 2


@pytest.mark.parametrize("last", ["older", "newer", "equal"])
def test_the_time_of_an_event_decides_nothing(
    conn: Connection, merge: Merge, crm: ScriptedCrm, loaded: None, last: str
) -> None:
    moments = {"older": 1, "newer": 1_900_000_000_000, "equal": 1_770_000_000_000}
    crm.records["contacts"]["1"] = contact(1, "Bea", minute=5)
    deliver(conn, event(1, number=2))
    deliver(conn, event(1, number=3, propertyValue="Old", occurredAt=moments[last]))

    merge()

    assert rows(conn, NAMES) == [("1", "Bea", False)]
