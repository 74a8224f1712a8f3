"""The ledger against the warehouse: what must be there, once, and what must not.

*Once* means three things. A delivery: one row for each time and signature. An event:
one row for each record that it is about, which left the state ``pending`` in one
commit; nothing touched it again. A record: the committed changes of its row since the
senders began are no more than its moves in HubSpot, and the jobs' own counters say no
more than was committed, of new rows exactly that.

So that the latter can be seen, the warehouse is given triggers that write down what is
committed. Another one lets a delivery of a hundred take up to a second longer, so that
smaller ids become visible later.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from include.sandbox.crm import Crm
from tests.proof import account
from tests.proof.ledger_books import STATES, Books, digest
from tests.proof.ledger_teller import event_id
from tests.proof.oracle import compare_all, state_differences

_WATCH = """
CREATE SCHEMA proof;
CREATE TABLE proof.writes (source_id text, kind text);
CREATE TABLE proof.settled_again (what text);
CREATE FUNCTION proof.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO proof.writes VALUES (NEW.source_id, TG_ARGV[0]);
    RETURN NULL;
END $$;
CREATE FUNCTION proof.note_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO proof.settled_again VALUES (TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE FUNCTION proof.be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(random());
    RETURN NEW;
END $$;
-- It has its id by then, and commits behind others with greater ones.
CREATE TRIGGER proof_slow BEFORE INSERT ON staging.webhook_deliveries
    FOR EACH ROW WHEN (random() < 0.01) EXECUTE FUNCTION proof.be_slow();
CREATE TRIGGER proof_created AFTER INSERT ON warehouse.contacts
    FOR EACH ROW EXECUTE FUNCTION proof.note_write('created');
CREATE TRIGGER proof_updated AFTER UPDATE ON warehouse.contacts
    FOR EACH ROW WHEN (
        NOT NEW.is_deleted AND (OLD.is_deleted OR OLD.sync_hash <> NEW.sync_hash)
    ) EXECUTE FUNCTION proof.note_write('updated');
CREATE TRIGGER proof_deleted AFTER UPDATE ON warehouse.contacts
    FOR EACH ROW WHEN (NEW.is_deleted AND NOT OLD.is_deleted)
    EXECUTE FUNCTION proof.note_write('deleted');
CREATE TRIGGER proof_event AFTER UPDATE ON staging.webhook_events
    FOR EACH ROW WHEN (OLD.state <> 'pending')
    EXECUTE FUNCTION proof.note_settled();
CREATE TRIGGER proof_delivery AFTER UPDATE ON staging.webhook_deliveries
    FOR EACH ROW WHEN (OLD.state <> 'pending')
    EXECUTE FUNCTION proof.note_settled();
"""
_EVENTS = """
SELECT e.occurred_at, e.event_id, e.object_id, e.state, e.is_gone,
    j.job_type = 'webhook' AND j.status IN ('success', 'partial')
FROM staging.webhook_events AS e LEFT JOIN ops.sync_jobs AS j ON j.id = e.job_id
"""
_EPOCH = datetime.fromtimestamp(0, UTC)
_ROWS = 10_000


def watch(conninfo: str) -> None:
    """Have the warehouse write down what it commits from now on, some of it slowly."""
    with psycopg.connect(conninfo) as conn:
        conn.execute(_WATCH)


def wrongs(conninfo: str, books: Books, crm: Crm, began_ms: int) -> Iterator[str]:
    """What is not as the books say; all has ended.

    Args:
        conninfo: The warehouse.
        books: What was told, sent and acknowledged.
        crm: HubSpot, which knows the truth.
        began_ms: What ``occurredAt`` counts the numbers of events from.
    """
    with psycopg.connect(conninfo) as conn:
        yield from _wrong_deliveries(conn, books)
        yield from _wrong_events(conn, books, began_ms)
        yield from _wrong_writes(conn, books)
    for table, other in compare_all(conninfo, crm, "contacts").items():
        yield (
            f"{table}: {len(other.missing)} missing, {len(other.extra)} extra,"
            f" {len(other.different)} different"
        )
    if found := state_differences(conninfo, crm, "contacts"):
        yield f"{len(found)} about merged contacts, as {found[0]}"
    for job in account.read(conninfo, 0).jobs:
        if job["status"] not in ("success", "partial"):
            yield f"job {job['id']} is {job['status']}"
        if not account.adds_up(job):
            yield f"the counters of job {job['id']} do not add up"


def _stream(conn: psycopg.Connection[Any], statement: str) -> Iterator[Any]:
    with conn.cursor("ledger") as cursor:
        cursor.itersize = _ROWS
        yield from cursor.execute(statement.encode())


def _wrong_deliveries(conn: psycopg.Connection[Any], books: Books) -> Iterator[str]:
    found: Counter[bytes] = Counter()
    other = failed = 0
    statement = "SELECT replay_key, body, state FROM staging.webhook_deliveries"
    for replay_key, body, state in _stream(conn, statement):
        key = digest(replay_key.encode())
        found[key] += 1
        other += books.sent.get(key) != digest(zlib.decompress(body))
        failed += state != "exploded"
    if lost := len(books.taken - found.keys()):
        yield f"{lost} of {len(books.taken)} acknowledged deliveries are not there"
    if other:
        yield f"{other} deliveries are not as HubSpot sent and signed any"
    if twice := found.total() - len(found):
        yield f"{twice} deliveries are there more than once"
    if failed:
        yield f"{failed} deliveries are not exploded"


def _wrong_events(
    conn: psycopg.Connection[Any], books: Books, began_ms: int
) -> Iterator[str]:
    told = len(books.states)
    if missing := told - sum(books.acknowledged):
        yield f"{missing} events were never acknowledged"
    rows, wrong = bytearray(told), Counter[str]()
    for occurred_at, *event in _stream(conn, _EVENTS):
        number = (occurred_at - _EPOCH) // timedelta(milliseconds=1) - began_ms
        if not 0 <= number < told:
            wrong["were forged, or are stale"] += 1
            continue
        rows[number] = min(rows[number] + 1, 255)
        for problem in _problems(books, number, *event):
            wrong[problem] += 1
    for number, count in enumerate(rows):
        if count != (due := len(books.subjects_of(number))):
            wrong["are not there" if count < due else "are there twice"] += 1
    yield from (f"{count} events {problem}" for problem, count in wrong.items())


def _problems(
    books: Books,
    number: int,
    source_event_id: str,
    object_id: str,
    state: str,
    is_gone: bool | None,
    by_ended_merge: bool | None,
) -> Iterator[str]:
    expected = STATES[books.states[number]]
    if state != expected:
        yield f"are {state} instead of {expected}"
    elif state == "merged" and not by_ended_merge:
        yield "were settled by no merge that ended well"
    if object_id not in books.subjects_of(number) or source_event_id != str(
        event_id(number)
    ):
        yield "are not as they were told"
    if is_gone and object_id not in books.gone:
        yield "say that a record is gone that never was"


def _wrong_writes(conn: psycopg.Connection[Any], books: Books) -> Iterator[str]:
    again = conn.execute(
        "SELECT what, count(*) FROM proof.settled_again GROUP BY what"
    ).fetchall()
    yield from (f"{count} rows of {what} were settled again" for what, count in again)
    writes, kinds = Counter[str](), Counter[str]()
    for source_id, kind in _stream(conn, "SELECT source_id, kind FROM proof.writes"):
        writes[source_id] += 1
        kinds[kind] += 1
    if often := sum(n > books.moves[source_id] for source_id, n in writes.items()):
        yield f"{often} contacts were changed more often than HubSpot moved them"
    counted = conn.execute(
        "SELECT coalesce(sum(records_created), 0)::bigint AS created,"
        " coalesce(sum(records_updated), 0)::bigint,"
        " coalesce(sum(records_deleted), 0)::bigint"
        " FROM ops.sync_jobs WHERE job_type = 'webhook'"
    ).fetchone()
    assert counted is not None
    created, *others = counted
    if created != kinds["created"]:
        yield f"jobs count {created} created, committed were {kinds['created']}"
    # A job counts a record once, though another batch of it may change it again, or
    # find it merged.
    for kind, count in zip(("updated", "deleted"), others, strict=True):
        if count > kinds[kind]:
            yield f"jobs count {count} {kind}, committed were {kinds[kind]}"
