"""A long queue is taken apart piece by piece, and costs each record a look-up."""

import re

import pytest
from engine_load import Connection, Load, rows
from psycopg import sql
from scripted_crm import deliver, event

from crm_warehouse.engine.inbox import explode_deliveries
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.share import prefer_indexes
from crm_warehouse.source_files import default_directory, load_source

COMMITS = (
    "SELECT count(DISTINCT xmin::text) FROM staging.webhook_deliveries"
    " WHERE state = 'exploded'"
)


#: Each delivery that is taken apart makes room for another one, fifty times.
REFILL = """
CREATE FUNCTION refill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,
        content_type, headers, url, body, body_bytes)
    SELECT source_system, request_id, NEW.id::text, content_type, headers, url, body,
        body_bytes
    FROM staging.webhook_deliveries WHERE id = NEW.id AND id < 50;
    RETURN NULL;
END $$;
CREATE TRIGGER refill AFTER UPDATE ON staging.webhook_deliveries
    FOR EACH ROW EXECUTE FUNCTION refill();
"""
FILL = (
    "INSERT INTO staging.webhook_events (delivery_id, position, source_system,"
    " entity_type, object_id, event_type, dedupe_key) SELECT %s, n, 'hubspot',"
    " 'contacts', n::text, 'contact.propertyChange', n::text"
    " FROM generate_series(1, 5000) AS n"
)


def test_after_a_burst_no_record_is_looked_for_among_all_events(
    conn: Connection,
) -> None:
    """No statistics are there yet, and the planner knows nothing of the inbox."""
    source = load_source(default_directory() / "hubspot.yaml")
    load = Load(conn, source, source.entities["contacts"])
    conn.execute(FILL, [deliver(conn, event(1))])
    merge = query("merge_raw", table=sql.Identifier(load.entity.raw_table))
    values = {"source_system": "hubspot", "entity_type": "contacts"}
    with conn.transaction():
        prefer_indexes(conn)
        explained = conn.execute(
            sql.SQL("EXPLAIN ") + merge, {**values, "job_id": load.job.id, "lost": []}
        ).fetchall()

    plan = "\n".join(line for (line,) in explained)
    used = re.findall(r"using (webhook_events_\w+).*\n.*Index Cond: (.*)", plan)
    assert {name for name, _ in used} == {
        "webhook_events_announced",
        "webhook_events_gone",
    }, plan
    assert all("object_id = c.source_id" in looked_for for _, looked_for in used), plan
    assert plan.count("webhook_events") == 2 * len(used), plan


@pytest.mark.parametrize(
    ("most", "max_bytes", "commits"), [(3, 10**6, 4), (100, 1, 10), (100, 10**6, 1)]
)
def test_by_number_and_by_size(
    conn: Connection,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    max_bytes: int,
    commits: int,
) -> None:
    monkeypatch.setattr("crm_warehouse.engine.inbox._BATCH", most)
    monkeypatch.setattr("crm_warehouse.engine.inbox._BATCH_BYTES", max_bytes)
    for n in range(10):
        deliver(conn, event(n, number=n))
    source = load_source(default_directory() / "hubspot.yaml")

    explode_deliveries(conn, WebhookRequest(source, "hubspot"))

    assert rows(conn, COMMITS) == [(commits,)]
    assert rows(conn, "SELECT count(*) FROM staging.webhook_events") == [(10,)]


def test_what_comes_meanwhile_waits_for_the_next_merge(conn: Connection) -> None:
    """Or none would ever begin to merge while deliveries go on coming."""
    conn.execute(REFILL)
    deliver(conn, event(1))
    source = load_source(default_directory() / "hubspot.yaml")

    explode_deliveries(conn, WebhookRequest(source, "hubspot"))

    states = "SELECT state FROM staging.webhook_deliveries ORDER BY id"
    assert rows(conn, states) == [("exploded",), ("pending",)]
