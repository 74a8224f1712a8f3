"""What is wrong with many delivered leads holds up no others, now or later."""

from collections.abc import Callable
from typing import Any

import pytest
from engine_load import Connection, at, rows
from test_carried_records import deliver, lead, polled, source

from crm_warehouse.engine import emptied_columns, guards
from crm_warehouse.engine.inbox_care import Care, replay
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import GuardError
from crm_warehouse.spec import Source

__all__ = ["source"]

STATES = "SELECT state, count(*) FROM staging.webhook_events GROUP BY 1 ORDER BY 1"
VALUES = (
    "SELECT l.value::float, count(c.email), count(*) FROM warehouse.leads AS l"
    " JOIN warehouse.contacts AS c ON c.id = l.contact_id GROUP BY 1 ORDER BY 1"
)
JOBS = "SELECT status, guard FROM ops.sync_jobs WHERE via = 'webhook' ORDER BY id"
OVERRIDES = "SELECT details FROM ops.audit_log WHERE action = 'job.guard_overridden'"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records are a mass."""
    monkeypatch.setattr(guards, "LEAST_ROWS", 20)
    monkeypatch.setattr(guards, "LEAST_REJECTS", 5)
    monkeypatch.setattr(emptied_columns, "EMPTY_SHARE", 0.9)
    monkeypatch.setattr(emptied_columns, "_SAMPLE_SHARE", 0.9)


@pytest.fixture
def merge(warehouse: str, source: Source) -> Callable[..., SyncResult]:
    def merge(**asked: Any) -> SyncResult:
        return merge_webhooks(
            WebhookRequest(source, "activeprospect", **asked),
            conninfo=warehouse,
            open_client=lambda _: pytest.fail("the source is asked"),
        )

    return merge


def emptied(number: int) -> dict[str, Any]:
    """The lead with that number without what its form forgot to fill."""
    said = {"id": f"L{number}", "price": 11.5, "updated": at(1).isoformat()}
    return said | {"lead": {"first_name": None, "email": None}}


def test_leads_without_an_id_go_to_quarantine_and_the_others_in(
    conn: Connection, merge: Callable[..., SyncResult], source: Source
) -> None:
    polled(conn, source, *(lead(id=f"L{n}") for n in range(30)))
    deliver(conn, *({"outcome": f"o{n}"} for n in range(12)), lead(5, id="L1", price=7))

    result = merge()

    assert (result.status, result.records_failed) == ("partial", 12)
    assert rows(conn, STATES) == [("merged", 13)]
    assert rows(conn, VALUES) == [(7.0, 1, 1), (10.5, 29, 29)]


def test_a_form_that_says_its_fields_empty_empties_no_mass_of_rows(
    conn: Connection, merge: Callable[..., SyncResult], source: Source
) -> None:
    polled(conn, source, *(lead(id=f"L{n}") for n in range(30)))
    deliver(conn, *map(emptied, range(30)), {**emptied(77), "price": 5})
    deliver(conn, lead(5, id="L1", price=7), lead(5, id="new"))

    told = "came empty in .* are set aside as failed: replay them first"
    with pytest.raises(GuardError, match=told) as caught:
        merge()

    assert caught.value.guard == "schema_break"
    # L1 is told anew, and whole, in the same batch: nothing of it is lost.
    assert rows(conn, STATES) == [("failed", 29), ("merged", 4)]
    left = [(5.0, 0, 1), (7.0, 1, 1), (10.5, 30, 30)]
    assert rows(conn, VALUES) == left
    [(reason,)] = rows(
        conn,
        "SELECT DISTINCT reason FROM staging.webhook_events WHERE state = 'failed'",
    )
    assert reason.startswith("schema_break: /leads: email, ")
    assert rows(conn, JOBS)[-1:] == [("failed", "schema_break")]

    assert merge().status == "success"
    assert rows(conn, VALUES) == left


def test_after_a_look_they_are_replayed_and_let_pass(
    conn: Connection, merge: Callable[..., SyncResult], source: Source
) -> None:
    polled(conn, source, *(lead(id=f"L{n}") for n in range(30)))
    deliver(conn, *map(emptied, range(30)))
    with pytest.raises(GuardError):
        merge()

    replay(conn, Care(Choice("events", {"state": "failed"}), "me", True))
    merge(override=frozenset({"schema_break"}))

    assert rows(conn, VALUES) == [(11.5, 0, 30)]
    [(figures,)] = rows(conn, OVERRIDES)
    assert (figures["guard"], figures["records"]) == ("schema_break", 30)
