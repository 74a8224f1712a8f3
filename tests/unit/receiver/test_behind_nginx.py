"""The shipped nginx: who sends slowly waits there, and nothing of ours leaks out."""

import http.client
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import EVENTS, PATH, Answer, call, deliver, signed
from tests.proof.nginx_door import NginxDoor, program
from tests.proof.receiver_process import HUBSPOT, Receiver, started

pytestmark = pytest.mark.skipif(not program(), reason="nginx is not installed")

#: The normal request's, of another caller than the slow ones.
OTHER_ADDRESS = ("127.0.0.2", 0)
#: The figure of the cases; waiting for a slow one would take 5 seconds at least.
NORMAL_SECONDS = 1.0
HEAD = b"POST %b HTTP/1.1\r\nHost: a\r\n" % PATH.encode()
#: Requests at once, of all callers.
SLOTS = 800
STALLED = {
    "idle": b"",
    "headers": HEAD + b"X-Slow: a",
    "body": HEAD + b"Content-Type: application/json\r\nContent-Length: 900\r\n\r\n[",
}


@pytest.fixture(scope="module")
def receiver(
    postgres: Postgres,
    warehouse_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Receiver]:
    name = "warehouse_behind_nginx"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    conninfo = postgres.conninfo(name, "crm_warehouse")
    log = tmp_path_factory.mktemp("behind") / "receiver.log"
    with started(conninfo, HUBSPOT, log, CRM_WAREHOUSE_PROXIES="1") as one:
        yield one
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def door(
    receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NginxDoor]:
    with NginxDoor(tmp_path_factory.mktemp("nginx"), receiver.port) as one:
        yield one


def test_nginx_finds_no_mistake_in_it(door: NginxDoor) -> None:
    assert not re.search("emerg|crit|error", door.test())


@pytest.mark.parametrize("kind", STALLED)
@pytest.mark.parametrize("count", [40, 400])
def test_the_slow_do_not_hold_up_others(door: NginxDoor, kind: str, count: int) -> None:
    with ExitStack() as slow:
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", door.port), 20)
            slow.enter_context(sock)
            sock.sendall(STALLED[kind])
        connection = http.client.HTTPConnection(
            "127.0.0.1", door.port, timeout=NORMAL_SECONDS, source_address=OTHER_ADDRESS
        )
        connection.request("POST", PATH, EVENTS, signed())
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "//metrics", "/metrics/"])
def test_what_is_ours_alone_is_not_led_to(
    door: NginxDoor, receiver: Receiver, path: str
) -> None:
    before = receiver.log.count(f"GET {path} ")
    answer = call(door.port, "GET", path)

    # The pages' server would answer, and is not there.
    assert (answer.status, answer.code) == (503, "TRY_LATER")
    assert receiver.log.count(f"GET {path} ") == before


def test_a_path_that_climbs_out_of_the_webhooks_leads_elsewhere(
    door: NginxDoor,
) -> None:
    for path in (
        "/api/v1/webhooks/../../../metrics",
        "/api/v1/webhooks/%2e%2e/metrics",
    ):
        answer = call(door.port, "GET", path)
        assert (answer.status, answer.code) in ((404, "NOT_FOUND"), (503, "TRY_LATER"))


def test_health_is_for_everybody(door: NginxDoor) -> None:
    answer = call(door.port, "GET", "/healthz")

    assert (answer.status, answer.json) == (200, {"status": "ok"})


def too_many(door: NginxDoor) -> Iterator[Answer]:
    with ExitStack() as slow:
        for _ in range(130):
            sock = socket.create_connection(("127.0.0.1", door.port), 20)
            slow.enter_context(sock)
            sock.sendall(STALLED["body"])
        while True:
            yield deliver(door.port)


def test_too_many_at_once_are_asked_to_come_again(door: NginxDoor) -> None:
    answer = next(each for each in too_many(door) if each.status != 200)

    assert (answer.status, answer.code) == (503, "TRY_LATER")
    assert answer.headers["Retry-After"] == "10"


def test_many_unfinished_bodies_take_little_memory(door: NginxDoor) -> None:
    before = door.memory_kib()
    with ExitStack() as slow:
        for number in range(SLOTS + 60):
            address = f"127.0.1.{number // 95}"
            sock = socket.create_connection(
                ("127.0.0.1", door.port), 20, source_address=(address, 0)
            )
            slow.enter_context(sock)
            sock.sendall(HEAD + b"Content-Length: 262144\r\n\r\n" + b"a" * 200_000)
        answer = deliver(door.port)
        taken = door.memory_kib() - before

    # Whoever comes on top of them is told so, whoever it is.
    assert (answer.status, answer.code) == (503, "TRY_LATER")
    # Beside 128 MB of bodies on its disk in memory, and TLS, within 256 MB.
    assert taken < 60 * 1024


def test_a_receiver_that_is_away_is_no_final_answer(tmp_path: Path) -> None:
    with NginxDoor(tmp_path, 9) as door:
        answer = deliver(door.port)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert answer.code == "TRY_LATER"


def test_a_body_of_each_length_gets_its_answer(door: NginxDoor) -> None:
    body = b"a" * (2 * 1024 * 1024 + 1)

    def pieces() -> Iterator[bytes]:
        yield from (body[at : at + 100_000] for at in range(0, len(body), 100_000))

    for sent in (body, pieces()):
        answer = call(door.port, "POST", PATH, signed(body), sent)
        assert (answer.status, answer.code) == (413, "BODY_TOO_LARGE")
    assert deliver(door.port, body[:-1]).status == 200


REFUSED = {
    (400, "BAD_REQUEST"): HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    (404, "NOT_FOUND"): b"GET /.fault HTTP/1.1\r\nHost: a\r\n",
    (405, "METHOD_NOT_ALLOWED"): HEAD.replace(b"POST", b"TRACE"),
    (414, "URI_TOO_LONG"): b"GET /%b HTTP/1.1\r\nHost: a\r\n" % (b"a" * 9000),
    (431, "REQUEST_HEADER_FIELDS_TOO_LARGE"): HEAD + b"X-A: %b\r\n" % (b"a" * 9000),
    (501, "NOT_IMPLEMENTED"): HEAD + b"Transfer-Encoding: gzip\r\n",
}


@pytest.mark.parametrize("refusal", REFUSED, ids=str)
def test_what_nginx_refuses_itself_has_the_one_shape(
    door: NginxDoor, refusal: tuple[int, str]
) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 20) as sock:
        sock.sendall(REFUSED[refusal] + b"\r\n")
        response = http.client.HTTPResponse(sock)
        response.begin()
        answer = Answer(response.status, dict(response.headers), response.read())
    assert (answer.status, answer.code) == refusal
    assert "Retry-After" not in answer.headers
    # It has no setting that hides its name, only its version.
    assert answer.headers["Server"] == "nginx"


def test_what_is_no_request_has_the_one_shape(door: NginxDoor) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 20) as sock:
        sock.sendall(b"\x16\x03\x01 HTTP/1.1\r\n\r\n")
        assert b'"code":"BAD_REQUEST"' in sock.recv(65536)


def test_a_disk_of_nginx_that_cannot_be_written_is_no_final_answer(
    receiver: Receiver, tmp_path: Path
) -> None:
    with NginxDoor(tmp_path, receiver.port) as door:
        shutil.rmtree(tmp_path / "tmp" / "body")
        body = b"a" * 1024 * 1024
        answer = call(door.port, "POST", PATH, signed(body), body)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert answer.code == "TRY_LATER"


def test_the_limit_of_an_address_is_that_of_the_caller(
    door: NginxDoor, receiver: Receiver
) -> None:
    forged = signed(secret="wrong") | {"X-Forwarded-For": "198.51.100.7"}
    assert call(door.port, "POST", PATH, forged, EVENTS).code == "SIGNATURE_INVALID"

    assert deliver(door.port).status == 200


def test_its_log_holds_no_query(door: NginxDoor, tmp_path: Path) -> None:
    call(door.port, "POST", PATH + "?canary=1", signed(), EVENTS)

    call(door.port, "TRACE", PATH + "?canary=2")

    assert f" POST {PATH} 401 " in door.access_log
    assert f" TRACE {PATH} 405 " in door.access_log
    assert "canary" not in door.access_log
