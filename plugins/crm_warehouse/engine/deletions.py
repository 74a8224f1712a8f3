"""Marking records as deleted that the source does not have any more."""

from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.known_keys import end_keys
from crm_warehouse.engine.queries import query
from crm_warehouse.spec import Entity


def mark_deleted(conn: Connection, job: Job, entity: Entity, gone: Gone) -> int:
    """As :func:`bury`; returns how many."""
    return len(bury(conn, job, entity, gone))


def bury(conn: Connection, job: Job, entity: Entity, gone: Gone) -> list[str]:
    """Mark them in the raw layer and in every table that they made rows of.

    Part of a transaction that holds the entity's rows.

    Returns:
        Source ids of the rows of the entity's own table that were marked.
    """
    values = {
        "source_system": job.source_system,
        "entity_type": entity.name,
        "job_id": job.id,
        "asked_at": gone.asked_at,
        "archived_at": Jsonb(
            {each: moment.isoformat() for each, moment in gone.archived_at.items()}
        ),
    }
    rows = conn.execute(
        query("mark_raw_deleted", table=sql.Identifier(entity.raw_table)),
        {**values, "ids": gone.source_ids},
    ).fetchall()
    ids = [source_id for (source_id,) in rows]
    end_keys(conn, entity, {**values, "ids": ids})
    deleted: list[str] = []
    for view in entity.views():  # its own table comes last
        row = conn.execute(
            query("mark_rows_deleted", table=sql.Identifier(view.into)),
            {**values, "ids": ids},
        ).fetchone()
        deleted = row[1] if row else []
    fingerprints = [f"id:{source_id}" for source_id in ids]
    conn.execute(query("resolve_deleted"), {**values, "fingerprints": fingerprints})
    return deleted
