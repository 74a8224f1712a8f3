"""A job's last transaction: deletions, links, watermark, counters that add up."""

from psycopg import sql

from crm_warehouse.engine import jobs
from crm_warehouse.engine.absences import Absences, Gone
from crm_warehouse.engine.deletions import mark_deleted
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.share import (
    hold_links,
    hold_rows,
    links_about,
    takings_about,
)
from crm_warehouse.errors import CrmWarehouseError
from crm_warehouse.spec import Entity
from crm_warehouse.unified import Taking


def finish(
    conn: Connection,
    job: Job,
    entity: Entity,
    absences: Absences,
    requests: int = 0,
    retries: int = 0,
) -> Job:
    """End the job as ``success`` or ``partial``, all or nothing.

    Args:
        conn: Connection in autocommit mode that holds the entity's lock.
        job: The job, all its chunks committed.
        entity: What was loaded.
        absences: What a full load missed.
        requests: Requests not yet counted in the job.
        retries: Those of them that met a fault.

    Raises:
        FencedError: A successor owns the job.
        CrmWarehouseError: The counters do not add up.
    """
    with conn.transaction():
        hold_rows(conn, source_system=job.source_system, entity_type=job.entity_type)
        # Before any row, as everybody does.
        hold_links(conn, links_about(entity), takings=takings_about(entity))
        deleted = _mark(conn, job, entity, absences) if job.job_type == "full" else 0
        link_rows(conn, job.source_system, [entity])
        conn.execute(query("move_watermark"), {"job_id": job.id})
        return end(
            conn,
            job,
            deleted=deleted,
            absent=len(absences.doubtful),
            requests=requests,
            retries=retries,
        )


def link_rows(conn: Connection, source_system: str, entities: list[Entity]) -> int:
    """Link what came late, in either direction; part of a transaction.

    Returns:
        Rows that were linked.
    """
    links = sorted({link for entity in entities for link in links_about(entity)})
    takings = [each for entity in entities for each in takings_about(entity)]
    hold_links(conn, links, takings=takings)
    linked = 0
    for link in links:
        statement = query(
            "link_children",
            table=sql.Identifier(link.table),
            column=sql.Identifier(link.column),
            source_column=sql.Identifier(link.child),
            parent=sql.Identifier(link.parent),
        )
        linked += conn.execute(statement, {"source_system": source_system}).rowcount
    for taking in dict.fromkeys(takings):
        linked += conn.execute(_take(taking), {"source_system": source_system}).rowcount
    return linked


def _take(taking: Taking) -> sql.Composed:
    def listed(form: str) -> sql.Composed:
        names = [sql.SQL(form).format(sql.Identifier(c)) for c in taking.columns]
        return sql.SQL(", ").join(names)

    return query(
        "take_columns",
        table=sql.Identifier(taking.table),
        origin=sql.Identifier(taking.origin),
        own=sql.Identifier(taking.own),
        named=sql.Identifier(taking.named),
        marker=sql.Identifier(taking.marker),
        first=sql.Identifier(taking.columns[0]),
        columns=listed("{}"),
        taken=listed("o.{}"),
        nothing=listed("NULL"),
        child_columns=listed("child.{}"),
        found_columns=listed("found.{}"),
        assignments=sql.SQL("{},").format(listed("{0} = found.{0}")),
    )


def end(
    conn: Connection,
    job: Job,
    *,
    deleted: int,
    requests: int,
    absent: int = 0,
    retries: int = 0,
) -> Job:
    """Write the job's end; part of its last transaction.

    Args:
        conn: In that transaction.
        job: The job as last committed.
        deleted: Deletions not yet counted in it.
        requests: Requests not yet counted in it.
        absent: Records that it missed, and that the next full load decides about.
        retries: Those of them that met a fault.
    """
    ended = jobs.change(
        conn,
        "finish_job",
        job,
        deleted=deleted,
        absent=absent,
        requests=requests,
        retries=retries,
    )
    check_counters(ended)
    jobs.count_metrics(conn, ended, ended.completed_at)
    conn.execute(query("forget_ids"), {"job_id": job.id})
    jobs.audit(
        conn,
        ended,
        f"job.{ended.status}",
        records_processed=ended.records_processed,
        records_deleted=ended.records_deleted,
    )
    return ended


def check_counters(job: Job) -> None:
    """Law 7: every record received is accounted for, once.

    Raises:
        CrmWarehouseError: It is not; the job must not be called a success.
    """
    outcomes = (
        job.records_created
        + job.records_updated
        + job.records_unchanged
        + job.records_deleted
        + job.records_failed
    )
    if (
        job.records_received != job.records_processed + job.records_repeated
        or job.records_processed != outcomes
        or job.records_unchanged < 0
    ):
        raise CrmWarehouseError(
            f"job {job.id}: counters do not add up: received {job.records_received},"
            f" repeated {job.records_repeated}, processed {job.records_processed},"
            f" outcomes {outcomes}; please report this with the job's row"
        )


def _mark(conn: Connection, job: Job, entity: Entity, absences: Absences) -> int:
    gone = Gone(absences.gone, job.looked_at, absences.archived)
    deleted = mark_deleted(conn, job, entity, gone)
    conn.execute(
        query("mark_absent", raw_table=sql.Identifier(entity.raw_table)),
        {"source_system": job.source_system, "absent": absences.doubtful},
    )
    conn.execute(
        query("close_anonymous"),
        {
            "source_system": job.source_system,
            "entity_type": entity.name,
            "began": job.started_at,
        },
    )
    return deleted
