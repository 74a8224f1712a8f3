"""What the receiver is compared with: as little as can be, behind the same servers.

Each is what a server serves: ``bare`` (WSGI), ``bare_flask`` and ``bare_asgi`` verify,
insert, commit and answer; ``no_database`` is the receiver itself, whose inbox takes all
and keeps nothing.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import psycopg
from flask import Flask, Response, request
from psycopg_pool import AsyncConnectionPool

from crm_warehouse.connections import conninfo, find
from tests.proof.hubspot_sender import PATH, PUBLIC_URL, SECRET
from webhook_receiver.app import create_app
from webhook_receiver.inbox import Inbox
from webhook_receiver.settings import from_environment
from webhook_receiver.verifiers import VERIFIERS

INSERT = """INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
) VALUES ('hubspot', 'bare', %s, 'application/json', %s, %s, %s, %s)
ON CONFLICT DO NOTHING"""
_URL = PUBLIC_URL + PATH
_RECEIVED = b'{"message":"queued","processed":false,"status":"received"}\n'
_SESSION: Mapping[str, Any] = {"autocommit": True, "prepare_threshold": 0}
_of_thread = threading.local()


def no_database() -> Any:
    """The receiver without its database."""
    Inbox.store = lambda inbox, entry: None  # type: ignore[method-assign]
    return create_app(from_environment(VERIFIERS))


def _row(signature: str, stamp: str, body: bytes) -> tuple[Any, ...] | None:
    """What is inserted; None when it is not signed."""
    text = b"POST" + _URL.encode() + body + stamp.encode()
    right = base64.b64encode(hmac.digest(SECRET.encode(), text, hashlib.sha256))
    if not hmac.compare_digest(right, signature.encode()):
        return None
    headers = f'{{"x-hubspot-signature-v3": "{signature}"}}'
    return f"{stamp}.{signature}", headers, _URL, zlib.compress(body, 1), len(body)


def _insert(row: tuple[Any, ...]) -> None:
    """Commit it, on a session of the thread."""
    if not hasattr(_of_thread, "session"):
        to = conninfo(find("crm_warehouse", os.environ))
        _of_thread.session = psycopg.connect(to, **_SESSION)
    _of_thread.session.execute(INSERT, row)


def bare(
    environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """A WSGI application without a framework."""
    body = environ["wsgi.input"].read()
    row = _row(
        environ.get("HTTP_X_HUBSPOT_SIGNATURE_V3", ""),
        environ.get("HTTP_X_HUBSPOT_REQUEST_TIMESTAMP", ""),
        body,
    )
    if row is None:
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return [b""]
    _insert(row)
    headers = [("Content-Type", "application/json")]
    start_response("200 OK", [*headers, ("Content-Length", str(len(_RECEIVED)))])
    return [_RECEIVED]


def bare_flask() -> Flask:
    """The same as a Flask application."""
    app = Flask(__name__)

    @app.post(PATH)
    def receive() -> Response:
        names = ("X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp")
        row = _row(*(request.headers.get(each, "") for each in names), request.data)
        if row is None:
            return Response(status=401)
        _insert(row)
        return Response(_RECEIVED, mimetype="application/json")

    return app


class _BareAsgi:
    """The same as an ASGI application, with a pool of eight sessions."""

    def __init__(self) -> None:
        self._pool: AsyncConnectionPool[Any] | None = None
        self._lock = asyncio.Lock()

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        headers = dict(scope["headers"])
        row = _row(
            headers.get(b"x-hubspot-signature-v3", b"").decode(),
            headers.get(b"x-hubspot-request-timestamp", b"").decode(),
            body,
        )
        if row is not None:
            pool = await self._opened()
            async with pool.connection() as session:
                await session.execute(INSERT, row)
        status = 401 if row is None else 200
        length = b"%d" % len(_RECEIVED)
        head = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": _RECEIVED})

    async def _opened(self) -> AsyncConnectionPool[Any]:
        async with self._lock:
            if self._pool is None:
                to = conninfo(find("crm_warehouse", os.environ))
                self._pool = AsyncConnectionPool(
                    to, kwargs=_SESSION, min_size=8, max_size=8, open=False
                )
                await self._pool.open(wait=True)
        return self._pool


bare_asgi = _BareAsgi()
