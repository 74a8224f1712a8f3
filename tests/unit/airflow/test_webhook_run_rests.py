"""After a run that failed, only what cannot be merged rests; the merge is real."""

import json
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg
import pytest
from inbox import Inbox
from recorded_sync import RecordedSync, a_result
from test_webhook_runs import inbox, rests, run, states

from crm_warehouse.clients.interface import Found, Gate
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import (
    AuthenticationError,
    CrmWarehouseError,
    GuardError,
    MissingScopeError,
    TransientSourceError,
)
from crm_warehouse.operators import watching
from crm_warehouse.spec import Entity

__all__ = ["inbox", "rests", "run"]

DOWN = TransientSourceError("status 503")
STATES = (
    "SELECT entity_type, state, count(*) FROM staging.webhook_events"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)
OVER = "UPDATE ops.webhook_rests SET until = clock_timestamp()"

Engine = Callable[..., SyncResult]


def merging(**refused: Exception) -> Engine:
    """The engine, and a source that has every record but refuses these entities."""

    class Client:
        def __init__(self, gate: Gate) -> None:
            if "all" in refused:
                raise refused["all"]
            self.gate = gate

        def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
            if entity.name in refused:
                raise refused[entity.name]
            records = [
                {"id": each, "properties": {}, "updatedAt": "2026-02-01T10:00:00Z"}
                for each in source_ids
            ]
            return Found(records, [], self.gate.now(), requests=1)

        def close(self) -> None:
            pass

    def merge(request: WebhookRequest, **options: Any) -> SyncResult:
        return merge_webhooks(request, **{**options, "open_client": Client})

    return merge


def announce(inbox: Inbox, number: int, *kinds: str) -> None:
    """Records with the number have changed, of these kinds."""
    events = [
        {
            "eventId": 100 * number + at,
            "portalId": 24601,
            "appId": 9001,
            "occurredAt": 1_770_000_000_000,
            "subscriptionType": f"{kind}.creation",
            "objectId": number,
        }
        for at, kind in enumerate(kinds)
    ]
    inbox.execute(
        "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
        " content_type, headers, url, body, body_bytes) VALUES ('hubspot', 'r',"
        " gen_random_uuid()::text, 'application/json', '{}', 'u', %s, 1)",
        zlib.compress(json.dumps(events).encode()),
    )


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (AuthenticationError("401"), "failed"),
        (MissingScopeError("deals: scope missing"), "skipped"),
        (DOWN, "success"),
    ],
)
def test_others_are_merged_at_once_after_a_run_with_a_refused_entity(
    bundle: Any,
    inbox: Inbox,
    run: Any,
    rests: list[datetime],
    error: CrmWarehouseError,
    state: str,
) -> None:
    announce(inbox, 1, "contact", "deal")
    first = run(merging(deals=error))
    assert states(first) == {"wait": "success", "merge": state}

    announce(inbox, 2, "contact", "deal")
    second = run(merging(deals=error))

    assert rests == []
    assert states(second) == {"wait": "success", "merge": "success"}
    found = [("contacts", "merged", 2), ("deals", "pending", 2)]
    assert inbox.execute(STATES) == found

    # What rests wakes nobody.
    bundle.dags["hubspot__webhooks"].get_task("wait").timeout = 0.0
    assert states(run(RecordedSync())) == {"wait": "skipped", "merge": "skipped"}


def test_the_refusal_is_told_again_when_its_rest_is_over(
    inbox: Inbox, run: Any, rests: list[datetime]
) -> None:
    refusing = merging(deals=AuthenticationError("401"))
    announce(inbox, 1, "contact", "deal")
    assert states(run(refusing))["merge"] == "failed"
    inbox.execute(OVER)

    assert states(run(refusing)) == {"wait": "success", "merge": "failed"}
    inbox.execute(OVER)
    assert states(run(merging())) == {"wait": "success", "merge": "success"}

    assert rests == []
    assert inbox.execute("SELECT * FROM ops.webhook_rests") == []


def test_what_may_pass_is_red_after_the_fourth_try_and_not_tried_again(
    inbox: Inbox, run: Any, rests: list[datetime]
) -> None:
    """A retry of the task would leave out who rests, and hide the failure."""
    announce(inbox, 1, "deal")
    found = []
    for _ in range(4):
        found.append(states(run(merging(deals=DOWN)))["merge"])
        inbox.execute(OVER)

    assert found == ["success", "success", "success", "failed"]
    assert rests == []


def test_a_merge_that_cannot_begin_lets_the_next_run_rest(
    inbox: Inbox, run: Any, rests: list[datetime]
) -> None:
    announce(inbox, 1, "contact")
    first = run(merging(all=AuthenticationError("401")))
    assert states(first)["merge"] == "failed"
    assert inbox.execute(STATES) == [("contacts", "pending", 1)]

    second = run(merging())

    assert rests == [first.end_date + watching.REST]
    assert states(second) == {"wait": "success", "merge": "success"}


def test_a_merge_that_sets_records_aside_delays_nobody(
    inbox: Inbox, run: Any, rests: list[datetime]
) -> None:
    def objecting(request: WebhookRequest, **options: Any) -> SyncResult:
        merging()(request, **options)
        announce(inbox, 2, "contact")
        raise GuardError("leads: came empty", "schema_break", "webhook")

    announce(inbox, 1, "contact")
    assert states(run(objecting))["merge"] == "failed"

    assert states(run(merging())) == {"wait": "success", "merge": "success"}
    assert rests == []
    assert inbox.execute(STATES) == [("contacts", "merged", 2)]


def test_while_the_warehouse_does_not_answer_it_rests(
    inbox: Inbox, run: Any, rests: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(inbox, 1, "contact", "deal")
    first = run(merging(deals=AuthenticationError("401")))

    def refuse(_: str) -> Any:
        raise psycopg.OperationalError("the server is starting up")

    inbox.deliver()
    monkeypatch.setattr(psycopg, "connect", refuse)
    run(RecordedSync(a_result()))

    assert rests == [first.end_date + watching.REST]
