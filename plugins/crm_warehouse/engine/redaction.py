"""Taking the values of a person out of what a source pushed; what happened stays."""

import json
import zlib
from collections.abc import Callable
from typing import Any

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.webhook_events import WebhookEvent, WebhookParser
from crm_warehouse.errors import SourceError

#: Longest body that is unpacked; the receiver takes 2 MB.
_MAX_BODY_BYTES = 16 * 1024 * 1024
#: What of an event says nothing of a person: ids, times, and the names of things.
_KEPT = frozenset(
    {
        "appId",
        "associationCategory",
        "associationRemoved",
        "associationType",
        "associationTypeId",
        "attemptNumber",
        "eventId",
        "eventType",
        "fromObjectId",
        "fromObjectTypeId",
        "mergedObjectIds",
        "newObjectId",
        "objectId",
        "objectTypeId",
        "occurredAt",
        "portalId",
        "primaryObjectId",
        "propertyName",
        "subscriptionId",
        "subscriptionType",
        "toObjectId",
        "toObjectTypeId",
    }
)

#: Whether an event is about a record that was erased.
IsErased = Callable[[WebhookEvent], bool]


def redact_event(payload: Any) -> Any:
    """An event without its values."""
    if not isinstance(payload, dict):
        return None
    return {key: value for key, value in payload.items() if key in _KEPT}


def unpack(body: bytes) -> bytes:
    """The signed bytes of a delivery.

    Raises:
        SourceError: They cannot be had.
    """
    unpacker = zlib.decompressobj()
    try:
        signed = unpacker.decompress(body, _MAX_BODY_BYTES)
    except zlib.error:
        raise SourceError("the stored body is damaged") from None
    if unpacker.unconsumed_tail:
        raise SourceError(f"the body is larger than {_MAX_BODY_BYTES} bytes")
    return signed


def redact_body(
    signed: bytes, parse: WebhookParser, is_erased: IsErased
) -> bytes | None:
    """The body of a delivery, compressed, its events about erased records redacted.

    Of a body that cannot be read nothing is left. None: there is nothing to redact.
    """
    try:
        decoded = decode_json(signed)
        events = decoded if isinstance(decoded, list) else [decoded]
        kept = [
            redact_event(event) if _about(event, parse, is_erased) else event
            for event in events
        ]
        text = json.dumps(kept).encode()
        same = kept == events
    except (SourceError, RecursionError):
        text, same = b"[]", False
    return None if same or text == signed else zlib.compress(text)


def _about(event: Any, parse: WebhookParser, is_erased: IsErased) -> bool:
    body = json.dumps(event).encode()
    return any(map(is_erased, parse(body, portal_id=None, app_id=None)))
