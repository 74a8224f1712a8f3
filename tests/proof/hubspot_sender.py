"""HubSpot's side of a webhook, from its documentation alone."""

import base64
import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PATH = "/api/v1/webhooks/hubspot/"
PUBLIC_URL = "https://hooks.example.com"
SECRET = "canary-secret-of-the-app"
EVENTS = json.dumps(
    [
        {
            "eventId": 1,
            "subscriptionId": 12,
            "portalId": 62515,
            "appId": 54321,
            "occurredAt": 1564113600000,
            "subscriptionType": "contact.propertyChange",
            "attemptNumber": 0,
            "objectId": 123,
            "propertyName": "email",
            "propertyValue": "canary.person@example.com",
        }
    ]
).encode()


def now_ms(shift_seconds: float = 0) -> int:
    return int((time.time() + shift_seconds) * 1000)


def signature(url: str, body: bytes, timestamp: object, secret: str = SECRET) -> str:
    text = b"POST" + url.encode() + body + str(timestamp).encode()
    mac = hmac.new(secret.encode(), text, hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def signed(
    body: bytes = EVENTS,
    *,
    url: str = PUBLIC_URL + PATH,
    timestamp: object = None,
    secret: str = SECRET,
) -> dict[str, str]:
    """Headers of a delivery that HubSpot sends."""
    stamp = now_ms() if timestamp is None else timestamp
    return {
        "Content-Type": "application/json",
        "User-Agent": "HubSpot Connect 2.0",
        "X-HubSpot-Signature-v3": signature(url, body, stamp, secret),
        "X-HubSpot-Request-Timestamp": str(stamp),
    }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """Code of an error answer, after a look at its whole shape."""
        error = self.json["error"]
        assert self.json.keys() == {"error"}
        assert error.keys() == {"code", "details", "message", "request_id", "timestamp"}
        assert error["details"] == {}
        assert error["message"]
        assert time.strptime(error["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
        assert error["request_id"] == self.headers["X-Request-Id"]
        assert self.headers["Content-Type"] == "application/json"
        return str(error["code"])


def call(
    port: int,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
) -> Answer:
    """One request on a connection of its own; a body in pieces is sent chunked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def deliver(port: int, body: bytes = EVENTS, **options: Any) -> Answer:
    """A signed delivery."""
    return call(port, "POST", PATH, signed(body, **options), body)
