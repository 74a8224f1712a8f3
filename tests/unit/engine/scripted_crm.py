"""A client whose records the test keeps in a dict, and deliveries as a receiver stores
them."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine_load import Connection

from crm_warehouse.clients.interface import Found, Gate, Page, Window
from crm_warehouse.spec import Entity

Records = dict[str, dict[str, Any]]


def contact(number: int, first_name: str, minute: int = 0) -> dict[str, Any]:
    moment = f"2026-02-01T10:{minute:02d}:00.000Z"
    return {
        "id": str(number),
        "properties": {"firstname": first_name, "lastname": "Lee"},
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": moment,
    }


@dataclass
class ScriptedCrm:
    """Records by entity and id; ``before_read`` is called at every reading."""

    records: dict[str, Records] = field(default_factory=dict)
    before_read: Callable[[Entity, Sequence[str]], None] = lambda *_: None
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    def open_client(self, gate: Gate) -> "ScriptedCrm":
        self.gate = gate
        return self

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        begun = self.gate.now()
        self.asked.append((entity.name, list(source_ids)))
        self.before_read(entity, source_ids)
        known = self.records.get(entity.name, {})
        found = [known[each] for each in source_ids if each in known]
        missing = [each for each in source_ids if each not in known]
        return Found(found, missing, begun, requests=1)

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        now = self.gate.now()
        records = list(self.records.get(entity.name, {}).values())
        yield Page(records, now, now, {"read": True}, len(records), 1)

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        return self.records.get(entity.name, {}).get(source_id)

    def close(self) -> None:
        pass


def event(
    object_id: Any, kind: str = "contact.propertyChange", number: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "eventId": number,
        "subscriptionId": 5,
        "portalId": 24601,
        "appId": 9001,
        "occurredAt": 1_770_000_000_000,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": object_id,
        "propertyName": "firstname",
        "propertyValue": "Mallory",
        **more,
    }


def deliver(conn: Connection, *events: Any, body: bytes | None = None) -> int:
    """Store a delivery as the receiver does; returns its id."""
    signed = json.dumps(list(events)).encode() if body is None else body
    row = conn.execute(
        "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
        " content_type, headers, url, body, body_bytes) VALUES ('hubspot', 'req',"
        " gen_random_uuid()::text, 'application/json', '{}', 'https://x.example/', %s,"
        " %s) RETURNING id",
        [zlib.compress(signed), len(signed)],
    ).fetchone()
    assert row is not None
    return int(row[0])
