"""429 in all its forms: who says that the day is used up, and what is done then."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from crm_warehouse.clients.interface import SourceClient, Window
from crm_warehouse.errors import (
    AuthenticationError,
    MissingScopeError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import Reply, ScriptedServer, as_json

EVERYTHING = Window(since=None, until=None)
GOOD = as_json({"data": [], "page": 1, "per_page": 100, "total": 0, "total_pages": 0})
POLICY = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "DAILY"}
HOUR = 3_600.0
NIGHT = 30_000.0


def refusal(body: Any = None, **headers: str) -> Reply:
    return as_json(body, HTTPStatus.TOO_MANY_REQUESTS, **headers)


def load(client: SourceClient, entity: Entity) -> None:
    for _ in client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=100):
        pass


@pytest.mark.parametrize(
    "told",
    [
        POLICY,
        {"message": "You have reached your daily limit."},
        {"policyName": "DAILY", "message": ""},
    ],
)
@pytest.mark.parametrize("retry_after", [None, "7", "garbage", "0"])
def test_the_end_of_a_day_is_waited_for(
    client: SourceClient,
    server: ScriptedServer,
    gate: RecordingGate,
    entity: Entity,
    told: Any,
    retry_after: str | None,
) -> None:
    gate.day_left = NIGHT
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    server.answer(refusal(told, **headers), GOOD)

    load(client, entity)

    assert gate.pauses == [NIGHT]
    ((seconds, reason, kind),) = gate.holds
    assert (seconds, kind) == (NIGHT, "")
    assert "requests of the day are used up" in reason
    # It is no fault: neither of the source, nor one that makes a job give up.
    assert gate.heard == ["answered", "answered"]
    assert (gate.tally.retries, gate.tally.faulted_at) == (1, None)


def test_a_day_whose_end_is_not_known_is_asked_for_each_hour(
    client: SourceClient, server: ScriptedServer, gate: RecordingGate, entity: Entity
) -> None:
    server.answer(refusal(POLICY), refusal(POLICY, Retry_After="120"), GOOD)

    load(client, entity)

    assert gate.pauses == [HOUR, 120.0]


def test_days_on_which_nothing_is_answered_end(
    client: SourceClient, server: ScriptedServer, gate: RecordingGate, entity: Entity
) -> None:
    gate.day_left = timedelta(days=1).total_seconds()
    server.run(lambda _: refusal(POLICY))

    with pytest.raises(TransientSourceError, match="gave up after 11 requests"):
        load(client, entity)

    assert len(gate.pauses) == 10


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429),
        Reply(429, b"<html>slow down"),
        refusal({"status": "error", "errorType": "RATE_LIMIT"}),
        refusal({**POLICY, "policyName": "TEN_SECONDLY_ROLLING"}),
        refusal({**POLICY, "policyName": "SECONDLY"}),
        refusal({**POLICY, "policyName": None}),
        refusal(POLICY | {"policyName": "WEEKLY"}, Retry_After="-1"),
    ],
)
def test_any_other_limit_is_short(
    client: SourceClient,
    server: ScriptedServer,
    gate: RecordingGate,
    entity: Entity,
    reply: Reply,
) -> None:
    gate.day_left = NIGHT
    server.answer(reply, reply, GOOD)

    load(client, entity)

    assert gate.pauses == [1.0, 2.0]


def test_a_move_of_the_account_is_waited_for_all_day(
    client: SourceClient, server: ScriptedServer, gate: RecordingGate, entity: Entity
) -> None:
    server.answer(Reply(477, b"", {"Retry-After": "86400"}), GOOD)

    load(client, entity)

    assert gate.pauses == [86_400.0]


def scopes(*names: Any, category: str = "MISSING_SCOPES") -> Reply:
    context = {"requiredGranularScopes": list(names)}
    body = {"category": category, "errors": [{"message": "x", "context": context}]}
    return as_json(body, HTTPStatus.FORBIDDEN)


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (scopes("crm.objects.deals.read"), "missing: crm.objects.deals.read"),
        (scopes("a.read", "b.read", "a.read"), "missing: a.read, b.read"),
        (scopes("<b>ada@example.com</b>", 7), "missing: one that it does not name"),
        (as_json({"category": "MISSING_SCOPES"}, 403), "one that it does not name"),
        (
            as_json(
                {"category": "MISSING_SCOPES", "errors": [7, {"context": [1]}]}, 403
            ),
            "one that it does not name",
        ),
    ],
)
def test_a_missing_scope_is_named(
    client: SourceClient,
    server: ScriptedServer,
    gate: RecordingGate,
    entity: Entity,
    reply: Reply,
    named: str,
) -> None:
    server.answer(reply)

    with pytest.raises(MissingScopeError, match=named):
        load(client, entity)

    assert (len(server.requests), gate.pauses) == (1, [])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"category": "FORBIDDEN"}', b"<html>"])
def test_any_other_403_is_about_the_credentials(
    client: SourceClient, server: ScriptedServer, entity: Entity, body: bytes
) -> None:
    server.answer(Reply(403, body))

    with pytest.raises(AuthenticationError, match="check the connection") as caught:
        load(client, entity)

    assert not isinstance(caught.value, MissingScopeError)
