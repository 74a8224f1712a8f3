"""What was pushed keeps no values of an erased person, and a kill is made up for."""

import json
import zlib
from collections.abc import Callable

import psycopg
import pytest
from engine_load import Connection, Load, at, rows
from scripted_crm import ScriptedCrm, contact, deliver, event
from test_erasure import MARK, erasing, hubspot, marked, places_of

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import Forgotten, unpack
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.spec import Source

__all__ = ["hubspot"]

PUSHED = {"staging.webhook_events.payload", "staging.webhook_deliveries.body"}
UNREDACTED = "SELECT source_id FROM ops.erased_records WHERE redacted_at IS NULL"


@pytest.fixture
def merge(warehouse: str, hubspot: Source) -> Callable[[], SyncResult]:
    crm = ScriptedCrm({"contacts": {"3": contact(3, "Bo")}})
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot", portal_id="24601"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def odd_events(conn: Connection) -> None:
    """Events of person 1 that are not ours, or not usable."""
    deliver(
        conn,
        event(1, "contact.propertyHistoryChange", propertyValue=MARK, number=3),
        event("1 ", propertyValue=MARK, number=4),
        event(11, propertyValue="Bo", number=5),
        event(11, "contact.odd", propertyValue="Bo", number=6),
    )
    deliver(conn, event([1], "contact.propertyChange", propertyValue=MARK, number=7))


def test_events_of_nobody_that_name_the_record_are_redacted(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    odd_events(conn)
    merge()
    assert places_of(conn, MARK) == PUSHED

    counts = erasing(conn, hubspot)

    assert places_of(conn, MARK) == set()
    assert counts["staging.webhook_events"] == 3
    assert counts["staging.webhook_deliveries"] == 2
    [(body,), _] = rows(conn, "SELECT body FROM staging.webhook_deliveries ORDER BY id")
    values = [each.get("propertyValue") for each in json.loads(zlib.decompress(body))]
    assert values == [None, None, "Bo", "Bo"]


def test_those_that_come_after_the_erasure_as_well(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    erasing(conn, hubspot)
    deliver(conn, event("1 ", propertyValue=MARK), event(3, propertyValue="Bo"))

    merge()

    assert places_of(conn, MARK) == set()
    assert places_of(conn, "Bo") >= PUSHED


@pytest.mark.parametrize("by", ["merge", "erase", "maintenance"])
def test_a_kill_between_erasure_and_inbox_is_made_up_for(
    conn: Connection,
    hubspot: Source,
    merge: Callable[[], SyncResult],
    warehouse: str,
    by: str,
) -> None:
    load = Load(conn, hubspot, hubspot.entities["contacts"])
    load.write(marked(1), observed=at(1))
    load.finish()
    deliver(conn, event(1, propertyValue=MARK), event(3, number=2))
    merge()
    entity = hubspot.entities["contacts"]
    with conn.transaction():
        erase(conn, Request(entity, "hubspot", ["1"], "request", "cli"))
    assert places_of(conn, MARK) == PUSHED
    assert rows(conn, UNREDACTED) == [("1",)]

    if by == "merge":
        merge()
    elif by == "erase":
        erasing(conn, hubspot, "99")
    else:
        maintain(MaintenanceRequest([hubspot]), conninfo=warehouse)

    assert places_of(conn, MARK) == set()
    # What no event tells of is left to maintenance.
    assert rows(conn, UNREDACTED) == ([("1",)] if by == "merge" else [])


def test_a_merge_looks_at_what_the_events_name_and_maintenance_at_the_rest(
    conn: Connection,
    hubspot: Source,
    merge: Callable[[], SyncResult],
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = event(1, propertyValue=MARK)
    deliver(conn, mine)
    deliver(conn, mine, event(3, propertyValue="Bo", number=2))  # it came before
    deliver(conn, event(3, propertyValue="Bo", number=4))
    merge()
    looked: list[bytes] = []
    monkeypatch.setattr(
        "crm_warehouse.engine.inbox_redaction.unpack",
        lambda body: looked.append(body) or unpack(body),
    )
    deliver(conn, event(1, "contact.privacyDeletion", number=5))

    merge()

    assert len(set(looked)) == 2  # the first, and the deletion itself
    assert places_of(conn, MARK) == {"staging.webhook_deliveries.body"}
    looked.clear()
    merge()
    assert looked == []
    assert rows(conn, UNREDACTED) == [("1",)]

    maintain(MaintenanceRequest([hubspot]), conninfo=warehouse)

    assert places_of(conn, MARK) == set()
    assert rows(conn, UNREDACTED) == []


def test_a_kill_of_a_merge_that_redacts_is_made_up_for_by_the_next(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    deliver(conn, event(1, propertyValue=MARK))
    merge()
    entity = hubspot.entities["contacts"]
    with conn.transaction():
        erase(conn, Request(entity, "hubspot", ["1"], "request", "cli"))

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        redact_inbox(conn, hubspot, "hubspot", actor="m", beat=die, told_only=True)
    assert places_of(conn, MARK) == {"staging.webhook_events.payload"}

    merge()

    assert places_of(conn, MARK) == set()


def test_a_kill_while_the_inbox_is_redacted_is_made_up_for(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    deliver(conn, event(1, propertyValue=MARK))
    merge()
    entity = hubspot.entities["contacts"]
    with conn.transaction():
        erase(conn, Request(entity, "hubspot", ["1"], "request", "cli"))

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        redact_inbox(conn, hubspot, "hubspot", actor="cli", beat=die)
    assert places_of(conn, MARK) == {"staging.webhook_deliveries.body"}
    redact_inbox(conn, hubspot, "hubspot", actor="cli")

    assert places_of(conn, MARK) == set()


def test_nothing_is_held_while_the_inbox_is_looked_through(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult], warehouse: str
) -> None:
    deliver(conn, event(1, propertyValue=MARK))
    merge()
    entity = hubspot.entities["contacts"]
    with conn.transaction():
        erase(conn, Request(entity, "hubspot", ["1"], "request", "cli"))
    held: list[int] = []

    def look() -> None:
        with psycopg.connect(warehouse) as other:
            found = other.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())"
            ).fetchone()
        held.append(found[0] if found else -1)

    redact_inbox(conn, hubspot, "hubspot", actor="cli", beat=look)

    assert held == [0, 0]


def test_a_batch_of_what_is_nobodys_reads_no_more_than_the_batch(
    conn: Connection,
) -> None:
    delivery = deliver(conn, event(1))
    conn.execute(
        "INSERT INTO staging.webhook_events (delivery_id, position, source_system,"
        " event_type, dedupe_key, state) SELECT %s, n, 'hubspot', 'ticket.creation',"
        " 't' || n, 'ignored' FROM generate_series(1, 30000) AS n",
        [delivery],
    )
    conn.execute("ANALYZE staging.webhook_events")
    values = {"source_system": "hubspot", "entities": ["contacts"], "ids": ["1"]}
    limits = {"told_only": False, "after": 100, "limit": 500}

    asked = b"EXPLAIN (ANALYZE, FORMAT JSON) "
    asked += query("events_of_records").as_bytes(conn)
    [(plans,)] = conn.execute(asked, {**values, **limits}).fetchall()

    whole = plans[0]["Plan"]
    assert whole["Actual Rows"] == 500
    assert whole["Shared Hit Blocks"] + whole["Shared Read Blocks"] < 60


def test_an_id_inside_a_longer_number_is_another() -> None:
    forgotten = Forgotten([("contacts", "24601")])

    assert forgotten.may_stand_in(b'{"objectId":24601}')
    assert not forgotten.may_stand_in(b'{"objectId":124601,"eventId":246013}')
    assert not forgotten.concerns(None, None, {"objectId": 5, "portalId": 24601})
    assert forgotten.concerns(None, None, {"mergedObjectIds": [7, "24601"]})
    assert not forgotten.concerns("deals", "24601", {"objectId": 24601})


def test_a_body_with_an_event_that_cannot_be_read_keeps_the_others(
    conn: Connection, hubspot: Source, merge: Callable[[], SyncResult]
) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    mine = json.dumps(event(1, propertyValue=MARK))
    other = json.dumps(event(3, propertyValue="Bo", number=2))
    told = f'[{mine}, {{"objectId": 1, "x": "{MARK}", "y": {deep}}}, {other}, {deep}]'
    deliver(conn, body=told.encode())

    erasing(conn, hubspot)

    [(body,)] = rows(conn, "SELECT body FROM staging.webhook_deliveries")
    left = zlib.decompress(body).decode()
    assert MARK not in left
    assert left.endswith(f"null,{other},{deep}]")
    merge()
    states = "SELECT object_id, state FROM staging.webhook_events ORDER BY position"
    assert rows(conn, states) == [
        ("1", "ignored"),
        (None, "failed"),
        ("3", "merged"),
        (None, "failed"),
    ]
