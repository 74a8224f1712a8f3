"""Webhook deliveries become events, each known once."""

from typing import Any

from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookEvent
from crm_warehouse.engine import payload
from crm_warehouse.engine.inbox_redaction import redact_delivery
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import (
    Forgotten,
    named_ids,
    redact_body,
    redact_event,
    unpack,
)
from crm_warehouse.engine.share import hold_inbox
from crm_warehouse.errors import SourceError

#: Deliveries of one transaction; each has at most some hundred events.
_BATCH = 100


def explode_deliveries(conn: Connection, request: WebhookRequest) -> None:
    """Write the events of all pending deliveries; the caller is alone at it.

    Args:
        conn: Connection in autocommit mode.
        request: Whose deliveries, and which account and app they must name.
    """
    values = {"source_system": request.source_system, "limit": _BATCH}
    while True:
        pending = conn.execute(query("pending_deliveries"), values).fetchall()
        if not pending:
            return
        events: list[dict[str, Any]] = []
        outcomes: list[dict[str, Any]] = []
        for delivery_id, body in pending:
            found, message = _explode(delivery_id, body, request)
            outcomes.append({"id": delivery_id, "error_message": message})
            events += found
        bodies = dict(pending)
        with conn.transaction():
            hold_inbox(conn, request.source_system)
            _redact(conn, request, events, bodies)
            conn.execute(query("save_events"), {**values, "events": Jsonb(events)})
            conn.execute(query("settle_deliveries"), {"deliveries": Jsonb(outcomes)})


def _explode(
    delivery_id: int, body: bytes, request: WebhookRequest
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a delivery's events, or why it has none."""
    parse = WEBHOOK_PARSERS[request.source.client]
    try:
        events = parse(unpack(body), portal_id=request.portal_id, app_id=request.app_id)
        return [
            _row(delivery_id, position, event) for position, event in enumerate(events)
        ], None
    except SourceError as error:
        return [], str(error)
    except Exception as error:  # noqa: BLE001  one delivery must not stop the others
        return [], f"cannot be read: {type(error).__name__}"


def _redact(
    conn: Connection,
    request: WebhookRequest,
    events: list[dict[str, Any]],
    bodies: dict[int, bytes],
) -> None:
    """Keep no values of records that were erased, neither in events nor in bodies."""
    ids = {event["object_id"] for event in events if event["object_id"]}
    ids.update(*(named_ids(event["payload"]) for event in events))
    values = {"source_system": request.source_system, "ids": list(ids)}
    erased = conn.execute(query("find_erased_events"), values).fetchall()
    if not erased:
        return
    forgotten, deliveries = Forgotten(erased), set()
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
    parse = WEBHOOK_PARSERS[request.source.client]
    for delivery_id in sorted(deliveries):
        signed = unpack(bodies[delivery_id])
        body = redact_body(signed, parse, forgotten)
        if body is not None:
            redact_delivery(conn, delivery_id, signed, body)


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
        "dedupe_key": event.dedupe_key,
        "merged_into": event.merged_into,
        "state": state,
        "reason": reason,
    }
    cleaned: dict[str, Any] = payload.clean(row)
    return cleaned | {"payload": _payload(event)}


def _payload(event: WebhookEvent) -> Any:
    """The event as jsonb takes it; None where it cannot: the delivery has its bytes."""
    try:
        return payload.clean(event.payload)
    except RecursionError:
        return None


def _state(event: WebhookEvent) -> tuple[str, str | None]:
    if event.problem is not None:
        return "failed", event.problem
    if event.entity_type is None:
        return "ignored", "an event of this kind changes no record that is loaded"
    return "pending", None
