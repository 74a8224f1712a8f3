"""Who cannot be merged rests, and is told; the webhooks of all others go on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.connections.webhooks import WebhookOwner
from crm_warehouse.engine import webhooks
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.recovery import Access, Due
from crm_warehouse.engine.webhook_gaps import find_overdue
from crm_warehouse.engine.webhook_rests import is_stuck
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import (
    AuthenticationError,
    GuardError,
    MissingScopeError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
    WebhooksRestError,
)
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity, Source

RESTS = (
    "SELECT entity_type, category, tries, extract(epoch FROM until - since)::int"
    " FROM ops.webhook_rests ORDER BY 1"
)
STATES = (
    "SELECT entity_type, state, count(*) FROM staging.webhook_events"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)
STATUSES = "SELECT status, error_type FROM ops.sync_jobs ORDER BY id"
OVER = "UPDATE ops.webhook_rests SET until = clock_timestamp()"
DOWN = TransientSourceError("status 503")
NO_SCOPE = MissingScopeError("deals: scope missing")
RUN = {"dag_id": "hubspot__webhooks", "run_id": "run 1"}

Merge = Callable[..., SyncResult]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    source = load_source(default_directory() / "hubspot.yaml")
    return replace(source, quotas=())


@pytest.fixture
def crm() -> ScriptedCrm:
    people = {str(n): contact(n, f"Ann{n}") for n in range(1, 101)}
    deals = {str(n): contact(n, "Roof") for n in range(1, 11)}
    return ScriptedCrm({"contacts": people, "deals": deals})


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    """A merge as Airflow asks for it, unless told otherwise."""

    def merge(**asked: Any) -> SyncResult:
        airflow = {"spares_resting": True, "triggered_by": "airflow", **RUN}
        return merge_webhooks(
            WebhookRequest(hubspot, "hubspot", **{**airflow, **asked}),
            conninfo=warehouse,
            open_client=crm.open_client,
        )

    return merge


def refuse(crm: ScriptedCrm, error: SourceError | None, *entities: str) -> None:
    """The source refuses these entities from now on, others not."""

    def fail(entity: Entity, _: Sequence[str]) -> None:
        if error is not None and entity.name in entities:
            raise error

    crm.asked.clear()
    crm.before_read = fail


def announce(conn: Connection, number: int) -> None:
    """The contact and the deal with the number have changed."""
    deliver(
        conn,
        event(number, number=number),
        event(number, "deal.propertyChange", number=1000 + number),
    )


def pending(conn: Connection) -> bool:
    [(found,)] = conn.execute(
        query("find_pending_webhooks"), {"source_system": "hubspot"}
    ).fetchall()
    return bool(found)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("401"),
        RequestRefusedError("400", 400),
        NO_SCOPE,
    ],
    ids=lambda error: error.category,
)
def test_who_is_refused_rests_and_all_others_go_on(
    conn: Connection, merge: Merge, crm: ScriptedCrm, error: SourceError
) -> None:
    refuse(crm, error, "deals")
    announce(conn, 1)

    with pytest.raises(type(error)):
        merge()

    assert rows(conn, RESTS) == [("deals", error.category, 1, 900)]
    assert not pending(conn)

    crm.asked.clear()
    announce(conn, 2)
    assert pending(conn)
    assert merge(run_id="run 2").status == "success"
    assert crm.asked == [("contacts", ["2"])]
    assert rows(conn, STATES) == [("contacts", "merged", 2), ("deals", "pending", 2)]
    assert rows(conn, RESTS) == [("deals", error.category, 1, 900)]
    assert not pending(conn)


def test_a_guard_lets_its_entity_rest_alone(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(conn, *(event(n, number=n) for n in range(1, 101)))
    merge()
    for n in range(1, 31):
        del crm.records["contacts"][str(n)]
    deliver(conn, *(event(n, "contact.deletion", number=500 + n) for n in range(1, 31)))

    with pytest.raises(GuardError, match="denies 30 of 100"):
        merge(run_id="run 2")
    assert rows(conn, RESTS) == [("contacts", "guard", 1, 900)]
    announce(conn, 777)
    assert merge(run_id="run 3").status == "success"

    assert ("deals", "merged", 1) in rows(conn, STATES)
    assert ("contacts", "pending", 31) in rows(conn, STATES)

    merge(override=frozenset({"mass_delete"}), spares_resting=False)
    assert rows(conn, RESTS) == []
    assert not pending(conn)


def test_when_its_rest_is_over_it_is_tried_and_told_again(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()

    conn.execute(OVER)
    assert pending(conn)
    with pytest.raises(MissingScopeError):
        merge(run_id="run 2")

    assert rows(conn, RESTS) == [("deals", "missing_scope", 2, 900)]
    refuse(crm, None)
    conn.execute(OVER)
    assert merge(run_id="run 3").records_created == 1
    assert rows(conn, RESTS) == []


def test_what_may_pass_rests_for_seconds_first_and_is_then_told_once(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, DOWN, "deals")
    for attempt, seconds in enumerate((15, 60, 240), start=1):
        announce(conn, attempt)
        assert merge(run_id=f"run {attempt}").status == "success"
        assert rows(conn, RESTS) == [("deals", "transient", attempt, seconds)]
        conn.execute(OVER)

    for attempt in (4, 5):
        with pytest.raises(WebhooksRestError, match=r"refused . times .* status 503"):
            merge(run_id=f"run {attempt}")
        assert rows(conn, RESTS) == [("deals", "transient", attempt, 900)]
        conn.execute(OVER)

    # Nobody takes such a job up: it is not to be tried before the rest is over.
    assert rows(conn, STATUSES)[-1] == ("failed", "webhooks_rest")
    assert rows(conn, STATES) == [("contacts", "merged", 3), ("deals", "pending", 3)]
    refuse(crm, None)
    assert merge(run_id="run 6").records_created == 3
    assert rows(conn, RESTS) == []


def test_a_person_is_told_at_once_and_tries_all(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, DOWN, "deals")
    announce(conn, 1)
    for tries, seconds in ((1, 15), (2, 60)):
        with pytest.raises(TransientSourceError):
            merge(spares_resting=False, triggered_by="cli", dag_id=None, run_id=None)
        assert rows(conn, RESTS) == [("deals", "transient", tries, seconds)]


def test_maintenance_tries_all(
    warehouse: str, conn: Connection, merge: Merge, crm: ScriptedCrm, hubspot: Source
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()
    refuse(crm, None)

    nobody = WebhookOwner(portal_id=None, app_id=None)
    access = Access(hubspot, lambda _: crm.open_client, nobody)
    Due(hubspot, "webhooks", "webhook", "key").load(access, conninfo=warehouse)

    assert rows(conn, RESTS) == []
    assert rows(conn, STATES) == [("contacts", "merged", 1), ("deals", "merged", 1)]


@pytest.mark.parametrize("entity", ["contacts", "deals", None])
def test_maintenance_leaves_alone_who_rests_and_nobody_else(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    hubspot: Source,
    entity: str | None,
) -> None:
    """Its merges hold the lock, and the others would wait for who is refused."""
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()
    conn.execute(
        "UPDATE staging.webhook_events SET created_at = created_at - interval '1 hour'"
    )
    assert find_overdue(conn, hubspot) == (0, [])

    conn.execute(
        "UPDATE staging.webhook_events SET state = 'pending', entity_type = %s"
        " WHERE entity_type = 'contacts'",
        [entity],
    )
    assert find_overdue(conn, hubspot)[0] == (0 if entity == "deals" else 2)
    conn.execute(OVER)
    assert find_overdue(conn, hubspot)[0] == 2


def test_what_a_person_must_mend_is_told_before_a_missing_scope(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    """A task that lacks a scope is skipped, which hides all else."""

    def fail(entity: Entity, _: Sequence[str]) -> None:
        raise NO_SCOPE if entity.name == "contacts" else AuthenticationError("401")

    crm.before_read = fail
    announce(conn, 1)

    with pytest.raises(AuthenticationError, match="401"):
        merge()

    assert [each[:2] for each in rows(conn, RESTS)] == [
        ("contacts", "missing_scope"),
        ("deals", "authentication"),
    ]


def test_erasures_of_an_entity_that_rests_are_done(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1), event(2, number=2))
    merge()
    refuse(crm, NO_SCOPE, "contacts")
    deliver(conn, event(3, number=3))
    with pytest.raises(MissingScopeError):
        merge(run_id="run 2")

    deliver(conn, event(1, "contact.privacyDeletion", number=4))
    merge(run_id="run 3", portal_id="24601")

    assert rows(conn, "SELECT source_id FROM ops.erased_records") == [("1",)]
    assert rows(conn, STATES)[-1] == ("contacts", "pending", 1)


def test_who_is_switched_off_rests_no_more(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()

    conn.execute(
        "UPDATE ops.sync_configurations SET is_active = false"
        " WHERE source_system = 'hubspot' AND entity_type = 'deals'"
    )
    merge(run_id="run 2")

    assert rows(conn, RESTS) == []
    assert rows(conn, STATES)[-1] == ("deals", "ignored", 1)


@pytest.mark.parametrize("entity", ["contacts", "deals", "tickets", None])
def test_events_of_others_and_of_none_are_pending(
    conn: Connection, merge: Merge, crm: ScriptedCrm, entity: str | None
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()

    conn.execute(
        "UPDATE staging.webhook_events SET state = 'pending', entity_type = %s"
        " WHERE entity_type = 'contacts'",
        [entity],
    )

    assert pending(conn) is (entity != "deals")


def test_a_million_events_that_rest_are_not_looked_through(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()
    conn.execute(
        "INSERT INTO staging.webhook_events (delivery_id, position, source_system,"
        " entity_type, object_id, event_type, dedupe_key) SELECT 1, n, 'hubspot',"
        " 'deals', (n % 5000)::text, 'deal.creation', n::text"
        " FROM generate_series(1, 30000) AS n"
    )
    conn.execute(  # as of tickets, which nobody loads
        "INSERT INTO staging.webhook_events (delivery_id, position, source_system,"
        " event_type, dedupe_key, state) SELECT 1, n, 'hubspot', 'ticket.creation',"
        " 't' || n, 'ignored' FROM generate_series(1, 30000) AS n"
    )
    conn.execute("ANALYZE staging.webhook_events")
    values = {"source_system": "hubspot", **RUN, "ended_at": None}

    for name in ("find_pending_webhooks", "find_stuck_webhooks"):
        asked = b"EXPLAIN (ANALYZE, FORMAT JSON) " + query(name).as_bytes(conn)
        [(plans,)] = conn.execute(asked, values).fetchall()
        whole = plans[0]["Plan"]
        assert whole["Shared Hit Blocks"] + whole["Shared Read Blocks"] < 60, name


def test_a_merge_looks_no_further_back_than_it_was(
    conn: Connection, merge: Merge, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would pass all events that rest again and again."""
    monkeypatch.setattr(webhooks, "_BATCH", 1)
    deliver(conn, *(event(n, number=n) for n in range(1, 4)))

    def replay(_: Entity, ids: Sequence[str]) -> None:
        if "2" in ids:
            conn.execute("UPDATE staging.webhook_events SET state = 'pending'")

    crm.before_read = replay
    merge()

    assert [ids for _, ids in crm.asked] == [["1"], ["2"], ["3"]]
    assert rows(conn, STATES) == [("contacts", "merged", 2), ("contacts", "pending", 1)]
    assert pending(conn)


def stuck(warehouse: str, conn: Connection, **run: str) -> bool:
    [(now,)] = rows(conn, "SELECT clock_timestamp()")
    return is_stuck(warehouse, "hubspot", ended_at=now, **{**RUN, **run})


def test_what_came_before_the_merge_and_is_still_there_is_stuck(
    warehouse: str, conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    assert not stuck(warehouse, conn)
    announce(conn, 1)
    # Its task failed before it claimed a job.
    assert stuck(warehouse, conn)
    # It crashed, and its next try found the same.
    crm.before_read = lambda *_: (_ for _ in ()).throw(RuntimeError("a defect"))
    for _ in range(2):
        with pytest.raises(RuntimeError):
            merge()
        assert stuck(warehouse, conn)


def test_who_was_refused_or_came_later_is_not_stuck(
    warehouse: str, conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()
    assert not stuck(warehouse, conn)

    announce(conn, 2)
    assert not stuck(warehouse, conn)
    # Another run's merge should have taken it.
    assert stuck(warehouse, conn, run_id="run 2")


def test_a_rest_that_ends_before_the_next_run_looks_is_a_rest(
    warehouse: str, conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    refuse(crm, NO_SCOPE, "deals")
    announce(conn, 1)
    with pytest.raises(MissingScopeError):
        merge()

    conn.execute(OVER)

    assert pending(conn)
    assert not stuck(warehouse, conn)


def test_a_job_that_an_earlier_run_began_counts_from_when_it_was_taken_up(
    warehouse: str, conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    """What came between its beginning and this run's try should have been merged."""
    crm.before_read = lambda *_: (_ for _ in ()).throw(RuntimeError("a defect"))
    announce(conn, 1)
    with pytest.raises(RuntimeError):
        merge()
    conn.execute("UPDATE staging.webhook_events SET state = 'merged'")
    announce(conn, 2)
    assert not stuck(warehouse, conn)

    # It takes up the job of the run before, and is killed before it looks.
    with pytest.raises(RuntimeError):
        merge(run_id="run 2")
    conn.execute("UPDATE staging.webhook_events SET state = 'merged'")
    conn.execute("UPDATE staging.webhook_deliveries SET state = 'pending' WHERE id = 2")

    assert len(rows(conn, STATUSES)) == 1
    assert stuck(warehouse, conn, run_id="run 2")
