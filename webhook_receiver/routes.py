"""The paths of the receiver."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify
from flask.globals import request_ctx

from webhook_receiver.backlog import Backlog
from webhook_receiver.body import read_body
from webhook_receiver.callers import (
    caller_of_request,
    demand_allowed,
    demand_reader,
)
from webhook_receiver.delivery import Delivery, Sender
from webhook_receiver.inbox import Entry, Inbox, InboxError
from webhook_receiver.limits import demand_patience, demand_room, failures_counted
from webhook_receiver.metrics import count_not_stored, count_stored, exposed
from webhook_receiver.refusals import RefusalError, fault_of_ours, request_id
from webhook_receiver.settings import BODY_LIMIT_BYTES, Settings
from webhook_receiver.verifiers import VERIFIERS

logger = logging.getLogger(__name__)

_SOURCES = ", ".join(VERIFIERS)
_RECEIVED = b'{"status":"received","processed":false,"message":"queued"}\n'


def blueprint(settings: Settings, inbox: Inbox) -> Blueprint:
    """All paths, for one inbox."""
    routes = Blueprint("receiver", __name__)
    backlog = Backlog(settings.conninfo, VERIFIERS)

    # Other sources are not found, as any other path. Without the last slash too:
    # a redirected POST would arrive with a URL that was not signed.
    @routes.post(
        f"/api/v1/webhooks/<any({_SOURCES}):source>/",
        strict_slashes=False,
        provide_automatic_options=False,
    )
    def receive(source: str) -> Response:
        sender = settings.senders.get(source)
        if sender is None:
            # Never 4xx, which some sources take as final.
            raise fault_of_ours("NOT_CONFIGURED", "This source is not set up yet")
        entry = _verified(source, sender, settings.proxies)
        demand_room(source, sender)
        try:
            inbox.store(entry)
        except InboxError as error:
            count_not_stored(source, str(error))
            raise fault_of_ours("INBOX_UNAVAILABLE", "Not stored; send again") from None
        count_stored(source, len(entry.delivery.body))
        return Response(_RECEIVED, mimetype="application/json")

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        try:
            inbox.check()
        except InboxError:
            raise fault_of_ours("NOT_READY", "The database does not answer") from None
        return jsonify(status="ok")

    @routes.get("/metrics")
    def metrics() -> Response:
        demand_reader(settings.metrics_networks, settings.proxies)
        return exposed(backlog)

    return routes


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """By names in lower case; the framework's own way takes four times as long."""
    found = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    # The two that WSGI names otherwise.
    for name in ("content-type", "content-length"):
        if value := environ.get(name.replace("-", "_").upper()):
            found[name] = value
    return found


def _is_plain(headers: Mapping[str, str]) -> bool:
    """Whether the body is as it was signed, not compressed on its way."""
    coding = headers.get("content-encoding", "") or "identity"
    transfer = headers.get("transfer-encoding", "") or "identity"
    return coding == "identity" and transfer in ("identity", "chunked")


def _verified(source: str, sender: Sender, proxies: int) -> Entry:
    """The request at hand as a delivery that is its source's.

    Raises:
        RefusalError: It is not one.
    """
    # `request` itself looks for the request at hand whenever it is named.
    verifier, asked = VERIFIERS[source], request_ctx.request
    demand_allowed(source, sender, proxies)
    address = caller_of_request(proxies)
    demand_patience(address)
    headers = _headers(asked.environ)
    if not _is_plain(headers):
        raise RefusalError(415, "CONTENT_ENCODING_NOT_TAKEN", "Send it uncompressed")
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in verifier.content_types:
        types = ", ".join(verifier.content_types)
        raise RefusalError(415, "CONTENT_TYPE_NOT_TAKEN", f"Send one of: {types}")
    body = read_body(
        asked.environ["wsgi.input"], asked.content_length, BODY_LIMIT_BYTES
    )
    now_ms = time.time_ns() // 1_000_000
    if not sender.active(now_ms):
        logger.error("%s: every entry of webhook_secrets has ended", source)
        raise fault_of_ours("NOT_CONFIGURED", "This source has no secret any more")
    # As called, escapes and all; the framework has only the decoded path.
    target: str = asked.environ["RAW_URI"]
    url = sender.public_url.encode() + target.encode("latin-1")
    delivery = Delivery(asked.method, url, headers, body)
    with failures_counted(address):
        proof = verifier.verify(delivery, sender, now_ms)
    return Entry(
        source=source,
        request_id=request_id(),
        replay_key=proof.replay_key,
        content_type=content_type,
        headers={**proof.headers, "user-agent": headers.get("user-agent", "")},
        delivery=delivery,
    )
