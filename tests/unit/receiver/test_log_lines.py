"""What the receiver writes down: one line a request, and nothing of anybody."""

import json
import re
import socket
from contextlib import closing
from typing import Any

import pytest

from tests.proof.hubspot_sender import EVENTS, PATH, call, deliver, signed
from tests.proof.receiver_process import Receiver, Start

NAMED = {"X-Request-Id": "canary-free-1"}


def visit(receiver: Receiver) -> None:
    """Requests of all kinds; wherever a caller can write there is a canary."""
    port = receiver.port
    headers = {"X-Forwarded-For": "192.0.2.77", "Cookie": "canary=1"}
    assert call(port, "POST", PATH, signed() | NAMED | headers, EVENTS).status == 200
    assert call(port, "POST", PATH + "?canary=1", signed(), EVENTS).status == 401
    assert deliver(port, secret="canary").status == 401
    assert call(port, "GET", "/canary?canary=1", headers).status == 404
    assert call(port, "CANARY", PATH, headers, EVENTS).status == 405
    assert receiver.get("/metrics").status == 200
    with closing(socket.create_connection(("127.0.0.1", port), 20)) as sock:
        sock.sendall(b"GET /canary HTTP/1.1\r\nCanary canary\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("shape", ["", "text", "json"])
def test_nothing_that_a_caller_wrote_is_in_it(
    start: Start, warehouse: str, shape: str
) -> None:
    receiver = start(warehouse, CRM_WAREHOUSE_LOG_FORMAT=shape)
    visit(receiver)
    log = receiver.log.replace(NAMED["X-Request-Id"], "")

    assert not re.search(r"canary|192\.0\.2\.77|person@", log, re.IGNORECASE)
    assert "POST /api/v1/webhooks/hubspot/ 401 SIGNATURE_INVALID" in log


def lines(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(line) for line in receiver.log.splitlines()]


def test_json_is_an_object_a_line(start: Start, warehouse: str) -> None:
    receiver = start(warehouse, CRM_WAREHOUSE_LOG_FORMAT="json")
    visit(receiver)
    found = lines(receiver)

    for line in found:
        assert list(line)[:4] == ["time", "level", "logger", "message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    loggers = {line["logger"] for line in found}
    assert loggers >= {"gunicorn.error", "webhook_receiver.app"}
    (line,) = (each for each in found if each.get("request_id") == "canary-free-1")
    line.pop("time")
    taken = line.pop("milliseconds")
    assert 0 < taken < 5000
    assert line == {
        "level": "info",
        "logger": "webhook_receiver.app",
        "message": f"POST {PATH} 200 - {taken} ms canary-free-1",
        "source": "hubspot",
        "status": 200,
        "code": "-",
        "request_id": "canary-free-1",
    }
    assert [
        (each["source"], each["status"], each["code"])
        for each in found
        if each.get("source") and each["status"] >= 400
    ] == [
        ("hubspot", 401, "SIGNATURE_INVALID"),
        ("hubspot", 401, "SIGNATURE_INVALID"),
        ("-", 404, "NOT_FOUND"),
        ("-", 405, "METHOD_NOT_ALLOWED"),
    ]


def test_another_format_ends_the_start(start: Start, warehouse: str) -> None:
    receiver = start(warehouse, ready=False, CRM_WAREHOUSE_LOG_FORMAT="xml")

    assert receiver.wait_end() == 1
    assert "CRM_WAREHOUSE_LOG_FORMAT must be text or json" in receiver.log
