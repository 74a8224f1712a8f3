"""``webhooks show``: one delivery with its events, or one event."""

import json
from argparse import Namespace
from typing import Any

from psycopg.rows import dict_row

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.inbox import plain
from crm_warehouse.cli.reading import reading
from crm_warehouse.cli.tables import printable, table
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import unpack
from crm_warehouse.errors import ConfigurationError

_EVENTS = (
    *("id", "position", "type", "entity", "object", "state", "job", "dedupe key"),
    "reason",
)
#: Header fields whose values are neither a secret nor a signature.
_SHOWN_HEADERS = ("user-agent", "x-hubspot-request-timestamp")


def run(words: Namespace) -> int:
    """Print one whole; of what people's data may be in, only that it is there."""
    with reading() as conn:
        if words.event is not None:
            found = _event(conn, words.event, words.payload)
        else:
            found = _delivery(conn, words.id, words.payload)
    if words.payload:
        print(found)
    elif words.json:
        print(json.dumps(found))
    else:
        print(_as_text(found))
    return Exit.SUCCESS


def _event(conn: Connection, number: int, payload: bool) -> Any:
    values = {"id": number, "delivery_id": None, "with_payload": payload}
    with conn.cursor(row_factory=dict_row) as cursor:
        event = cursor.execute(query("show_events"), values).fetchone()
    if event is None:
        raise ConfigurationError(f"--event: there is no event {number}")
    text = event.pop("payload")
    if not payload:
        return plain(event)
    if text is None:
        raise ConfigurationError(
            "--payload: only the delivery has this event's bytes: webhooks show"
            f" {event['delivery_id']} --payload"
        )
    return printable(text)


def _delivery(conn: Connection, number: int, payload: bool) -> Any:
    values = {"id": number, "with_body": payload}
    with conn.cursor(row_factory=dict_row) as cursor:
        delivery = cursor.execute(query("show_delivery"), values).fetchone()
        if delivery is None:
            raise ConfigurationError(f"there is no delivery {number}")
        of_it = {"id": None, "delivery_id": number, "with_payload": False}
        events = cursor.execute(query("show_events"), of_it).fetchall()
    body = delivery.pop("body")
    if payload:
        return printable(unpack(body).decode("utf-8", "backslashreplace"))
    path, mark, _ = delivery["url"].partition("?")
    delivery["url"] = f"{path}?…" if mark else path
    delivery["headers"] = {
        name: value if name in _SHOWN_HEADERS else f"{len(str(value))} characters"
        for name, value in delivery["headers"].items()
    }
    delivery["events"] = [plain(event) for event in events]
    return plain(delivery)


def _as_text(found: dict[str, Any]) -> str:
    events = found.pop("events", [])
    lines = [f"{key}: {_told(value)}" for key, value in found.items()]
    if events:
        keys = ("id", "position", "event_type", "entity_type", "object_id", "state")
        rows = [
            (
                *(event[key] for key in (*keys, "job_id")),
                *(event["dedupe_key"][:12], event["reason"]),
            )
            for event in events
        ]
        lines += ["", table(_EVENTS, rows)]
    return "\n".join(lines)


def _told(value: Any) -> str:
    if value is None:
        return ""
    return printable(value if isinstance(value, str) else json.dumps(value))
