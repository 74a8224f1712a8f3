"""Taking the values of a person out of what a source pushed; what happened stays."""

import json
import re
import zlib
from collections.abc import Iterable
from typing import Any

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.webhook_events import WebhookParser
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

#: Fields of an event that say which records it is about.
_SUBJECTS = (
    "objectId",
    "primaryObjectId",
    "mergedObjectIds",
    "newObjectId",
    "fromObjectId",
    "toObjectId",
)
#: Ids of records that events are about are whole numbers.
_NUMBER = re.compile(r"\d+", re.ASCII)
_NUMBER_BYTES = re.compile(rb"\d+")


def named_ids(payload: Any) -> set[str]:
    """Ids of the records that an event says it is about, be it usable or not."""
    found: set[str] = set()
    if not isinstance(payload, dict):
        return found
    for name in _SUBJECTS:
        value = payload.get(name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | int):
                found.update(_NUMBER.findall(str(each)))
    return found


class Forgotten:
    """Erased records, as what was pushed may name them.

    Args:
        records: Entity and source id of each.
    """

    def __init__(self, records: Iterable[tuple[str, str]]) -> None:
        self.records = frozenset(records)
        self._ids = {source_id for _, source_id in self.records}
        self._bytes = {source_id.encode() for source_id in self._ids}

    def concerns(
        self, entity_type: str | None, object_id: str | None, payload: Any
    ) -> bool:
        """Whether an event is about one of them; of what is nobody's the ids decide."""
        if entity_type and object_id:
            return (entity_type, object_id) in self.records
        return not self._ids.isdisjoint(named_ids(payload))

    def may_stand_in(self, signed: bytes) -> bool:
        """Whether bytes name an id, of whatever; quick."""
        return not self._bytes.isdisjoint(_NUMBER_BYTES.findall(signed))


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
    signed: bytes, parse: WebhookParser, forgotten: Forgotten
) -> bytes | None:
    """The body of a delivery, compressed, its events about erased records redacted.

    Of a body that cannot be read nothing is left. None: there is nothing to redact.
    """
    try:
        decoded = decode_json(signed)
        events = decoded if isinstance(decoded, list) else [decoded]
        kept = [
            redact_event(event) if _about(event, parse, forgotten) else event
            for event in events
        ]
        text = json.dumps(kept).encode()
        same = kept == events
    except (SourceError, RecursionError):
        text, same = b"[]", False
    return None if same or text == signed else zlib.compress(text)


def _about(event: Any, parse: WebhookParser, forgotten: Forgotten) -> bool:
    body = json.dumps(event).encode()
    return forgotten.may_stand_in(body) and any(
        forgotten.concerns(each.entity_type, each.object_id, each.payload)
        for each in parse(body, portal_id=None, app_id=None)
    )
