"""``webhooks list``, ``show``, ``replay``, ``discard`` on a real inbox."""

import json
import os
import zlib
from typing import Any

import psycopg
import pytest
from cli_call import Call
from psycopg.conninfo import conninfo_to_dict

from include.local_stack.postgres import Postgres
from tests.proof.connection import postgres_connection

SECRET, PERSON = "canary-shared-secret", "canary.person@example.com"
URL = f"https://hooks.example.com/api/v1/webhooks/hubspot/?token={SECRET}"
_DELIVERY = """
INSERT INTO staging.webhook_deliveries (
    source_system, received_at, request_id, replay_key, content_type, headers, url,
    body, body_bytes, state, error_message
)
VALUES (
    'hubspot', now() - %(age)s * interval '1 hour', %(request)s, %(request)s,
    'application/json', %(headers)s, %(url)s, %(body)s, %(bytes)s, %(state)s, %(reason)s
)
"""
_EVENT = """
INSERT INTO staging.webhook_events (
    delivery_id, position, source_system, entity_type, object_id, event_type, payload,
    dedupe_key, state, reason, job_id
)
VALUES (1, %s, 'hubspot', 'contacts', %s, %s, %s, %s, %s, %s, 7)
"""
PUSHED = {"objectId": 1, "propertyName": "email", "propertyValue": PERSON}


@pytest.fixture
def inbox(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three deliveries, the first with three events; commands are connected to it."""
    postgres = postgres_connection(warehouse)
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", json.dumps(postgres))
    body = json.dumps([PUSHED]).encode() + b"\x1b[2J\n"
    values = {
        "headers": json.dumps({"user-agent": "HubSpot", "x-shared": SECRET}),
        "url": URL,
        "body": zlib.compress(body),
        "bytes": len(body),
        "reason": None,
    }
    with psycopg.connect(warehouse) as conn:
        for age, state in ((5, "exploded"), (3, "pending"), (2, "failed")):
            told = {"age": age, "request": f"req_{age}", "state": state}
            why = {"reason": "the delivery: the body is empty"} if age == 2 else {}
            conn.execute(_DELIVERY, {**values, **told, **why})
        for at, (kind, state, why) in enumerate(
            [
                ("contact.creation", "merged", None),
                ("contact.deletion", "pending", None),
                ("contact.creation", "failed", "is of another portalId"),
            ]
        ):
            payload = json.dumps(PUSHED)
            event = [at, str(at), kind, payload, f"key{at}", state, why]
            conn.execute(_EVENT, event)
    return warehouse


def states(conninfo: str, table: str) -> list[Any]:
    query = f"SELECT state FROM staging.webhook_{table} ORDER BY id"
    with psycopg.connect(conninfo) as conn:
        return [state for (state,) in conn.execute(query.encode())]


def listed(call: Call, *words: str) -> list[dict[str, Any]]:
    status, out, err = call("webhooks", "list", "--json", *words)
    assert status == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), [3, 2, 1]),
        (("--limit", "1"), [3]),
        (("--state", "pending"), [2]),
        (("--request-id", "req_5"), [1]),
        (("--why", "BODY is"), [3]),
        (("--source", "activeprospect"), []),
        (("--since", "2999-01-01"), []),
        (("--until", "2000-01-01"), []),
        (("--events",), [3, 2, 1]),
        (("--events", "--until", "2999-01-01", "--since", "2000-01-01"), [3, 2, 1]),
        (("--events", "--since", "2999-01-01"), []),
        (("--events", "--request-id", "req_5", "--state", "failed"), [3]),
        (("--events", "--source", "hubspot", "--entity", "contacts"), [3, 2, 1]),
        (("--events", "--source", "hubspot", "--entity", "deals"), []),
        (("--events", "--object", "1"), [2]),
        (("--events", "--type", "contact.creation"), [3, 1]),
        (("--events", "--why", "portalid"), [3]),
        (("--events", "--delivery", "2"), []),
        (("--events", "--id", "2"), [2]),
    ],
)
def test_filters(
    call: Call, inbox: str, words: tuple[str, ...], ids: list[int]
) -> None:
    assert [row["id"] for row in listed(call, *words)] == ids


def test_lines_say_what_and_why(call: Call, inbox: str) -> None:
    first = listed(call, "--id", "1")[0]
    failed = listed(call, "--events", "--state", "failed")[0]

    assert [first[key] for key in ("events", "pending", "failed")] == [3, 1, 1]
    assert (first["request_id"], first["state"]) == ("req_5", "exploded")
    assert failed["reason"] == "is of another portalId"
    assert (failed["job_id"], failed["delivery_id"], failed["object_id"]) == (7, 1, "2")


def test_the_summary_counts_and_says_how_long_it_waits(call: Call, inbox: str) -> None:
    waits, *others = listed(call, "--summary")
    events = listed(call, "--summary", "--events")

    assert (waits["state"], waits["count"]) == ("pending", 1)
    assert 3 * 3600 <= waits["age_seconds"] < 3 * 3600 + 600
    assert [row["count"] for row in others] == [1, 1]
    assert [(e["state"], e["count"], e["reason"]) for e in events] == [
        ("pending", 1, None),
        ("failed", 1, "is of another portalId"),
        ("merged", 1, None),
    ]
    assert call("webhooks", "list", "--summary").out.count("3:00:") == 1


def test_nothing_personal_or_secret_is_shown_unless_asked_for(
    call: Call, inbox: str
) -> None:
    ways = [("list",), ("list", "--events"), ("show", "1"), ("show", "--event", "1")]
    for way in ways:
        for more in ((), ("--json",)):
            status, out, err = call("webhooks", *way, *more)
            assert status == 0, err
            assert out.strip()
            for hidden in (PERSON, SECRET):
                assert hidden not in out + err
    assert "key1" in call("webhooks", "show", "1").out
    assert "propertyValue" in call("webhooks", "show", "--event", "1").out


def test_the_payload_is_printed_when_asked_for(call: Call, inbox: str) -> None:
    status, out, _ = call("webhooks", "show", "1", "--payload")
    event = call("webhooks", "show", "--event", "1", "--payload")

    assert status == event.status == 0
    assert out.startswith(json.dumps([PUSHED]) + "\\u001b[2J")
    assert json.loads(event.out) == PUSHED


def test_what_does_not_exist_is_said(call: Call, inbox: str) -> None:
    assert call("webhooks", "show", "9").status == 2
    assert "no event 9" in call("webhooks", "show", "--event", "9").err
    assert call("webhooks", "list", "--state", "discarded").out == "nothing matches\n"


def test_a_replay_shows_first_and_is_audited(call: Call, inbox: str) -> None:
    words = ("webhooks", "replay", "--events", "--source", "hubspot")
    status, out, err = call(*words)
    expected = {"replayed": 1, "judged_again": 1, "left": {"waiting_already": 1}}

    assert (status, "--yes" in err) == (2, True)
    assert json.loads(out) == {"kind": "events", "written": False, **expected}
    assert states(inbox, "events") == ["merged", "pending", "failed"]

    status, out, _ = call(*words, "--yes")

    assert (status, json.loads(out)["written"]) == (0, True)
    assert states(inbox, "events") == ["pending", "pending", "failed"]
    assert states(inbox, "deliveries") == ["pending", "pending", "failed"]
    with psycopg.connect(inbox) as conn:
        audited = "SELECT details -> 'counts' FROM ops.audit_log WHERE action = %s"
        told = conn.execute(audited, ["webhooks.replayed"]).fetchall()
    assert told == [({"replayed": 1, "judged_again": 1},)]
    assert call(*words[:3], "--id", "99").status == 0


def test_a_discard_shows_first_and_keeps_the_reason(call: Call, inbox: str) -> None:
    words = ("webhooks", "discard", "--state", "failed", "--reason", " test portal ")
    assert call(*words).status == 2
    assert states(inbox, "deliveries") == ["exploded", "pending", "failed"]

    status, out, _ = call(*words, "--yes")

    assert (status, json.loads(out)["discarded"]) == (0, 1)
    (left,) = listed(call, "--state", "discarded")
    assert left["reason"].endswith(
        ": test portal; was: the delivery: the body is empty"
    )
    assert left["reason"].startswith("discarded by ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--object", "1"), "--object: needs --events"),
        (("list", "--state", "merged"), "deliveries are pending, exploded"),
        (("list", "--events", "--state", "exploded"), "events are pending, merged"),
        (("list", "--state", "lost"), "'lost' is not one of"),
        (("list", "--entity", "contacts", "--events"), "needs --source"),
        (("replay", "--events"), "give --source or another filter"),
        (("discard", "--state", "failed"), "--reason"),
        (("discard", "--id", "1", "--reason", "a\nb"), "one line"),
        (("show",), "ID"),
        (("show", "1", "--event", "2"), "not allowed"),
    ],
)
def test_wrong_words(call: Call, inbox: str, words: tuple[str, ...], said: str) -> None:
    status, _, err = call("webhooks", *words)

    assert (status, said in err) == (2, True), err


def test_a_role_that_may_not_read_what_people_sent_can_list(
    call: Call, inbox: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(conninfo_to_dict(inbox)["dbname"])
    columns = (
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
        " WHERE attnum > 0 AND NOT attisdropped AND attrelid = %s::regclass"
        " AND NOT attname IN ('body', 'headers', 'url', 'payload')"
    )
    postgres.create_role("support", "canary-of-support")
    with psycopg.connect(postgres.conninfo(name, "postgres")) as conn:
        conn.execute(f"GRANT CONNECT ON DATABASE {name} TO support".encode())
        conn.execute("GRANT USAGE ON SCHEMA ops, staging TO support")
        for table in ("staging.webhook_deliveries", "staging.webhook_events"):
            found = conn.execute(columns, [table]).fetchone()
            assert found
            grant = f"GRANT SELECT ({found[0]}) ON {table} TO support"
            conn.execute(grant.encode())
    warehouse = json.loads(os.environ["AIRFLOW_CONN_CRM_WAREHOUSE"])
    warehouse |= {"login": "support", "password": "canary-of-support"}
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", json.dumps(warehouse))

    for words in ((), ("--events",), ("--summary",), ("--summary", "--events")):
        assert len(listed(call, *words)) == 3
    assert call("webhooks", "show", "1", "--payload").status == 1
    assert call("webhooks", "replay", "--state", "failed", "--yes").status == 1
    assert states(inbox, "deliveries") == ["exploded", "pending", "failed"]
