"""The inbox stays small: its room is used again, and looks at it stay short."""

import re

import psycopg
import pytest

from crm_warehouse.engine.queries import query
from crm_warehouse.engine.retention import statements

Connection = psycopg.Connection[tuple[int, ...]]

_RECEIVE = """
INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
)
SELECT
    'hubspot', 'r', gen_random_uuid(), 'application/json', '{}', '',
    repeat('a', 300)::bytea, 300
FROM generate_series(1, %s)
"""
_SETTLE = """
UPDATE staging.webhook_deliveries
SET state = 'exploded', exploded_at = now() - make_interval(days => %s)
WHERE state = 'pending'
"""
_KEEP = "UPDATE ops.retention SET days = %s WHERE name = 'webhook_deliveries'"
_TABLE = "staging.webhook_deliveries"


@pytest.fixture
def conn(warehouse: str) -> Connection:
    return psycopg.connect(warehouse, autocommit=True)


def size(conn: Connection) -> int:
    row = conn.execute("SELECT pg_relation_size(%s::regclass)", [_TABLE]).fetchone()
    assert row
    return row[0]


def receive(conn: Connection, count: int, age_days: int) -> None:
    conn.execute(_RECEIVE, [count])
    conn.execute(_SETTLE, [age_days])


def delete_older(conn: Connection, days: int) -> int:
    conn.execute(_KEEP, [days])
    statement = statements()["webhook_deliveries"]
    row = conn.execute(statement, {"limit": 100_000}).fetchone()
    conn.execute(f"VACUUM {_TABLE}".encode())  # as autovacuum does
    assert row
    return row[0]


def test_the_size_returns_one_retention_after_a_burst(conn: Connection) -> None:
    with conn:
        receive(conn, 500, 110)
        usual = size(conn)
        receive(conn, 10_000, 100)
        receive(conn, 500, 50)
        height = size(conn)
        assert height > 10 * usual

        assert delete_older(conn, 90) == 10_500
        receive(conn, 500, 1)
        assert size(conn) == height  # the room is used again
        assert delete_older(conn, 40) == 500
        assert size(conn) <= usual


def test_both_tables_are_swept_after_one_percent(conn: Connection) -> None:
    with conn:
        found = conn.execute(
            "SELECT relname, reloptions FROM pg_class"
            " WHERE relname IN ('webhook_deliveries', 'webhook_events') ORDER BY 1"
        ).fetchall()
    swept = ["autovacuum_vacuum_scale_factor=0.01", "autovacuum_vacuum_threshold=5000"]

    assert found == [("webhook_deliveries", swept), ("webhook_events", swept)]


def test_who_waits_too_long_is_found_without_a_look_at_what_is_settled(
    conn: Connection,
) -> None:
    values = {
        "webhook_sources": ["hubspot", "activeprospect"],
        "overdue_after": 300,
        "again_after": 900,
    }
    with conn:
        conn.execute(_RECEIVE, [2_000])
        conn.execute(f"ANALYZE {_TABLE}".encode())
        explain = b"EXPLAIN " + query("find_overdue_webhooks").as_bytes(conn)
        plan = "\n".join(str(line) for (line,) in conn.execute(explain, values))

    scans = re.findall(r"Scan using (webhook_[de]\w+)", plan)
    assert set(scans) == {"webhook_deliveries_pending", "webhook_events_announced"}
    assert not re.search("(Seq|Bitmap Heap) Scan on webhook_", plan)
