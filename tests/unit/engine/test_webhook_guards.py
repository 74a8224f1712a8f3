"""A source that loses its memory must not make webhooks empty the warehouse."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine import webhooks
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


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    """Merges webhooks; a hundred contacts are here already."""
    entity = hubspot.entities["contacts"]
    run_sync(
        SyncRequest(hubspot, entity, source_system="hubspot", mode="full"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )

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

    run_sync(
        SyncRequest(
            hubspot,
            hubspot.entities["contacts"],
            source_system="hubspot",
            mode="full",
            override=frozenset({"mass_delete"}),
        ),
        conninfo=warehouse,
        open_client=crm.open_client,
    )

    assert rows(conn, DELETED) == [(30,)]
    assert merge().status == "success"
    assert rows(conn, PENDING) == [(0,)]
