"""A signed delivery is stored once, byte by byte, before it is acknowledged."""

import json
import re
from collections.abc import Iterator

import psycopg
import pytest
from stored import bodies, deliveries

from tests.proof.hubspot_sender import (
    EVENTS,
    PATH,
    PUBLIC_URL,
    call,
    deliver,
    now_ms,
    signed,
)
from tests.proof.receiver_process import HUBSPOT, Receiver, Start

RECEIVED = {"status": "received", "processed": False, "message": "queued"}


def test_a_delivery_is_stored_as_it_was_signed(
    receiver: Receiver, warehouse: str
) -> None:
    stamp = now_ms()
    headers = signed(timestamp=stamp) | {"X-Request-Id": "abc-1", "Cookie": "no=1"}
    answer = call(receiver.port, "POST", PATH, headers, EVENTS)

    assert (answer.status, answer.json) == (200, RECEIVED)
    assert answer.headers["X-Request-Id"] == "abc-1"
    (row,) = deliveries(warehouse)
    assert row.pop("received_at").timestamp() * 1000 == pytest.approx(stamp, abs=60_000)
    sign = headers["X-HubSpot-Signature-v3"]
    assert row == {
        "id": 1,
        "source_system": "hubspot",
        "request_id": "abc-1",
        "replay_key": f"{stamp}.{sign}",
        "content_type": "application/json",
        "headers": {
            "x-hubspot-signature-v3": sign,
            "x-hubspot-request-timestamp": str(stamp),
            "user-agent": "HubSpot Connect 2.0",
        },
        "url": PUBLIC_URL + PATH,
        "body": EVENTS,
        "body_bytes": len(EVENTS),
        "state": "pending",
        "error_message": None,
        "exploded_at": None,
        "retries": 0,
        "retried_at": None,
        "body_sha256": None,
        "redacted_at": None,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{not json",
        b"[]",
        b'[{"a":"\\u0000\\ud800"}]',
        b"\x00\xff\xfe",
        "[\N{SNOWMAN}]".encode(),
        b'"' + b"a" * (2 * 1024 * 1024 - 2) + b'"',
    ],
    ids=["no JSON", "no events", "not for jsonb", "no text", "UTF-8", "the largest"],
)
def test_whatever_was_signed_is_stored(
    receiver: Receiver, warehouse: str, body: bytes
) -> None:
    assert deliver(receiver.port, body).status == 200
    assert bodies(warehouse) == [body]


def test_a_chunked_body_is_one_body(receiver: Receiver, warehouse: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield EVENTS[:10]
        yield EVENTS[10:]

    answer = call(receiver.port, "POST", PATH, signed(), pieces())

    assert answer.status == 200
    assert bodies(warehouse) == [EVENTS]


def test_an_exact_replay_is_stored_once(receiver: Receiver, warehouse: str) -> None:
    headers = signed()
    for _ in range(3):
        answer = call(receiver.port, "POST", PATH, headers, EVENTS)
        assert (answer.status, answer.json) == (200, RECEIVED)
    assert len(deliveries(warehouse)) == 1

    # The same events signed at another time are another delivery.
    assert deliver(receiver.port, timestamp=now_ms(-1)).status == 200
    assert len(deliveries(warehouse)) == 2


@pytest.mark.parametrize(
    "type_", ["application/json; charset=utf-8", "Application/JSON"]
)
def test_json_has_many_names(receiver: Receiver, warehouse: str, type_: str) -> None:
    headers = signed() | {"Content-Type": type_}

    assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
    assert deliveries(warehouse)[0]["content_type"] == type_


@pytest.mark.parametrize("shift_seconds", [-290, 290])
def test_a_clock_may_differ(receiver: Receiver, shift_seconds: int) -> None:
    assert deliver(receiver.port, timestamp=now_ms(shift_seconds)).status == 200


def test_two_secrets_are_good_during_a_rotation(start: Start, warehouse: str) -> None:
    both = {**HUBSPOT, "webhook_secrets": ["the old one", "the new one"]}
    receiver = start(warehouse, both)

    for secret in ("the old one", "the new one"):
        assert deliver(receiver.port, secret=secret).status == 200
    assert deliver(receiver.port, secret="another").status == 401
    assert len(deliveries(warehouse)) == 2


class TestUrl:
    """The URL that was signed is the public one, exactly as it was called."""

    @pytest.mark.parametrize(
        ("called", "signed_as"),
        [
            (PATH, PATH),
            (PATH[:-1], PATH[:-1]),
            (f"{PATH}?a=1&b=2", f"{PATH}?a=1&b=2"),
            (f"{PATH}?to=a%2Fb%3Ac%40d%21", f"{PATH}?to=a%2Fb%3Ac%40d%21"),
            (f"{PATH}?to=a%2Fb%3Ac%40d%21", f"{PATH}?to=a/b:c@d!"),
            (f"{PATH}?%24%27%28%29%2A%2C%3B%3F", f"{PATH}?$'()*,;?"),
            (f"{PATH}?sum=1%2B1%20%26", f"{PATH}?sum=1%2B1%20%26"),
            (PATH.replace("/hub", "%2Fhub"), PATH),
            (PATH.replace("hub", "h%75b"), PATH.replace("hub", "h%75b")),
        ],
    )
    def test_it_is_taken(
        self, receiver: Receiver, warehouse: str, called: str, signed_as: str
    ) -> None:
        headers = signed(url=PUBLIC_URL + signed_as)

        assert call(receiver.port, "POST", called, headers, EVENTS).status == 200
        assert deliveries(warehouse)[0]["url"] == PUBLIC_URL + called

    @pytest.mark.parametrize(
        ("called", "signed_as"),
        [
            (f"{PATH}?sum=1%2B1", f"{PATH}?sum=1+1"),
            (f"{PATH}?a=1&b=2", f"{PATH}?b=2&a=1"),
            (f"{PATH}?a=1", PATH),
            (PATH, PATH[:-1]),
            (PATH.replace("hub", "h%75b"), PATH),
        ],
    )
    def test_another_is_not(
        self, receiver: Receiver, warehouse: str, called: str, signed_as: str
    ) -> None:
        headers = signed(url=PUBLIC_URL + signed_as)
        answer = call(receiver.port, "POST", called, headers, EVENTS)

        assert (answer.status, answer.code) == (401, "SIGNATURE_INVALID")
        assert deliveries(warehouse) == []

    def test_it_is_the_configured_one_whatever_the_caller_says(
        self, start: Start, warehouse: str
    ) -> None:
        base = "https://example.com/crm/hooks"
        receiver = start(warehouse, {**HUBSPOT, "public_url": f"{base}/"})
        forged = {
            "Host": "evil.example.com",
            "X-Forwarded-Host": "evil.example.com",
            "X-Forwarded-Proto": "http",
        }

        headers = signed(url=base + PATH) | forged
        assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
        headers = signed(url="http://evil.example.com" + PATH) | forged
        assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 401


def test_listeners_hear_of_a_new_delivery_only(
    receiver: Receiver, warehouse: str
) -> None:
    with psycopg.connect(warehouse, autocommit=True) as listener:
        listener.execute("LISTEN crm_webhooks")
        headers = signed()
        for _ in range(2):
            assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
        first = next(listener.notifies(timeout=30))
        assert (first.channel, first.payload) == ("crm_webhooks", "")
        assert list(listener.notifies(timeout=1)) == []


def test_the_log_has_a_line_a_request_and_nothing_personal(receiver: Receiver) -> None:
    for path in (f"{PATH}?who=canary.query@example.com", "/canary.path@example.com"):
        headers = signed(url=PUBLIC_URL + path)
        call(receiver.port, "POST", path, headers, EVENTS)
    deliver(receiver.port, secret="wrong")

    lines = re.findall(r"webhook_receiver.app: (POST .*)", receiver.log)
    shapes = [re.sub(r"[\d.]+ ms req_[0-9a-f]{32}", "N ms ID", line) for line in lines]
    assert shapes == [
        f"POST {PATH} 200 - N ms ID",
        "POST (unknown path) 404 NOT_FOUND N ms ID",
        f"POST {PATH} 401 SIGNATURE_INVALID N ms ID",
    ]
    assert "canary" not in receiver.log
    assert json.loads(EVENTS)[0]["propertyValue"].startswith("canary")


def test_an_id_that_is_taken_is_no_delivery_that_was_there(
    receiver: Receiver, warehouse: str
) -> None:
    """A server that was switched over can count from where it was long ago."""
    assert deliver(receiver.port, b"[1]").status == 200
    with psycopg.connect(warehouse) as conn:
        name = "pg_get_serial_sequence('staging.webhook_deliveries', 'id')"
        conn.execute(f"SELECT setval({name}, 1, false)".encode())
    answer = deliver(receiver.port, b"[2]")

    assert (answer.status, answer.code) == (503, "INBOX_UNAVAILABLE")
    assert "UniqueViolation 23505" in receiver.log
    assert deliver(receiver.port, b"[3]").status == 200
    assert bodies(warehouse) == [b"[1]", b"[3]"]
