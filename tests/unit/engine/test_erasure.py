"""Erasing a record: nothing of the person is left anywhere, and nothing comes back."""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from engine_load import Connection, Load, at, connect, rows
from psycopg import sql
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

MARK = "Zebedee"
EVENTS = "SELECT object_id, state, is_gone FROM staging.webhook_events ORDER BY id"


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return load_source(default_directory() / "hubspot.yaml")


@pytest.fixture
def merge(warehouse: str, hubspot: Source) -> Callable[[], SyncResult]:
    crm = ScriptedCrm({"contacts": {"2": contact(2, "Bo")}})
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot", portal_id="24601"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def marked(number: int, mark: str = MARK, **properties: Any) -> dict[str, Any]:
    record = contact(number, mark)
    record["properties"] |= {
        "email": f"{mark}@example.com",
        "hs_object_id": str(number),
        "trustedform_cert_url": f"https://cert.example.com/{mark}/{number}",
        **properties,
    }
    return record


def erasing(conn: Connection, hubspot: Source, source_id: str = "1") -> dict[str, int]:
    entity = hubspot.entities["contacts"]
    with conn.transaction():
        erased = erase(conn, Request(entity, "hubspot", [source_id], "request", "cli"))
    return erased.counts | redact_inbox(conn, hubspot, "hubspot", actor="cli")


def places_of(conn: Connection, mark: str) -> set[str]:
    """Columns of all our tables that hold the mark, compressed bytes unpacked."""
    found = set()
    for table, column, kind in columns(conn):
        for (value,) in rows_of(conn, table, column):
            held = plain(value) if kind == "bytea" else str(value)
            if mark.lower() in held.lower():
                found.add(f"{table}.{column}")
    return found


def columns(conn: Connection) -> list[tuple[Any, ...]]:
    return rows(
        conn,
        "SELECT c.oid::regclass::text, a.attname, t.typname FROM pg_attribute AS a"
        " JOIN pg_class AS c ON c.oid = a.attrelid"
        " JOIN pg_type AS t ON t.oid = a.atttypid"
        " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
        " AND a.attnum > 0 AND NOT a.attisdropped"
        " AND c.relnamespace::regnamespace::text NOT IN"
        "     ('pg_catalog', 'information_schema', 'pg_toast', 'crm_migrations')"
        " AND t.typname IN ('text', 'jsonb', 'bytea', '_text', 'varchar', 'json')",
    )


def rows_of(conn: Connection, table: str, column: str) -> Iterator[tuple[Any, ...]]:
    statement = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
        sql.Identifier(column),
        sql.SQL(table),
        sql.Identifier(column),
    )
    yield from conn.execute(statement)


def plain(value: bytes) -> str:
    with suppress(zlib.error):
        value = zlib.decompress(value)
    return value.decode("utf-8", "replace")


def fill(conn: Connection, hubspot: Source) -> None:
    """A person in every place that may hold one, and somebody else beside them."""
    load = Load(conn, hubspot, hubspot.entities["contacts"])
    odd = marked(1, address=f"{MARK}\0 Road")
    load.write(odd, marked(2, "Bo"), {**marked(1), "id": None}, observed=at(1))
    load.finish()
    deals = Load(conn, hubspot, hubspot.entities["deals"])
    linked = [{"id": "1", "type_id": 3}, {"id": "2", "type_id": 3}]
    deals.write(
        {
            "id": "7",
            "properties": {"dealname": "Roof", "dealstage": "new"},
            "associations": {"contacts": {"results": linked}},
            "updatedAt": "2026-02-01T10:00:00Z",
        },
        observed=at(1),
    )
    deals.finish()
    conn.execute(
        "INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
        " source_id, severity, error_type, error_message, record_data, fingerprint)"
        " VALUES (%s, 'hubspot', 'contacts', '1', 'error', 'validation_rule', 'no',"
        " %s, 'id:1')",
        [load.job.id, json.dumps(marked(1))],
    )
    first = event(1, propertyValue=MARK)
    deliver(conn, first, event(2, propertyValue="Bo", number=2))
    deliver(conn, first, event(3, propertyValue="1", number=3))
    deliver(conn, body=f'[{{"objectId": 1, "propertyValue": "{MARK}'.encode())


def test_nothing_of_the_person_is_left_in_any_table(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    fill(conn, hubspot)
    merge()
    assert places_of(conn, MARK) == {
        "raw.hubspot_contacts.payload",
        "raw.hubspot_contacts.payload_bytes",
        "warehouse.contacts.first_name",
        "warehouse.contacts.email",
        "warehouse.contacts.email_normalized",
        "warehouse.contacts.address",
        "identity.known_keys.key_value",
        "ops.sync_errors.record_data",
        "staging.webhook_events.payload",
        "staging.webhook_deliveries.body",
    }

    counts = erasing(conn, hubspot)

    assert places_of(conn, MARK) == set()
    assert counts == {
        "raw.hubspot_contacts": 1,
        "warehouse.contacts": 1,
        "identity.known_keys": 1,
        "ops.sync_errors": 2,
        "staging.webhook_events": 1,
        "staging.webhook_deliveries": 3,
    }
    assert "warehouse.contacts.first_name" in places_of(conn, "Bo")


def test_the_id_stays_and_others_are_untouched(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    fill(conn, hubspot)
    merge()
    erasing(conn, hubspot)

    assert rows(
        conn,
        "SELECT source_id, is_deleted, deleted_at IS NOT NULL, sync_hash = '',"
        " last_name FROM warehouse.contacts ORDER BY 1",
    ) == [("1", True, True, True, None), ("2", False, False, False, "Lee")]
    assert rows(
        conn,
        "SELECT source_id, erased_at IS NOT NULL, reason FROM ops.erased_records",
    ) == [("1", True, "request")]
    assert rows(
        conn, "SELECT contact_source_id, contact_id IS NULL FROM warehouse.leads"
    ) == [("2", False)]
    assert rows(conn, "SELECT contact_source_id FROM warehouse.lead_contacts") == [
        ("2",)
    ]
    bodies = [
        json.loads(zlib.decompress(body))
        for (body,) in rows(
            conn, "SELECT body FROM staging.webhook_deliveries ORDER BY id"
        )
    ]
    assert bodies.pop() == "erased"  # it could not be read
    assert [[e.get("propertyValue") for e in body] for body in bodies] == [
        [None, "Bo"],
        [None, "1"],
    ]
    assert rows(
        conn,
        "SELECT count(*) FROM staging.webhook_deliveries"
        " WHERE body_sha256 ~ '^hmac[.][0-9a-f]{64}$'",
    ) == [(3,)]


def test_the_audit_trail_has_a_keyed_hash_and_no_id(
    conn: Connection, hubspot: Source
) -> None:
    fill(conn, hubspot)
    erasing(conn, hubspot)

    [(name, details)] = rows(
        conn,
        "SELECT object_id, details FROM ops.audit_log WHERE action = 'record.erased'",
    )
    assert len(name) == 64
    assert details["records"]["warehouse.contacts"] == 1
    assert MARK not in json.dumps(details)
    assert '"1"' not in json.dumps(details)


def test_a_second_erasure_finds_nothing(conn: Connection, hubspot: Source) -> None:
    fill(conn, hubspot)
    erasing(conn, hubspot)

    assert set(erasing(conn, hubspot).values()) == {0}


def test_an_erasure_that_is_cut_off_leaves_everything_or_nothing(
    conn: Connection, warehouse: str, hubspot: Source
) -> None:
    fill(conn, hubspot)
    before = places_of(conn, MARK)
    request = Request(hubspot.entities["contacts"], "hubspot", ["1"], "request", "cli")
    other = connect(warehouse)
    other.execute("BEGIN")
    erase(other, request)
    other.execute("SELECT 1")
    conn.execute("SELECT pg_terminate_backend(%s)", [other.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        other.execute("COMMIT")

    assert places_of(conn, MARK) == before
    erasing(conn, hubspot)
    assert places_of(conn, MARK) == set()


def test_no_page_or_reject_or_event_brings_it_back(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    erasing(conn, hubspot)  # an id that is not here yet

    load = Load(conn, hubspot, hubspot.entities["contacts"])
    load.write(marked(1, nothing="x"), marked(4, "Dee"), observed=at(5))
    job = load.finish()
    deliver(conn, event(1, propertyValue=MARK), event(2, number=2))
    merge()

    assert places_of(conn, MARK) == set()
    assert (job.records_processed, job.records_created, job.records_unchanged) == (
        2,
        1,
        1,
    )
    assert rows(conn, EVENTS) == [("1", "ignored", False), ("2", "merged", False)]


def test_who_was_merged_with_the_record_is_erased_with_it(
    conn: Connection, hubspot: Source
) -> None:
    load = Load(conn, hubspot, hubspot.entities["contacts"])
    load.write(marked(5), observed=at(1))
    load.write(marked(6, hs_merged_object_ids="5"), marked(2, "Bo"), observed=at(2))
    load.finish()

    erasing(conn, hubspot, "5")

    assert places_of(conn, MARK) == set()
    assert rows(conn, "SELECT source_id FROM ops.erased_records ORDER BY 1") == [
        ("5",),
        ("6",),
    ]


def test_a_privacy_deletion_erases_without_asking_the_source(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    fill(conn, hubspot)
    deliver(conn, event(1, "contact.privacyDeletion", number=9))

    result = merge()

    assert result.records_deleted == 1
    # One came twice, and one cannot be read: no event tells which.
    assert places_of(conn, MARK) == {"staging.webhook_deliveries.body"}
    redact_inbox(conn, hubspot, "hubspot", actor="maintenance")
    assert places_of(conn, MARK) == set()
    assert rows(
        conn, "SELECT DISTINCT state FROM staging.webhook_events WHERE object_id = '1'"
    ) == [("merged",)]
