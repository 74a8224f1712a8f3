"""Webhook deliveries become events, each known once."""

import zlib
from typing import Any

from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookEvent
from crm_warehouse.engine import payload
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import SourceError

#: Deliveries of one transaction; each has at most some hundred events.
_BATCH = 100
#: Longest body that is unpacked; the receiver takes 2 MB.
_MAX_BODY_BYTES = 16 * 1024 * 1024


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
        with conn.transaction():
            conn.execute(query("save_events"), {**values, "events": Jsonb(events)})
            conn.execute(query("settle_deliveries"), {"deliveries": Jsonb(outcomes)})


def _explode(
    delivery_id: int, body: bytes, request: WebhookRequest
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a delivery's events, or why it has none."""
    parse = WEBHOOK_PARSERS[request.source.client]
    try:
        events = parse(
            _unpacked(body), portal_id=request.portal_id, app_id=request.app_id
        )
        return [
            _row(delivery_id, position, event) for position, event in enumerate(events)
        ], None
    except SourceError as error:
        return [], str(error)
    except Exception as error:  # noqa: BLE001  one delivery must not stop the others
        return [], f"cannot be read: {type(error).__name__}"


def _unpacked(body: bytes) -> bytes:
    """The signed bytes.

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
