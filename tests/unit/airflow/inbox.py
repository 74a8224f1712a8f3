"""The webhook inbox of one test's warehouse, filled as the receiver fills it."""

import json
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.proof.connection import postgres_connection

_STORE = """
INSERT INTO staging.webhook_deliveries (
    source_system, state, request_id, replay_key, content_type, headers, url, body,
    body_bytes
)
VALUES (%s, %s, 'r', gen_random_uuid()::text, 'application/json', '{}', 'u', '', 0)
RETURNING id
"""
_EVENT = """
INSERT INTO staging.webhook_events
    (delivery_id, position, source_system, entity_type, object_id, payload, dedupe_key,
    state)
VALUES (%s, 0, %s, %s, '1', %s, gen_random_uuid()::text, %s)
"""
_WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'crm_warehouse webhooks'
    AND state = 'idle' AND query LIKE '%staging.webhook_events%'
"""


class Inbox:
    """Deliveries, and whoever waits for them.

    Args:
        conninfo: The warehouse.
    """

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo

    def execute(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.conninfo) as conn:
            cursor = conn.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def deliver(
        self,
        source: str = "hubspot",
        *,
        state: str = "pending",
        event: str | None = None,
        entity: str | None = None,
        announce: bool = True,
    ) -> None:
        """Keep one delivery, its event in the given state, and say so."""
        with psycopg.connect(self.conninfo) as conn:
            row = conn.execute(_STORE, [source, state]).fetchone()
            if event is not None:
                values = [row and row[0], source, entity, Jsonb({}), event]
                conn.execute(_EVENT, values)
            if announce:
                conn.execute("NOTIFY crm_webhooks")

    def waiting(self) -> list[int]:
        """Backends that have looked, and wait for an announcement."""
        return [pid for (pid,) in self.execute(_WAITS)]


def warehouse_connection(conninfo: str) -> str:
    """Value of ``AIRFLOW_CONN_CRM_WAREHOUSE``."""
    return json.dumps(postgres_connection(conninfo))
