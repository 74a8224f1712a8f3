"""A record that the source cannot answer for stops no other; an outage blames none."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhook_gaps import retry_events
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import RequestRefusedError, SourceError, TransientSourceError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity

STATES = "SELECT object_id, state, reason FROM staging.webhook_events ORDER BY id"
COUNTS = "SELECT state, count(*) FROM staging.webhook_events GROUP BY 1 ORDER BY 1"
DOWN = TransientSourceError("status 503")
REASON = "the source answers for other records, but not for this one: "
Merge = Callable[[], SyncResult]


@pytest.fixture
def crm() -> ScriptedCrm:
    people = {str(n): contact(n, f"Ann{n}") for n in range(1, 101)}
    return ScriptedCrm({"contacts": people, "deals": {"5": contact(5, "Roof")}})


@pytest.fixture
def merge(warehouse: str, crm: ScriptedCrm) -> Merge:
    source = replace(load_source(default_directory() / "hubspot.yaml"), quotas=())
    return lambda: merge_webhooks(
        WebhookRequest(source, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


def poison(crm: ScriptedCrm, error: SourceError, *bad: str) -> None:
    """The source fails whenever it is asked for one of these contacts."""

    def fail(entity: Entity, ids: Sequence[str]) -> None:
        if entity.name == "contacts" and not set(bad).isdisjoint(ids):
            raise error

    crm.before_read = fail


@pytest.mark.parametrize(
    ("error", "category"),
    [(DOWN, "transient"), (RequestRefusedError("400", 400), "request_refused")],
)
def test_the_one_is_set_aside_and_the_others_go_on(
    conn: Connection, merge: Merge, crm: ScriptedCrm, error: SourceError, category: str
) -> None:
    poison(crm, error, "3", "64")
    deliver(conn, *(event(n, number=n) for n in range(1, 101)))
    deliver(conn, event(5, "deal.creation", number=777))

    assert merge().records_created == 99

    assert rows(conn, COUNTS) == [("failed", 2), ("merged", 99)]
    failed = [row for row in rows(conn, STATES) if row[1] == "failed"]
    assert failed == [(each, "failed", REASON + category) for each in ("3", "64")]
    assert len(crm.asked) <= 2 * 2 * 7 + 3


def test_of_many_each_merge_sets_two_aside_and_gets_on(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    """As many as would use up a search that looks everywhere at once."""
    bad = [str(n) for n in range(2, 101, 5)]
    poison(crm, DOWN, *bad)
    deliver(conn, *(event(n, number=n) for n in range(1, 101)))

    failed = 0
    while failed < len(bad):
        assert merge().status == "success"
        before, failed = failed, dict(rows(conn, COUNTS))["failed"]
        assert failed >= min(before + 2, len(bad))

    merge()
    assert rows(conn, COUNTS) == [("failed", len(bad)), ("merged", 100 - len(bad))]


def aged(conn: Connection, failed_after: str, failed_since: str) -> None:
    conn.execute(
        "UPDATE staging.webhook_events SET settled_at = now() - %(since)s::interval,"
        " created_at = now() - %(since)s::interval - %(after)s::interval",
        {"since": failed_since, "after": failed_after},
    )


@pytest.mark.parametrize(
    ("failed_after", "failed_since", "again"),
    [
        ("1 minute", "59 minutes", False),
        ("1 minute", "61 minutes", True),
        ("3 hours", "2 hours", False),  # twice as long each time
        ("3 hours", "4 hours", True),
        ("2 days", "6 days", False),  # nor for ever
    ],
)
def test_what_could_not_be_read_is_tried_again(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    failed_after: str,
    failed_since: str,
    again: bool,
) -> None:
    """No list tells of a deletion, and the next full load may be days off."""
    source = load_source(default_directory() / "hubspot.yaml")
    deliver(conn, event(1), event(2, number=2))
    merge()
    del crm.records["contacts"]["1"]
    conn.execute("DELETE FROM staging.webhook_events")
    deliver(conn, event(1, "contact.deletion", number=3))
    poison(crm, DOWN, "1")
    assert merge().status == "success"
    crm.before_read = lambda *_: None
    aged(conn, failed_after, failed_since)

    assert retry_events(conn, source) == int(again)
    merge()

    living = "SELECT source_id FROM warehouse.contacts WHERE NOT is_deleted ORDER BY 1"
    assert rows(conn, living) == ([("2",)] if again else [("1",), ("2",)])


@pytest.mark.parametrize("what", ["reason", "erased"])
def test_what_failed_otherwise_or_was_erased_is_not_tried_again(
    conn: Connection, merge: Merge, crm: ScriptedCrm, what: str
) -> None:
    source = load_source(default_directory() / "hubspot.yaml")
    poison(crm, DOWN, "1")
    deliver(conn, event(1), event(2, number=2))
    merge()
    aged(conn, "1 minute", "2 hours")
    if what == "reason":
        conn.execute(
            "UPDATE staging.webhook_events SET reason = 'is of another portalId'"
        )
    else:
        conn.execute(
            "INSERT INTO ops.erased_records (source_system, entity_type, source_id,"
            " reason, unified_tables) VALUES ('hubspot', 'contacts', '1', 'request',"
            " '{contacts}')"
        )

    assert retry_events(conn, source) == 0


def test_alone_it_is_told_by_another_record_that_lives(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(conn, event(1))
    merge()
    poison(crm, DOWN, "3")
    deliver(conn, event(3, number=2))
    crm.asked.clear()

    assert merge().status == "success"

    assert rows(conn, STATES)[1][:2] == ("3", "failed")
    assert [ids for _, ids in crm.asked] == [["3"], ["1"], ["1"]]


@pytest.mark.parametrize("lives", [True, False])
def test_an_outage_blames_no_record(
    conn: Connection, merge: Merge, crm: ScriptedCrm, lives: bool
) -> None:
    if lives:
        deliver(conn, event(99, number=999))
        merge()
    everybody = [str(n) for n in range(1, 101)]
    poison(crm, DOWN, *everybody)
    deliver(conn, *(event(n, number=n) for n in range(1, 31)))
    crm.asked.clear()

    with pytest.raises(TransientSourceError, match="503"):
        merge()

    assert rows(conn, COUNTS)[-1] == ("pending", 30)
    assert len(crm.asked) <= 3


def test_an_outage_that_begins_while_we_look_blames_nobody(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    deliver(conn, event(99, number=999))
    merge()
    deliver(conn, *(event(n, number=n) for n in range(1, 5)))
    down: list[int] = []

    def fail(_entity: Entity, ids: Sequence[str]) -> None:
        if "4" in ids or 1 in down:
            down.append(len(ids))
            raise DOWN

    crm.before_read = fail
    with pytest.raises(TransientSourceError):
        merge()

    assert rows(conn, COUNTS) == [("merged", 4), ("pending", 1)]
    crm.before_read = lambda *_: None
    merge()
    assert rows(conn, COUNTS) == [("merged", 5)]


def test_a_batch_that_fails_once_is_read_in_parts(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    def fail(_entity: Entity, ids: Sequence[str]) -> None:
        if len(ids) > 2:
            raise DOWN

    crm.before_read = fail
    deliver(conn, *(event(n, number=n) for n in range(1, 5)))

    assert merge().status == "success"
    assert rows(conn, COUNTS) == [("merged", 4)]


def test_others_go_on_while_one_entity_cannot_be_read(
    conn: Connection, merge: Merge, crm: ScriptedCrm
) -> None:
    poison(crm, DOWN, *(str(n) for n in range(1, 101)))
    deliver(conn, event(1), event(2, number=2), event(5, "deal.creation", number=3))

    with pytest.raises(TransientSourceError):
        merge()

    assert [row[1] for row in rows(conn, STATES)] == ["pending", "pending", "merged"]
