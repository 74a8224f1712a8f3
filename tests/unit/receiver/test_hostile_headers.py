"""Headers that are meant to be read in two ways, or to break who reads them."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from stored import deliveries

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import EVENTS, PATH, call, signed
from tests.proof.receiver_process import HUBSPOT, Receiver, started

ALL_VERSIONS = {**HUBSPOT, "signature_versions": ["v1", "v2", "v3"]}
SIGNATURE = "X-HubSpot-Signature-v3"
TIMESTAMP = "X-HubSpot-Request-Timestamp"


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    name = "warehouse_hostile"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def receiver(
    warehouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    """As generous as can be: where less is allowed, less gets in."""
    log = tmp_path_factory.mktemp("hostile") / "receiver.log"
    connection = {"extra": ALL_VERSIONS}
    variables = {"AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT": json.dumps(connection)}
    with started(warehouse, ALL_VERSIONS, log, **variables) as one:
        yield one


def statuses(receiver: Receiver, *lines: bytes, body: bytes = EVENTS) -> list[int]:
    """Statuses of all answers to a signed delivery with these lines more."""
    headers = [f"{name}: {value}".encode() for name, value in signed(body).items()]
    # Without "Connection: close": a second answer would show.
    head = [f"POST {PATH} HTTP/1.1".encode(), b"Host: a", *headers, *lines, b"", b""]
    with closing(socket.create_connection(("127.0.0.1", receiver.port), 20)) as sock:
        sock.sendall(b"\r\n".join(head) + body)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert not re.search(rb"^Server:", received, re.MULTILINE | re.IGNORECASE)
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def length(body: bytes = EVENTS) -> bytes:
    return b"Content-Length: %d" % len(body)


def test_the_same_delivery_without_tricks_is_taken(
    receiver: Receiver, warehouse: str
) -> None:
    before = len(deliveries(warehouse))

    assert statuses(receiver, length()) == [200]
    assert len(deliveries(warehouse)) == before + 1


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([length(), b"X_HubSpot_Signature_v3: a"], 400),
        ([length(), b"X_HubSpot_Request_Timestamp: 1"], 400),
        ([length(), b"X-HubSpot_Signature-v3: a"], 400),
        ([length(), b"X_API_Key: a"], 400),
        ([length(), f"{SIGNATURE}: {'A' * 43}=".encode()], 401),
        ([length(), f"{TIMESTAMP}: 1".encode()], 401),
        ([length(), f"{TIMESTAMP}:".encode()], 401),
        ([length(), length()], 400),
        ([length(), b"Content-Length: 1"], 400),
        ([b"Content-Length: +%d" % len(EVENTS)], 400),
        ([length(), b"Transfer-Encoding: chunked"], 400),
        ([length(), b"X-Folded: a\r\n b"], 400),
        ([length(), b"X-Bare: a\nX-More: b"], 400),
        ([length(), b"X-NUL: \0"], 400),
        ([length(), b"X-HubSpot-Signature-v3 : a"], 400),
        ([length(), b"X-Long: " + b"a" * 1_000_000], 431),
    ],
    ids=lambda part: str(part)[-60:],
)
def test_what_can_be_read_in_two_ways_is_refused_once(
    receiver: Receiver, warehouse: str, lines: list[bytes], status: int
) -> None:
    before = deliveries(warehouse)
    try:
        answers = statuses(receiver, *lines)
    except ConnectionError:
        # It has answered and gone while a megabyte was still on its way.
        assert status == 431
        answers = [431]
    assert answers == [status]
    assert deliveries(warehouse) == before


HOSTILE = {
    "empty": "",
    "blank": "  ",
    "not ASCII": "\xe9\xff" * 22,
    "long": "a" * 8000,
    "5,000 digits": "9" * 5000,
    "digits of another script": "\xb2\xb9",
    "sign": "-1",
    "a list": "a, b",
}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (PATH, SIGNATURE),
        (PATH, TIMESTAMP),
        (PATH, "X-HubSpot-Signature"),
        (PATH, "X-HubSpot-Signature-Version"),
        ("/api/v1/webhooks/activeprospect/", "X-API-Key"),
    ],
)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_value_of_a_header_breaks_anything(
    receiver: Receiver, warehouse: str, path: str, name: str, value: str
) -> None:
    before = deliveries(warehouse)
    older = {
        "Content-Type": "application/json",
        "X-HubSpot-Signature": "a" * 64,
        "X-HubSpot-Signature-Version": "v1",
    }
    headers = signed() if name in (SIGNATURE, TIMESTAMP) else older
    answer = call(receiver.port, "POST", path, headers | {name: value}, EVENTS)

    assert answer.status == 401
    assert answer.code.startswith("SIGNATURE_")
    assert deliveries(warehouse) == before


@pytest.mark.parametrize(
    "target",
    [
        f"https://hooks.example.com{PATH}",
        f"//hooks.example.com{PATH}",
        f"{PATH}#part",
        PATH.replace("hubspot", "hub%73pot"),
    ],
)
def test_another_way_to_write_the_target_was_not_signed(
    receiver: Receiver, warehouse: str, target: str
) -> None:
    before = deliveries(warehouse)
    answer = call(receiver.port, "POST", target, signed(), EVENTS)

    assert answer.status in (400, 401, 404)
    assert deliveries(warehouse) == before


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", [PATH, "/healthz", "/nowhere"])
def test_no_other_site_is_let_in_and_nothing_says_what_runs_here(
    receiver: Receiver, method: str, path: str
) -> None:
    headers = {
        "Origin": "https://example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "X-HubSpot-Signature-v3",
    }
    answer = call(receiver.port, method, path, headers, b"[]")

    names = {name.lower() for name in answer.headers}
    assert not [name for name in names if name.startswith("access-control-")]
    assert names.isdisjoint({"server", "via", "x-powered-by"})
    assert "gunicorn" not in f"{answer.headers} {answer.text!r}".lower()
    assert "python" not in f"{answer.headers} {answer.text!r}".lower()
