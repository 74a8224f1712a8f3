"""HubSpot's webhook events: which records are no longer as we know them.

An event is a sign that a record changed, never the change itself: order and
completeness of events are not promised. One event may be about several records.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.hubspot_batches import is_id
from crm_warehouse.clients.webhook_events import MalformedDeliveryError, WebhookEvent
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
_EPOCH = datetime.fromtimestamp(0, UTC)


def parse_events(
    body: bytes, *, portal_id: str | None, app_id: str | None
) -> list[WebhookEvent]:
    """Events of one delivery; see :class:`WebhookParser`.

    A delivery is an array of events, or one event. An event about several records (a
    merge, an association) becomes one for each. Types that we do not know have neither
    entity nor problem.
    """
    try:
        decoded = decode_json(body)
    except TransientSourceError as error:
        raise MalformedDeliveryError(f"the delivery: {error}") from None
    if not isinstance(decoded, dict | list):
        raise MalformedDeliveryError("the delivery is no array of events")
    events = decoded if isinstance(decoded, list) else [decoded]
    accounts = {"portalId": portal_id, "appId": app_id}
    return [parsed for event in events for parsed in _parse(event, accounts)]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A record that an event is about: our entity, and its id as it came.

    Attributes:
        merged_into: Id of the record that took its place.
    """

    entity_type: str | None
    source_id: Any
    merged_into: str | None = None


def _parse(event: Any, accounts: dict[str, str | None]) -> Iterator[WebhookEvent]:
    if not isinstance(event, dict):
        yield _event({"value": event}, "", _Subject(None, None), "is not an object")
        return
    event_type = event.get("subscriptionType") or event.get("eventType") or ""
    if not isinstance(event_type, str):
        event_type = ""
    problem = None if event_type else "has no type"
    for name, ours in accounts.items():
        if ours and event.get(name) is not None and _text(event[name]) != ours:
            problem = f"is of another {name} than the connection's"
    for subject in dict.fromkeys(_subjects(event, event_type)):
        yield _event(event, event_type, subject, problem)


def _subjects(event: dict[str, Any], event_type: str) -> list[_Subject]:
    """The records that an event is about; at least one, be it nobody of ours."""
    kind, _, action = event_type.partition(".")
    own = _ENTITIES.get(_text(event.get("objectTypeId")) if kind == "object" else kind)
    if action not in _ACTIONS:
        return [_Subject(None, _text(event.get("objectId")))]
    if action == "associationChange":
        ends = _ends(event, own)
        return [end for end in ends if end.entity_type] or [_Subject(None, None)]
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
        _Subject(_ENTITIES.get(begin, own), _text(event.get("fromObjectId"))),
        _Subject(_ENTITIES.get(end), _text(event.get("toObjectId"))),
    ]


def _event(
    payload: dict[str, Any], event_type: str, subject: _Subject, problem: str | None
) -> WebhookEvent:
    usable = isinstance(subject.source_id, str) and is_id(subject.source_id)
    if subject.entity_type and not usable:
        problem = problem or "names no usable id"
    source_id = subject.source_id if usable else None
    identity = [_text(payload.get(name)) for name in _IDENTITY]
    if not any(identity):
        identity = [json.dumps(payload, sort_keys=True)]
    told = [*identity, subject.entity_type, source_id]
    return WebhookEvent(
        event_type=event_type,
        entity_type=subject.entity_type,
        object_id=source_id,
        event_id=_text(payload.get("eventId")) or None,
        occurred_at=_moment(payload.get("occurredAt")),
        payload=payload,
        # ASCII, for texts may hold what UTF-8 cannot.
        dedupe_key=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        problem=problem,
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
