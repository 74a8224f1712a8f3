"""Webhook deliveries become events, each known once."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import MOST_LEVELS, WebhookEvent, is_deeper
from crm_warehouse.engine import payload
from crm_warehouse.engine.erased_keys import (
    ErasureKey,
    drop_repeated,
    hide_known_events,
    own_key,
)
from crm_warehouse.engine.inbox_redaction import keys_taken_out, redact_delivery
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS
from crm_warehouse.engine.redaction import (
    Forgotten,
    named_ids,
    redact_body,
    redact_event,
    unpack,
)
from crm_warehouse.engine.share import hold_inbox
from crm_warehouse.errors import SourceError

#: Deliveries of one transaction, and bytes of their bodies: some ten thousand events.
_BATCH = 1_000
_BATCH_BYTES = 3 * 1024 * 1024
#: Events from which on a transaction takes no more deliveries, and those of one
#: statement: tiny ones may stand in a megabyte by the hundred thousand. So a statement
#: has a few megabytes, and what is in one body; jsonb takes 255.
_ENOUGH_EVENTS = 10_000
_STATEMENT = 1_000
#: Longest payload, as JSON, that is kept with each of the records that an event is
#: about; a longer one is with the first, for they may be thousands.
_MOST_REPEATED = 4_096
#: What an event is judged by when its delivery is exploded again.
_JUDGED = ("dedupe_key", "state", "reason")
#: What a delivery, and not the moment, is to blame for.
_FAULTS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    RecursionError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A delivery taken apart.

    Attributes:
        events: A row for each event.
        error_message: Why it has none, or None.
    """

    id: int
    body: bytes
    content_type: str
    replay_key: str
    events: list[dict[str, Any]]
    error_message: str | None


def explode_deliveries(
    conn: Connection, request: WebhookRequest, beat: Callable[[], None] = lambda: None
) -> None:
    """Write the events of all pending deliveries; the caller is alone at it.

    Those that come meanwhile wait for the next merge: while deliveries go on coming,
    there would be no end, and nothing be merged.

    Args:
        conn: Connection in autocommit mode.
        request: Whose deliveries, and which account and app they must name.
        beat: Called between deliveries, as often as a job must say that it lives.
    """
    beat = _now_and_then(beat)
    values: dict[str, Any] = {"source_system": request.source_system}
    newest = conn.execute(query("newest_delivery"), values).fetchone()
    values["newest"] = newest[0] if newest else None
    limits = {"limit": _BATCH, "max_bytes": _BATCH_BYTES}
    while True:
        pending = conn.execute(query("pending_deliveries"), values | limits).fetchall()
        if not pending:
            return
        for part in _parts(pending, request, beat):
            _write(conn, request, part)


def _now_and_then(beat: Callable[[], None]) -> Callable[[], None]:
    """The beat, left out where the one before is a moment ago: deliveries are many."""
    last = time.monotonic()

    def now_and_then() -> None:
        nonlocal last
        if time.monotonic() - last >= HEARTBEAT_SECONDS:
            beat()
            last = time.monotonic()

    return now_and_then


def _parts(
    pending: Iterable[tuple[int, bytes, str, str]],
    request: WebhookRequest,
    beat: Callable[[], None],
) -> Iterator[list[_Delivery]]:
    """Deliveries taken apart, as many as are written in one transaction."""
    part: list[_Delivery] = []
    events = 0
    for delivery_id, body, content_type, replay_key in pending:
        beat()
        found, message = _explode(delivery_id, body, content_type, request)
        sent = body, content_type, replay_key
        part.append(_Delivery(delivery_id, *sent, found, message))
        events += len(found)
        if events >= _ENOUGH_EVENTS:
            yield part
            part, events = [], 0
    if part:
        yield part


def _write(conn: Connection, request: WebhookRequest, part: list[_Delivery]) -> None:
    """Write the events of deliveries; one that cannot be written stops no other."""
    try:
        with conn.transaction():
            hold_inbox(conn, request.source_system)
            gone = drop_repeated(conn, {each.id: each.replay_key for each in part})
            left = {each.id: each for each in part if each.id not in gone}
            events = [event for each in left.values() for event in each.events]
            _redact(conn, request, events, left)
            _save(conn, request.source_system, events, list(left))
            outcomes = [
                {"id": each.id, "error_message": each.error_message}
                for each in left.values()
            ]
            conn.execute(query("settle_deliveries"), {"deliveries": Jsonb(outcomes)})
    except _FAULTS as error:
        if len(part) > 1:
            for each in part:
                _write(conn, request, [each])
        elif part[0].events:
            # Of what is refused an error may tell the values.
            message = f"cannot be read: {type(error).__name__} when it is stored"
            _write(conn, request, [replace(part[0], events=[], error_message=message)])
        else:
            raise


def _save(
    conn: Connection, source_system: str, events: list[dict[str, Any]], ids: list[int]
) -> None:
    """Write the events; of replayed deliveries also judge those anew that failed."""
    found = conn.execute(query("still_pending"), {"deliveries": ids}).fetchall()
    replayed = dict(found)
    events = [event for event in events if event["delivery_id"] in replayed]
    again = [event for event in events if replayed[event["delivery_id"]]]
    # Out of a redacted body an event has another dedupe key than its row has.
    new = [e for e in events if not (e.get("redacted") and replayed[e["delivery_id"]])]
    values: dict[str, Any] = {"source_system": source_system}
    for start in range(0, len(new), _STATEMENT):
        some = Jsonb(new[start : start + _STATEMENT])
        conn.execute(query("save_events"), {**values, "events": some})
    if again:
        values["deliveries"] = list({event["delivery_id"] for event in again})
        judged = [{name: event[name] for name in _JUDGED} for event in again]
        conn.execute(query("judge_events"), {**values, "events": Jsonb(judged)})


def _explode(
    delivery_id: int, body: bytes, content_type: str, request: WebhookRequest
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a delivery's events, or why it has none."""
    parse = WEBHOOK_PARSERS[request.source.client]
    try:
        events = parse(
            unpack(body),
            content_type=content_type,
            portal_id=request.portal_id,
            app_id=request.app_id,
        )
        return list(_rows(delivery_id, events)), None
    except SourceError as error:
        return [], str(error)
    except Exception as error:  # noqa: BLE001  one delivery must not stop the others
        return [], f"cannot be read: {type(error).__name__}"


def _rows(delivery_id: int, events: list[WebhookEvent]) -> Iterator[dict[str, Any]]:
    """Rows of events; those that are parts of one share its payload."""
    whole = kept = None
    for position, event in enumerate(events):
        if event.payload is not whole:
            whole, kept = event.payload, _payload(event)
        elif kept is not None and len(json.dumps(kept)) > _MOST_REPEATED:
            kept = None
        yield _row(delivery_id, position, event) | {"payload": kept}


def _redact(
    conn: Connection,
    request: WebhookRequest,
    events: list[dict[str, Any]],
    sent: Mapping[int, _Delivery],
) -> None:
    """Keep no values of records that were erased, neither in events nor in bodies."""
    ids = {event["object_id"] for event in events if event["object_id"]}
    ids.update(*(named_ids(event["payload"]) for event in events))
    values = {"source_system": request.source_system, "ids": list(ids)}
    erased = conn.execute(query("find_erased_events"), values).fetchall()
    if not erased:
        return
    forgotten, deliveries, key = Forgotten(erased), set(), ErasureKey(conn)
    hidden: dict[str, str] = {}
    for event in events:
        named = event["entity_type"], event["object_id"]
        if forgotten.concerns(*named, event["payload"]):
            event["payload"] = redact_event(event["payload"])
            event["redacted"] = True
            event["state"] = (
                "ignored" if event["state"] == "pending" else event["state"]
            )
            event["reason"] = event["reason"] or "the record was erased"
            deliveries.add(event["delivery_id"])
            place = event["delivery_id"], event["position"]
            hidden[event["dedupe_key"]] = key.hide_event(event["dedupe_key"], *place)
    parse = WEBHOOK_PARSERS[request.source.client]
    for each in (sent[delivery_id] for delivery_id in sorted(deliveries)):
        signed = unpack(each.body)
        body = redact_body(signed, each.content_type, parse, forgotten)
        if body is not None:
            redact_delivery(conn, key, (each.id, each.replay_key), signed, body)
            lost = keys_taken_out(signed, body, each.content_type, parse)
            hidden |= {plain: key.hide(plain) for plain in lost}
    for event in events:
        event["dedupe_key"] = hidden.get(event["dedupe_key"], event["dedupe_key"])
    # What came before, and waits to be redacted, is known all the same.
    hide_known_events(conn, request.source_system, hidden)


def _row(delivery_id: int, position: int, event: WebhookEvent) -> dict[str, Any]:
    state, reason = _state(event)
    moment = event.occurred_at
    row = {
        "delivery_id": delivery_id,
        "position": position,
        "entity_type": event.entity_type,
        "object_id": event.object_id,
        "event_type": event.event_type,
        "event_id": event.event_id,
        "occurred_at": moment.isoformat() if moment else None,
        "dedupe_key": event.dedupe_key or own_key(delivery_id, position),
        "merged_into": event.merged_into,
        "state": state,
        "reason": reason,
    }
    cleaned: dict[str, Any] = payload.clean(row)
    return cleaned


def _payload(event: WebhookEvent) -> Any:
    """The event as jsonb takes it; None where it cannot: the delivery has its bytes."""
    if is_deeper(event.payload, MOST_LEVELS):
        return None
    return payload.clean(event.payload)


def _state(event: WebhookEvent) -> tuple[str, str | None]:
    if event.problem is not None:
        return "failed", event.problem
    if event.entity_type is None:
        return "ignored", "an event of this kind changes no record that is loaded"
    return "pending", None
