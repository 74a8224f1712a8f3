"""The paths of the receiver."""

import time

from flask import Blueprint, Response, jsonify, request

from webhook_receiver.body import read_body
from webhook_receiver.delivery import Delivery, Sender
from webhook_receiver.inbox import Entry, Inbox, InboxError
from webhook_receiver.refusals import RefusalError, fault_of_ours, request_id
from webhook_receiver.settings import BODY_LIMIT_BYTES, Settings
from webhook_receiver.verifiers import VERIFIERS

_SOURCES = ", ".join(VERIFIERS)


def blueprint(settings: Settings, inbox: Inbox) -> Blueprint:
    """All paths, for one inbox."""
    routes = Blueprint("receiver", __name__)

    # Other sources are not found, as any other path. Without the last slash too:
    # a redirected POST would arrive with a URL that was not signed.
    @routes.post(f"/api/v1/webhooks/<any({_SOURCES}):source>/", strict_slashes=False)
    def receive(source: str) -> Response:
        sender = settings.senders.get(source)
        if sender is None:
            # Never 4xx, which some sources take as final.
            raise fault_of_ours("NOT_CONFIGURED", "This source is not set up yet")
        entry = _verified(source, sender)
        try:
            inbox.store(entry)
        except InboxError:
            raise fault_of_ours("INBOX_UNAVAILABLE", "Not stored; send again") from None
        return jsonify(status="received", processed=False, message="queued")

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

    return routes


def _verified(source: str, sender: Sender) -> Entry:
    """The request at hand as a delivery that its source signed.

    Raises:
        RefusalError: It is not one.
    """
    if request.mimetype != "application/json":
        raise RefusalError(415, "CONTENT_TYPE_NOT_JSON", "Send application/json")
    body = read_body(
        request.environ["wsgi.input"], request.content_length, BODY_LIMIT_BYTES
    )
    verifier = VERIFIERS[source]
    headers = {
        name: request.headers[name]
        for name in verifier.headers
        if name in request.headers
    }
    # As called, escapes and all; the framework has only the decoded path.
    target: str = request.environ["RAW_URI"]
    url = sender.public_url.encode() + target.encode("latin-1")
    delivery = Delivery(request.method, url, headers, body)
    replay_key = verifier.verify(delivery, sender, time.time_ns() // 1_000_000)
    agent = {"user-agent": request.headers.get("User-Agent", "")}
    return Entry(
        source=source,
        request_id=request_id(),
        replay_key=replay_key,
        content_type=request.headers["Content-Type"],
        headers=headers | agent,
        delivery=delivery,
    )
