"""What is not proven to be HubSpot's is refused in the shape of all errors."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from stored import deliveries

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import (
    EVENTS,
    PATH,
    PUBLIC_URL,
    Answer,
    call,
    deliver,
    now_ms,
    signed,
)
from tests.proof.receiver_process import HUBSPOT, Receiver, started

SIGNATURE = "X-HubSpot-Signature-v3"
TIMESTAMP = "X-HubSpot-Request-Timestamp"
TOO_LARGE = 2 * 1024 * 1024 + 1


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    """One for all tests of this module: none of them leaves anything."""
    name = "warehouse_refusals"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def receiver(
    warehouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    log = tmp_path_factory.mktemp("receiver") / "receiver.log"
    with started(warehouse, HUBSPOT, log) as one:
        yield one


#: Stands for a minute after the time of the test, which is not that of its collection.
LATER = "a minute later"


def post(receiver: Receiver, **changes: str | None) -> Answer:
    """A signed delivery with some of its headers changed, or left out (None)."""
    headers = signed()
    for name, value in changes.items():
        headers.pop(name)
        if value is not None:
            headers[name] = str(now_ms() + 60_000) if value is LATER else value
    return call(receiver.port, "POST", PATH, headers, EVENTS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({SIGNATURE: None}, "SIGNATURE_MISSING"),
        ({SIGNATURE: ""}, "SIGNATURE_MISSING"),
        ({SIGNATURE: "   "}, "SIGNATURE_MISSING"),
        ({TIMESTAMP: None}, "SIGNATURE_MISSING"),
        ({TIMESTAMP: ""}, "SIGNATURE_MISSING"),
        ({SIGNATURE: "0" * 64}, "SIGNATURE_MALFORMED"),
        ({SIGNATURE: "\xe9" * 44}, "SIGNATURE_MALFORMED"),
        ({SIGNATURE: "a" * 8000}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "yesterday"}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "-1"}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "1e12"}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "\xb2\xb2"}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "9" * 5000}, "SIGNATURE_MALFORMED"),
        ({TIMESTAMP: "0"}, "SIGNATURE_INVALID"),
        ({TIMESTAMP: str(now_ms() // 1000)}, "SIGNATURE_INVALID"),
        ({TIMESTAMP: LATER}, "SIGNATURE_INVALID"),
        ({SIGNATURE: "A" * 43 + "="}, "SIGNATURE_INVALID"),
    ],
)
def test_a_request_without_proof_leaves_nothing(
    receiver: Receiver, warehouse: str, changes: dict[str, str | None], code: str
) -> None:
    answer = post(receiver, **changes)

    assert (answer.status, answer.code) == (401, code)
    assert "Retry-After" not in answer.headers
    assert deliveries(warehouse) == []


@pytest.mark.parametrize(
    ("shift_seconds", "words"), [(-301, "30[1-9] s old"), (309, "30[0-9] s ahead")]
)
def test_authentic_but_stale_asks_to_come_again_with_an_alarm(
    receiver: Receiver, warehouse: str, shift_seconds: int, words: str
) -> None:
    answer = deliver(receiver.port, timestamp=now_ms(shift_seconds))

    assert (answer.status, answer.code) == (503, "SIGNATURE_EXPIRED")
    assert answer.headers["Retry-After"] == "10"
    assert deliveries(warehouse) == []
    alarm = f"ERROR webhook_receiver.hubspot: .* right signature is {words}"
    assert re.search(alarm, receiver.log)


@pytest.mark.parametrize("shift_seconds", [-301, 309])
def test_forged_and_stale_is_forged(receiver: Receiver, shift_seconds: int) -> None:
    answer = deliver(receiver.port, timestamp=now_ms(shift_seconds), secret="wrong")

    assert (answer.status, answer.code) == (401, "SIGNATURE_INVALID")


def test_a_wrong_key_and_another_body_are_forged(
    receiver: Receiver, warehouse: str
) -> None:
    other_body = call(receiver.port, "POST", PATH, signed(), EVENTS + b" ")
    wrong_key = deliver(receiver.port, secret="wrong")

    assert (other_body.status, other_body.code) == (401, "SIGNATURE_INVALID")
    assert (wrong_key.status, wrong_key.code) == (401, "SIGNATURE_INVALID")
    assert deliveries(warehouse) == []


def test_older_signatures_prove_nothing(receiver: Receiver) -> None:
    headers = signed()
    del headers[SIGNATURE]
    headers |= {"X-HubSpot-Signature": "0" * 64, "X-HubSpot-Signature-Version": "v1"}

    answer = call(receiver.port, "POST", PATH, headers, EVENTS)
    assert (answer.status, answer.code) == (401, "SIGNATURE_MISSING")


class TestBody:
    def test_too_large_as_announced(self, receiver: Receiver, warehouse: str) -> None:
        answer = deliver(receiver.port, b"a" * TOO_LARGE)

        assert (answer.status, answer.code) == (413, "BODY_TOO_LARGE")
        assert deliveries(warehouse) == []

    def test_too_large_in_chunks(self, receiver: Receiver, warehouse: str) -> None:
        body = b"a" * TOO_LARGE

        def pieces() -> Iterator[bytes]:
            for begin in range(0, TOO_LARGE, 100_000):
                yield body[begin : begin + 100_000]

        answer = call(receiver.port, "POST", PATH, signed(body), pieces())
        assert (answer.status, answer.code) == (413, "BODY_TOO_LARGE")
        assert deliveries(warehouse) == []

    def test_empty(self, receiver: Receiver) -> None:
        answer = deliver(receiver.port, b"")

        assert (answer.status, answer.code) == (400, "BODY_EMPTY")

    @pytest.mark.parametrize(
        "type_", ["text/plain", "application/x-www-form-urlencoded", "", "json"]
    )
    def test_no_json(self, receiver: Receiver, warehouse: str, type_: str) -> None:
        answer = post(receiver, **{"Content-Type": type_})

        assert (answer.status, answer.code) == (415, "CONTENT_TYPE_NOT_TAKEN")
        assert deliveries(warehouse) == []

    @pytest.mark.parametrize(
        "framing", [b"Content-Length: 900", b"Transfer-Encoding: chunked"]
    )
    def test_cut_off(self, receiver: Receiver, warehouse: str, framing: bytes) -> None:
        head = b"".join(
            f"{name}: {value}\r\n".encode() for name, value in signed().items()
        )
        body = b"384\r\n[1" if framing.startswith(b"T") else b"[1"
        answer = raw(
            receiver,
            b"POST %b HTTP/1.1\r\nHost: a\r\n" % PATH.encode(),
            head,
            framing,
            b"\r\n\r\n",
            body,
        )

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"BODY_INCOMPLETE"' in answer
        assert deliveries(warehouse) == []


def raw(receiver: Receiver, *parts: bytes) -> bytes:
    """The answer to bytes that end there."""
    with closing(socket.create_connection(("127.0.0.1", receiver.port), 20)) as sock:
        sock.sendall(b"".join(parts))
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/api/v1/webhooks/genius/", 404, "NOT_FOUND"),
        ("POST", "/api/v1/webhooks/HubSpot/", 404, "NOT_FOUND"),
        ("POST", "/api/v1/webhooks/", 404, "NOT_FOUND"),
        ("POST", "/api/v1//webhooks/hubspot/", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("OPTIONS", PATH, 405, "METHOD_NOT_ALLOWED"),
        ("GET", PATH, 405, "METHOD_NOT_ALLOWED"),
        ("PUT", PATH, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/healthz", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_other_paths_and_methods(
    receiver: Receiver, warehouse: str, method: str, path: str, status: int, code: str
) -> None:
    answer = call(receiver.port, method, path, signed(url=PUBLIC_URL + path), EVENTS)

    assert (answer.status, answer.code) == (status, code)
    assert ("Allow" in answer.headers) == (status == 405)
    assert deliveries(warehouse) == []


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET /canary HTTP/1.1\r\nHost canary\r\n\r\n", 400, "BAD_REQUEST"),
        (b"canary\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET /%b HTTP/1.1\r\n\r\n" % (b"c" * 5000), 414, "URI_TOO_LONG"),
        (
            b"GET / HTTP/1.1\r\nCanary: %b\r\n\r\n" % (b"c" * 9000),
            431,
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
        ),
        (
            b"GET / HTTP/1.1\r\n%b\r\n" % (b"Canary: c\r\n" * 51),
            431,
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
        ),
    ],
    ids=["header", "no HTTP", "long path", "long header", "many headers"],
)
def test_what_is_no_request_is_refused_in_the_same_shape(
    receiver: Receiver, head: bytes, status: int, code: str
) -> None:
    top, _, body = raw(receiver, head).partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in top.decode().split("\r\n")[1:]]
    answer = Answer(int(top.split()[1]), {line[0]: line[1] for line in lines}, body)

    assert (answer.status, answer.code) == (status, code)
    assert "canary" not in f"{answer.text!r} {receiver.log}".lower()


@pytest.mark.parametrize(
    "given", ["", "a" * 65, "two words", "né", "<script>", "a;b"], ids=repr
)
def test_a_strange_request_id_is_replaced(receiver: Receiver, given: str) -> None:
    answer = receiver.get("/healthz", **{"X-Request-Id": given})

    assert re.fullmatch("req_[0-9a-f]{32}", answer.headers["X-Request-Id"])
