"""A source that loses its memory must not make webhooks empty the warehouse."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine import guards, webhooks
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import GuardError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

DELETED = "SELECT count(*) FROM warehouse.contacts WHERE is_deleted"
PENDING = "SELECT count(*) FROM staging.webhook_events WHERE state = 'pending'"
JOB = (
    "SELECT status, error_type, guard, overrides FROM ops.sync_jobs"
    " WHERE job_type = 'webhook' ORDER BY id DESC LIMIT 1"
)

Merge = Callable[..., SyncResult]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    source = load_source(default_directory() / "hubspot.yaml")
    return replace(source, quotas=())


@pytest.fixture
def crm() -> ScriptedCrm:
    people = {str(n): contact(n, f"Ann{n}") for n in range(1, 101)}
    return ScriptedCrm({"contacts": people, "deals": {"7": contact(7, "Roof")}})


def load(warehouse: str, source: Source, crm: ScriptedCrm, **asked: Any) -> None:
    """Load all contacts."""
    contacts = source.entities["contacts"]
    run_sync(
        SyncRequest(source, contacts, source_system="hubspot", mode="full", **asked),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    """Merges webhooks; a hundred contacts are here already."""
    load(warehouse, hubspot, crm)

    def merge(**asked: Any) -> SyncResult:
        return merge_webhooks(
            WebhookRequest(hubspot, "hubspot", **asked),
            conninfo=warehouse,
            open_client=crm.open_client,
        )

    return merge


def forget(crm: ScriptedCrm, conn: Connection, *numbers: int) -> None:
    """The source deletes contacts, and says so."""
    for number in numbers:
        del crm.records["contacts"][str(number)]
    deliver(conn, *(event(n, "contact.deletion", number=n) for n in numbers))


def age(conn: Connection, hours: int) -> None:
    """Let everything that happened be so much longer ago."""
    for table, columns in {
        "raw.hubspot_contacts": ("deleted_at",),
        "staging.webhook_events": ("created_at", "settled_at"),
        "ops.sync_jobs": ("started_at", "completed_at"),
    }.items():
        for column in columns:
            conn.execute(
                f"UPDATE {table} SET {column} = {column} - interval '{hours} hours'"
            )


def test_a_source_that_finds_nothing_deletes_nothing(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    people = crm.records.pop("contacts")
    deliver(conn, *(event(n, number=n) for n in range(1, 13)))
    deliver(conn, event(7, "deal.creation", number=77))

    with pytest.raises(GuardError, match="finds none of 12 records") as caught:
        merge()

    assert caught.value.guard == "mass_delete"
    assert rows(conn, DELETED) == [(0,)]
    assert rows(conn, PENDING) == [(12,)]
    assert rows(conn, JOB) == [("failed", "guard", "mass_delete", [])]
    # Others do not wait for them.
    assert rows(conn, "SELECT count(*) FROM warehouse.leads") == [(1,)]

    crm.records["contacts"] = people
    assert merge().status == "success"
    assert rows(conn, DELETED) == [(0,)]
    assert rows(conn, PENDING) == [(0,)]


def test_deletions_in_bulk_pass_where_the_source_finds_others(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    forget(crm, conn, *range(1, 20))

    result = merge()

    assert result.records_deleted == 19
    assert [len(ids) for _, ids in crm.asked] == [19, 20]  # the batch, its control
    assert rows(conn, DELETED) == [(19,)]


def test_a_large_share_is_left_alone_until_somebody_says_so(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    forget(crm, conn, *range(1, 31))

    with pytest.raises(GuardError, match="denies 30 of 100 live records"):
        merge()
    assert rows(conn, DELETED) == [(0,)]

    result = merge(override=frozenset({"mass_delete"}), asked_by="ada")

    assert result.records_deleted == 30
    assert rows(conn, JOB) == [("success", None, None, ["mass_delete"])]
    overridden = rows(
        conn,
        "SELECT details ->> 'guard', details -> 'missing', details -> 'live'"
        " FROM ops.audit_log WHERE action = 'job.guard_overridden'",
    )
    assert overridden == [("mass_delete", 30, 100)]


def test_what_a_job_marked_before_counts_with_the_rest(
    merge: Merge, conn: Connection, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_BATCH", 8)
    forget(crm, conn, *range(1, 31))

    with pytest.raises(GuardError, match="denies 24 of 100"):
        merge()

    assert rows(conn, DELETED) == [(16,)]
    assert rows(conn, PENDING) == [(14,)]


def test_a_source_that_finds_nothing_is_noticed_by_small_merges_too(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    del crm.records["contacts"]
    deliver(conn, *(event(n, number=n) for n in range(1, 11)))
    assert merge().records_deleted == 10

    deliver(conn, event(11, number=11))
    with pytest.raises(GuardError, match="finds none of 1 records"):
        merge()

    assert rows(conn, DELETED) == [(10,)]


@pytest.mark.parametrize("days", [0, 3])
def test_what_was_stopped_is_not_deleted_bit_by_bit(
    merge: Merge, conn: Connection, crm: ScriptedCrm, days: int
) -> None:
    """Its events stay pending, and the next merge reads them again."""
    forget(crm, conn, *range(1, 21))
    assert merge().records_deleted == 20
    forget(crm, conn, *range(21, 32))

    for _ in range(3):
        with pytest.raises(GuardError, match=r"denies 31 of 100 .* the last 11 were"):
            merge()
        age(conn, 24 * days)

    assert rows(conn, DELETED) == [(20,)]
    assert rows(conn, PENDING) == [(11,)]


def test_a_day_later_as_many_may_go_again(
    merge: Merge, conn: Connection, crm: ScriptedCrm
) -> None:
    forget(crm, conn, *range(1, 21))
    merge()
    age(conn, 25)
    forget(crm, conn, *range(21, 37))

    assert merge().records_deleted == 16


@pytest.mark.parametrize("mode", ["webhook", "full"])
def test_what_somebody_let_pass_does_not_count_any_more(
    merge: Merge,
    conn: Connection,
    crm: ScriptedCrm,
    warehouse: str,
    hubspot: Source,
    mode: str,
) -> None:
    forget(crm, conn, *range(1, 21))
    merge()
    forget(crm, conn, *range(21, 32))
    override = frozenset({"mass_delete"})
    if mode == "webhook":
        merge(override=override)
    else:
        load(warehouse, hubspot, crm, override=override)
    assert rows(conn, DELETED) == [(31,)]

    forget(crm, conn, *range(32, 44))

    assert merge().records_deleted == 12


def test_what_a_full_load_deleted_is_not_counted(
    merge: Merge, conn: Connection, crm: ScriptedCrm, warehouse: str, hubspot: Source
) -> None:
    """It has a guard of its own. With it, 36 of 100 would be gone: too many."""
    for n in range(1, 21):
        del crm.records["contacts"][str(n)]
    load(warehouse, hubspot, crm)
    assert rows(conn, DELETED) == [(20,)]
    forget(crm, conn, *range(21, 37))

    assert merge().records_deleted == 16


def test_a_field_that_the_source_renamed_stops_its_webhooks(
    merge: Merge, conn: Connection, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "LEAST_ROWS", 100)
    for n in range(1, 101):
        changed = contact(n, "Bo", minute=5)
        changed["properties"]["given_name"] = changed["properties"].pop("firstname")
        crm.records["contacts"][str(n)] = changed
    deliver(conn, *(event(n, number=n) for n in range(1, 101)))
    named = "SELECT count(first_name) FROM warehouse.contacts"

    with pytest.raises(GuardError, match=r"first_name of .* came empty"):
        merge()

    assert rows(conn, named) == [(100,)]
    assert rows(conn, PENDING) == [(100,)]
    assert rows(conn, JOB) == [("failed", "guard", "schema_break", [])]

    override = frozenset({"schema_break"})
    assert merge(override=override).records_updated == 100
    assert rows(conn, named) == [(0,)]


def test_a_full_load_that_may_delete_them_frees_their_webhooks(
    merge: Merge,
    conn: Connection,
    crm: ScriptedCrm,
    warehouse: str,
    hubspot: Source,
) -> None:
    forget(crm, conn, *range(1, 31))
    with pytest.raises(GuardError):
        merge()

    load(warehouse, hubspot, crm, override=frozenset({"mass_delete"}))

    assert rows(conn, DELETED) == [(30,)]
    assert merge().status == "success"
    assert rows(conn, PENDING) == [(0,)]
