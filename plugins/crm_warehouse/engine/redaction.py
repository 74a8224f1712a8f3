"""Taking the values of a person out of what a source pushed; what happened stays."""

import json
import re
import zlib
from collections.abc import Iterable
from typing import Any

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.json_elements import split_array
from crm_warehouse.clients.webhook_events import WebhookEvent, WebhookParser
from crm_warehouse.engine.id_search import IdSearch
from crm_warehouse.engine.payload import encode
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
#: What stands in place of a body of which nothing is left.
_NOTHING = b'"erased"'
EMPTIED = zlib.compress(_NOTHING)
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
        self._search = IdSearch(self._ids)

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

    def may_be_named_in(self, body: bytes) -> bool:
        """Whether bytes that cannot be read name one, however they write it."""
        return self._search.finds_in(body)


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
    if signed == _NOTHING:
        raise SourceError(
            "nothing is left of it: it could not be read, and named an erased record"
        )
    return signed


def is_emptied(body: bytes) -> bool:
    """Whether a delivery is one of which nothing is left."""
    try:
        return zlib.decompressobj().decompress(body, len(_NOTHING) + 1) == _NOTHING
    except zlib.error:
        return False


def unreadable_keys(signed: bytes, content_type: str, parse: WebhookParser) -> set[str]:
    """Dedupe keys of the elements that cannot be read: hashes of their bytes."""
    try:
        events = parse(signed, content_type=content_type)
    except (SourceError, RecursionError):
        return set()
    return {e.dedupe_key for e in events if e.payload is None and e.dedupe_key}


def redact_body(
    signed: bytes, content_type: str, parse: WebhookParser, forgotten: Forgotten
) -> bytes | None:
    """The body of a delivery, compressed, its events about erased records redacted.

    It is JSON, whatever it was. Of what cannot be read nothing is left if it names an
    erased record. None: there is nothing to redact.
    """
    if parse.carries:
        return _redact_records(signed, content_type, parse, forgotten)
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
        elements = split_array(signed)
        if not elements:
            return EMPTIED
        left = [_redact_element(each, parse, forgotten) for each in elements]
        text, same = b"[%b]" % b",".join(left), left == elements
    return None if same or text == signed else zlib.compress(text)


def _redact_element(
    element: bytes, parse: WebhookParser, forgotten: Forgotten
) -> bytes:
    """One event of a body that cannot be read as a whole."""
    if not forgotten.may_stand_in(element):
        return element
    try:
        event = decode_json(element)
        if not _about(event, parse, forgotten):
            return element
        return json.dumps(redact_event(event)).encode()
    except (SourceError, RecursionError):
        return b"null"


def _redact_records(
    signed: bytes, content_type: str, parse: WebhookParser, forgotten: Forgotten
) -> bytes | None:
    """Likewise of a delivery that carries records: of erased ones the ids stay."""
    try:
        events = parse(signed, content_type=content_type)
    except (SourceError, RecursionError):
        return EMPTIED if forgotten.may_be_named_in(signed) else None
    sent = [_json(each.record) for each in events]
    left = [_left_of(each, forgotten) or _json(each.record) for each in events]
    text = b"[%b]" % b",".join(left)
    return None if left == sent or text == signed else zlib.compress(text)


def _left_of(event: WebhookEvent, forgotten: Forgotten) -> bytes | None:
    """What is left of a record that a delivery carries; None: all of it."""
    if forgotten.concerns(event.entity_type, event.object_id, event.payload):
        return _json(event.payload)
    is_named = event.problem and forgotten.may_be_named_in(_json(event.record))
    return b"null" if is_named else None


def _json(record: Any) -> bytes:
    """A record as JSON, however deep; bytes are what could not be read."""
    if isinstance(record, bytes):
        return record
    stored = encode(record)
    return stored.exact or stored.text.encode()


def _about(event: Any, parse: WebhookParser, forgotten: Forgotten) -> bool:
    body = json.dumps(event).encode()
    return forgotten.may_stand_in(body) and any(
        forgotten.concerns(each.entity_type, each.object_id, each.payload)
        for each in parse(body, content_type="application/json")
    )
