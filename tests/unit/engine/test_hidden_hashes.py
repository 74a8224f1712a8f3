"""After an erasure no hash is left to guess by, and what comes again is known again."""

import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, event
from test_carried_records import JSON, LEADS, Merge, lead, merge, source
from test_erasure import MARK, erasing, hubspot, places_of

from crm_warehouse.engine.erased_keys import ErasureKey, own_key
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox import explode_deliveries
from crm_warehouse.engine.inbox_care import Care, replay
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.migrations import read_folder
from crm_warehouse.engine.queries import SQL_FOLDER
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.spec import Source
from webhook_receiver.proofs import content_key
from webhook_receiver.statements import statement

__all__ = ["hubspot", "merge", "source"]

DELIVERIES = "SELECT id, state, replay_key FROM staging.webhook_deliveries ORDER BY id"
EVENTS = (
    "SELECT delivery_id, position, object_id, state, dedupe_key"
    " FROM staging.webhook_events ORDER BY id"
)


def take(conn: Connection, system: str, body: bytes, *, is_signed: bool = False) -> int:
    """Store a delivery by the receiver's own statement; how many rows that made.

    By the key of sources that sign no time, unless ``is_signed``.
    """
    key = f"1.{'A' * 43}=" if is_signed else content_key(JSON.encode(), body)
    packed = zlib.compress(body, 1)
    values = (system, "req", key, JSON, "{}", "https://x.example/", packed, len(body))
    return conn.execute(statement("store_delivery"), values).rowcount


def leads(*records: Any) -> bytes:
    return json.dumps(list(records)).encode()


def named(source_id: str, first_name: str) -> dict[str, Any]:
    """A lead without a time: what comes last is believed."""
    return {"id": source_id, "lead": {"first_name": first_name}}


def forgetting(conn: Connection, source: Source, source_id: str = "66a1") -> None:
    """The erasure of a lead, without the inbox."""
    entity = source.entities["leads"]
    with conn.transaction():
        erase(conn, Request(entity, source.name, [source_id], "request", "cli"))


def guesses(conn: Connection, body: bytes) -> set[str]:
    """Hashes by which whoever knows all but a value could find it."""
    stored = rows(conn, "SELECT dedupe_key FROM staging.webhook_events")
    keys = {key for (key,) in stored}
    replay = content_key(JSON.encode(), body)
    return {hashlib.sha256(body).hexdigest(), replay, *keys}


@pytest.fixture
def merged(warehouse: str, hubspot: Source) -> Callable[[], SyncResult]:
    crm = ScriptedCrm({"contacts": {"2": contact(2, "Bo")}})
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


class TestWhatAnnounces:
    """HubSpot's, whose events have keys made of what they say."""

    def test_no_hash_of_what_is_gone_is_left_anywhere(
        self,
        conn: Connection,
        hubspot: Source,
        merged: Callable[[], SyncResult],
    ) -> None:
        deep = "[" * 5_000 + "]" * 5_000
        mine = json.dumps(event(1, propertyValue=MARK))
        odd = f'{{"objectId": 1, "x": "{MARK}", "y": {deep}}}'
        body = f"[{mine}, {odd}]".encode()
        take(conn, "hubspot", body)
        merged()
        plain = guesses(conn, body)
        assert hashlib.sha256(odd.encode()).hexdigest() in plain
        assert len(plain) == 4

        erasing(conn, hubspot)

        assert set().union(*(places_of(conn, each) for each in plain)) == set()

    def test_those_that_come_after_the_erasure_leave_none_either(
        self,
        conn: Connection,
        hubspot: Source,
        merged: Callable[[], SyncResult],
    ) -> None:
        body = leads(event(1, propertyValue=MARK), event(2, number=2))
        take(conn, "hubspot", body)
        explode_deliveries(conn, WebhookRequest(hubspot, "hubspot"))
        (mine, other) = (row[4] for row in rows(conn, EVENTS))
        conn.execute("TRUNCATE staging.webhook_deliveries CASCADE")
        erasing(conn, hubspot)

        take(conn, "hubspot", body)
        merged()

        assert [row[3] for row in rows(conn, EVENTS)] == ["ignored", "merged"]
        digest = hashlib.sha256(body).hexdigest()
        gone = (mine, digest, content_key(JSON.encode(), body))
        assert [places_of(conn, each) for each in gone] == [set(), set(), set()]
        # Another's events stay as they are, and are known by what they say.
        assert places_of(conn, other) == {"staging.webhook_events.dedupe_key"}

    def test_an_event_that_comes_again_after_it_is_known(
        self,
        conn: Connection,
        hubspot: Source,
        merged: Callable[[], SyncResult],
    ) -> None:
        mine, other = event(1, propertyValue=MARK), event(2, number=2)
        take(conn, "hubspot", leads(mine, other))
        merged()
        erasing(conn, hubspot)
        before = rows(conn, EVENTS)

        take(conn, "hubspot", leads(other, mine), is_signed=True)
        merged()

        assert len(rows(conn, DELIVERIES)) == 2
        assert rows(conn, EVENTS) == before
        assert places_of(conn, MARK) == set()

    def test_one_that_comes_again_before_the_inbox_was_looked_through_as_well(
        self, conn: Connection, hubspot: Source
    ) -> None:
        mine, request = event(1, propertyValue=MARK), WebhookRequest(hubspot, "hubspot")
        take(conn, "hubspot", leads(mine))
        explode_deliveries(conn, request)
        entity = hubspot.entities["contacts"]
        with conn.transaction():
            erase(conn, Request(entity, "hubspot", ["1"], "request", "cli"))

        take(conn, "hubspot", leads(mine), is_signed=True)
        take(conn, "hubspot", leads(mine, mine))
        explode_deliveries(conn, request)
        redact_inbox(conn, hubspot, "hubspot", actor="cli")

        [(delivery, _, _, _, key)] = rows(conn, EVENTS)
        assert delivery == 1
        assert key.startswith("hmac.")
        assert places_of(conn, MARK) == set()

    def test_a_signed_time_is_no_hash_and_stays(
        self, conn: Connection, hubspot: Source
    ) -> None:
        body = leads(event(1, propertyValue=MARK))
        take(conn, "hubspot", body, is_signed=True)
        erasing(conn, hubspot)

        # So receivers know it again by themselves.
        assert take(conn, "hubspot", body, is_signed=True) == 0


class TestWhatCarries:
    """ActiveProspect's, which the receiver knows by a hash of the body alone."""

    def test_the_same_bytes_bring_nobody_back_and_change_nobody_else(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        body = leads(named("66a1", MARK), named("66a2", "Bo"))
        assert take(conn, "activeprospect", body) == 1
        merge()
        take(conn, "activeprospect", leads(named("66a2", "Bob")))
        merge()
        assert take(conn, "activeprospect", body) == 0
        forgetting(conn, source)
        redact_inbox(conn, source, "activeprospect", actor="cli")
        plain = content_key(JSON.encode(), body)
        assert places_of(conn, plain) == set()
        before = rows(conn, DELIVERIES), rows(conn, EVENTS), rows(conn, LEADS)

        assert take(conn, "activeprospect", body) == 1  # it cannot know
        merge()

        # An older state of the other lead would be believed, were it news.
        assert [row[3] for row in before[2]] == [None, "Bob"]
        after = rows(conn, DELIVERIES), rows(conn, EVENTS), rows(conn, LEADS)
        assert after == before
        assert places_of(conn, MARK) == places_of(conn, plain) == set()

    def test_nor_do_they_when_another_of_them_is_erased_before_they_are_looked_at(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        body = leads(named("66a1", MARK), named("66a2", MARK), named("66a3", "Bo"))
        take(conn, "activeprospect", body)
        merge()
        take(conn, "activeprospect", leads(named("66a3", "Bob")))
        merge()
        for number, source_id in enumerate(("66a1", "66a2")):
            assert take(conn, "activeprospect", body) == number
            forgetting(conn, source, source_id)
            redact_inbox(conn, source, "activeprospect", actor="cli")
            merge()

        assert len(rows(conn, DELIVERIES)) == 2
        assert [row[3] for row in rows(conn, LEADS)] == [None, None, "Bob"]
        assert places_of(conn, MARK) == set()

    def test_bytes_that_differ_in_one_are_another_delivery_and_bring_nobody_back(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        take(conn, "activeprospect", leads(named("66a1", MARK), named("66a2", "Bo")))
        merge()
        forgetting(conn, source)
        redact_inbox(conn, source, "activeprospect", actor="cli")

        take(conn, "activeprospect", leads(named("66a1", MARK), named("66a2", "Bob")))
        merge()

        assert len(rows(conn, DELIVERIES)) == 2
        assert [(row[0], row[3]) for row in rows(conn, LEADS)] == [
            ("66a1", None),
            ("66a2", "Bob"),
        ]
        assert places_of(conn, MARK) == set()

    def test_a_replay_of_what_was_redacted_makes_no_second_row(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        take(conn, "activeprospect", leads(lead(), ["no lead"]))
        merge()
        forgetting(conn, source)
        redact_inbox(conn, source, "activeprospect", actor="cli")
        places = [(row[0], row[1]) for row in rows(conn, EVENTS)]
        # A key that tells the place alone is no hash of anything.
        assert [row[4] for row in rows(conn, EVENTS)] == [own_key(*x) for x in places]

        replay(conn, Care(Choice("events", {"state": "failed"}), "me", True))
        merge()

        assert [(row[0], row[1]) for row in rows(conn, EVENTS)] == places
        assert [row[1] for row in rows(conn, DELIVERIES)] == ["exploded"]


def test_the_migration_hides_what_an_earlier_release_left(
    conn: Connection, hubspot: Source, merged: Callable[[], SyncResult]
) -> None:
    body = leads(event(1, propertyValue=MARK), event(2, number=2))
    take(conn, "hubspot", body)
    merged()
    [(_, _, plain_replay)] = rows(conn, DELIVERIES)
    plain = [row[4] for row in rows(conn, EVENTS)]
    erasing(conn, hubspot)
    hidden = rows(conn, DELIVERIES), rows(conn, EVENTS), _digest(conn)
    conn.execute(
        "UPDATE staging.webhook_deliveries SET replay_key = %s, body_sha256 = %s",
        [plain_replay, hashlib.sha256(body).hexdigest()],
    )
    conn.execute(
        "UPDATE staging.webhook_events SET dedupe_key = %s WHERE object_id = '1'",
        [plain[0]],
    )
    [text] = [
        each.text
        for each in read_folder(SQL_FOLDER / "migrations")
        if each.version == "0033"
    ]
    for _ in range(2):
        with conn.transaction():
            conn.execute(text.encode())

    assert (rows(conn, DELIVERIES), rows(conn, EVENTS), _digest(conn)) == hidden
    assert [row[4] == old for row, old in zip(hidden[1], plain, strict=True)] == [
        False,
        True,
    ]


def _digest(conn: Connection) -> str:
    [(digest,)] = rows(conn, "SELECT body_sha256 FROM staging.webhook_deliveries")
    return str(digest)


def test_a_hash_is_hidden_once_and_by_the_key(conn: Connection) -> None:
    plain = hashlib.sha256(b"what was signed").hexdigest()
    hidden = ErasureKey(conn).hide(plain)

    assert hidden != plain
    assert ErasureKey(conn).hide(hidden) == hidden
    conn.execute("UPDATE ops.erasure_key SET key = 'another'")
    assert ErasureKey(conn).hide(plain) != hidden
