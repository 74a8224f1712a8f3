"""Webhooks that nobody merges, that could not be read, or that never came."""

from datetime import datetime

from psycopg import sql
from psycopg.rows import dict_row

from crm_warehouse.engine import due
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.recovery import Due, stamp
from crm_warehouse.engine.share import hold_inbox
from crm_warehouse.spec import Entity, Source

#: How much later than the change, or than the load that saw it, an event may come.
TOLERANCE_SECONDS = 15 * 60.0
#: Events that are let be merged again at once: of two that cannot be, a merge looks.
_RETRIED = 20
#: Types of events, as regular expressions; every other one tells of a change. A
#: delivery tells of either.
_CREATED = r"\.(creation|restore|delivery)$"
_DELETED = r"\.(deletion|privacyDeletion|merge)$"
_CHANGED = r"^(?!.*\.(creation|restore|deletion|privacyDeletion|merge)$)"


def find_overdue(conn: Connection, source: Source) -> tuple[int, list[Due]]:
    """How many webhooks wait and their merge, where some wait for too long."""
    values = due.values([], [source.name])
    if conn.execute(due.overdue_webhooks(), values).fetchone() is None:
        return 0, []
    row = conn.execute(
        query("count_waiting_webhooks"), {"source_system": source.name}
    ).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM returns one row
    waiting, moment = row
    key = f"webhooks_{stamp(moment)}"
    return waiting, [Due(source, "webhooks", "webhook", key)]


def retry_deliveries(conn: Connection, source: Source) -> int:
    """Let deliveries be read again that a defect of ours could not read."""
    values = {"source_system": source.name}
    return conn.execute(query("retry_deliveries"), values).rowcount


def retry_events(conn: Connection, source: Source) -> int:
    """Let events be merged again whose records could not be read by id."""
    values = {
        "source_system": source.name,
        "reason": "the source answers for other records",
        "limit": _RETRIED,
    }
    with conn.transaction():
        hold_inbox(conn, source.name)
        return conn.execute(query("retry_events"), values).rowcount


def measure(conn: Connection, source: Source, entity: Entity) -> dict[str, int]:
    """Count what loads brought that no event had announced, since the last time."""
    values = {"source_system": source.name, "entity_type": entity.name}
    statement = query("measure_webhooks", table=sql.Identifier(entity.into))
    patterns = {
        "tolerance": TOLERANCE_SECONDS,
        "created": _CREATED,
        "changed": _CHANGED,
        "deleted": _DELETED,
    }
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        lost = cursor.execute(statement, {**values, **patterns}).fetchone()
        if lost is None:
            return {}
        cursor.execute(query("save_webhook_gap"), {**values, **lost})
    return {kind: lost[kind] for kind in ("created", "changed", "deleted")}


def find_full_load(conn: Connection, source: Source, entity: Entity) -> list[Due]:
    """The full load that closes a gap of the entity, when one is due.

    Never of a source that forgets: it would delete what is only old.
    """
    if source.forgets:
        return []
    values = {"source_system": source.name, "entity_type": entity.name}
    row: tuple[datetime] | None = conn.execute(
        query("ask_full_load"), values
    ).fetchone()
    if row is None:
        return []
    return [Due(source, entity.name, "full", f"gap_{entity.name}_{stamp(row[0])}")]
