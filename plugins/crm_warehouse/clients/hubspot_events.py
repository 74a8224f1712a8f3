"""HubSpot's webhook events: which records are no longer as we know them.

An event is a sign that a record changed, never the change itself: order and
completeness of events are not promised. One event may be about several records.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.hubspot_batches import is_id
from crm_warehouse.clients.json_elements import split_array
from crm_warehouse.clients.webhook_events import (
    MalformedDeliveryError,
    WebhookEvent,
    all_of,
)
from crm_warehouse.errors import TransientSourceError

#: HubSpot's word for a kind of object, or its number -> our entity.
_ENTITIES = {
    "contact": "contacts",
    "deal": "deals",
    "company": "companies",
    "0-1": "contacts",
    "0-3": "deals",
    "0-2": "companies",
}
_ACTIONS = frozenset(
    {
        "creation",
        "deletion",
        "merge",
        "restore",
        "propertyChange",
        "associationChange",
        "privacyDeletion",
    }
)
#: What tells two events apart. The attempt does not, and the event's id alone is not
#: unique.
_IDENTITY = (
    "appId",
    "portalId",
    "subscriptionId",
    "subscriptionType",
    "eventType",
    "objectTypeId",
    "objectId",
    "eventId",
    "occurredAt",
    "propertyName",
    "propertyValue",
    "primaryObjectId",
    "mergedObjectIds",
    "newObjectId",
    "associationType",
    "associationTypeId",
    "fromObjectId",
    "toObjectId",
    "associationRemoved",
)
#: What cannot be undone, nor asked of the source again. An app may serve several
#: portals, whose records may have the same ids.
_ERASES = ".privacyDeletion"
#: An index of the inbox holds types of events, and could not hold a page of text; an id
#: of an event stands with each of its records.
_LONGEST_WORD = 200
_EPOCH = datetime.fromtimestamp(0, UTC)


def parse_events(
    body: bytes, *, portal_id: str | None, app_id: str | None, content_type: str = ""
) -> list[WebhookEvent]:
    """Events of one delivery, which is JSON; see :class:`WebhookParser`.

    A delivery is an array of events, or one event. An event about several records (a
    merge, an association) becomes one for each. Types that we do not know have neither
    entity nor problem. An event that cannot be read has a problem, and stops no other.
    """
    del content_type
    accounts = {"portalId": portal_id, "appId": app_id}
    try:
        return _parse_all(decode_json(body), accounts)
    except (TransientSourceError, RecursionError) as error:
        elements = split_array(body)
        if elements is None:
            raise MalformedDeliveryError(f"the delivery: {error}") from None
    return all_of(chain.from_iterable(_parse_one(each, accounts) for each in elements))


def _parse_all(decoded: Any, accounts: dict[str, str | None]) -> list[WebhookEvent]:
    if not isinstance(decoded, dict | list):
        raise MalformedDeliveryError("the delivery is no array of events")
    events = decoded if isinstance(decoded, list) else [decoded]
    return all_of(chain.from_iterable(_parse(event, accounts) for event in events))


def _parse_one(element: bytes, accounts: dict[str, str | None]) -> list[WebhookEvent]:
    """One element of an array that cannot be read as a whole."""
    try:
        return all_of(_parse(decode_json(element), accounts))
    except (TransientSourceError, RecursionError):
        return [
            WebhookEvent(
                event_type="",
                entity_type=None,
                object_id=None,
                event_id=None,
                occurred_at=None,
                payload=None,
                dedupe_key=hashlib.sha256(element).hexdigest(),
                problem="is nested too deeply, or no JSON",
            )
        ]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A record that an event is about: our entity, and its id as it came.

    Attributes:
        merged_into: Id of the record that took its place.
    """

    entity_type: str | None
    source_id: Any
    merged_into: str | None = None


_NOBODY = _Subject(None, None)


def _parse(event: Any, accounts: dict[str, str | None]) -> Iterator[WebhookEvent]:
    if not isinstance(event, dict):
        yield from _events({"value": event}, "", [_NOBODY], "is not an object")
        return
    event_type = event.get("subscriptionType") or event.get("eventType") or ""
    if not isinstance(event_type, str) or len(event_type) > _LONGEST_WORD:
        event_type = ""
    problem = None if event_type else "has no type"
    for name, ours in accounts.items():
        if ours and event.get(name) is not None and _text(event[name]) != ours:
            problem = f"is of another {name} than the connection's"
    subjects = _subjects(event, event_type)
    erases = event_type.endswith(_ERASES) and subjects[0].entity_type is not None
    if problem is None and erases and not accounts["portalId"]:
        problem = "would erase for good: the connection must have portal_id for that"
    yield from _events(event, event_type, subjects, problem)


def _subjects(event: dict[str, Any], event_type: str) -> list[_Subject]:
    """The records that an event is about; at least one, be it nobody of ours."""
    kind, _, action = event_type.partition(".")
    own = _ENTITIES.get(_text(event.get("objectTypeId")) if kind == "object" else kind)
    if action not in _ACTIONS:
        return [_Subject(None, _text(event.get("objectId")))]
    if action == "associationChange":
        ends = _ends(event, own)
        return [end for end in ends if end.entity_type] or [_NOBODY]
    if action == "merge":
        return _merged(event, own)
    return [_Subject(own, _text(event.get("objectId")))]


def _merged(event: dict[str, Any], own: str | None) -> list[_Subject]:
    """All records of a merge; in newer accounts the survivor is a new one."""
    primary, merged = event.get("primaryObjectId"), event.get("mergedObjectIds")
    new = event.get("newObjectId")
    named = [primary, new, event.get("objectId")]
    named += merged if isinstance(merged, list) else [merged]
    given = dict.fromkeys(_text(value) for value in named if value is not None)
    survivor = _text(primary if new is None else new)
    into = survivor if is_id(survivor) else None
    return [
        _Subject(own, each, None if each == survivor else into)
        for each in given or [""]
    ]


def _ends(event: dict[str, Any], own: str | None) -> list[_Subject]:
    """Both records of an association, the older form naming kinds in its type."""
    words = _text(event.get("associationType")).lower().partition("_to_")
    begin = _text(event.get("fromObjectTypeId")) or words[0]
    end = _text(event.get("toObjectTypeId")) or words[2]
    return [
        _Subject(
            _ENTITIES.get(begin) if begin else own, _text(event.get("fromObjectId"))
        ),
        _Subject(_ENTITIES.get(end), _text(event.get("toObjectId"))),
    ]


def _events(
    payload: dict[str, Any],
    event_type: str,
    subjects: Iterable[_Subject],
    problem: str | None,
) -> Iterator[WebhookEvent]:
    """An event for each of its records; what they share is looked at once."""
    identity = [_text(payload.get(name)) for name in _IDENTITY]
    if not any(identity):
        identity = [json.dumps(payload, sort_keys=True)]
    # ASCII, for texts may hold what UTF-8 cannot.
    digest = hashlib.sha256(f"{json.dumps(identity)[:-1]}, ".encode())
    event_id = _text(payload.get("eventId"))
    shared = WebhookEvent(
        event_type=event_type,
        entity_type=None,
        object_id=None,
        event_id=event_id if 0 < len(event_id) <= _LONGEST_WORD else None,
        occurred_at=_moment(payload.get("occurredAt")),
        payload=payload,
        dedupe_key=None,
        problem=problem,
    )
    for subject in dict.fromkeys(subjects):
        usable = isinstance(subject.source_id, str) and is_id(subject.source_id)
        source_id = subject.source_id if usable else None
        key = digest.copy()
        key.update(json.dumps([subject.entity_type, source_id])[1:].encode())
        lacks_id = subject.entity_type is not None and not usable
        yield replace(
            shared,
            entity_type=subject.entity_type,
            object_id=source_id,
            dedupe_key=key.hexdigest(),
            problem=problem or ("names no usable id" if lacks_id else None),
            merged_into=subject.merged_into,
        )


def _text(value: Any) -> str:
    """The value as comparable text; nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return "nested too deeply"


def _moment(value: Any) -> datetime | None:
    """An instant from integer milliseconds or ISO 8601; None when it is neither."""
    text = _text(value)
    try:
        if text.isascii() and text.isdigit():
            return _EPOCH + timedelta(milliseconds=int(text))
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
