"""A job's last transaction: deletions, links, watermark, counters that add up."""

from psycopg import sql

from crm_warehouse.engine import jobs
from crm_warehouse.engine.absences import Absences
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import CrmWarehouseError
from crm_warehouse.spec import Entity
from crm_warehouse.unified import Link, links_of, links_to


def finish(
    conn: Connection, job: Job, entity: Entity, absences: Absences, requests: int
) -> Job:
    """End the job as ``success`` or ``partial``, all or nothing.

    Args:
        conn: Connection in autocommit mode that holds the entity's lock.
        job: The job, all its chunks committed.
        entity: What was loaded.
        absences: What a full load missed.
        requests: Requests not yet counted in the job.

    Raises:
        FencedError: A successor owns the job.
        CrmWarehouseError: The counters do not add up.
    """
    with conn.transaction():
        deleted = _mark(conn, job, entity, absences) if job.job_type == "full" else 0
        links = sorted({*links_of(entity.into), *links_to(entity.into)})
        for table in sorted({link.table for link in links}):
            conn.execute(query("lock_links"), {"table": table})
        for link in links:
            _link(conn, job, link)
        conn.execute(query("move_watermark"), {"job_id": job.id})
        ended = jobs.change(conn, "finish_job", job, deleted=deleted, requests=requests)
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
    names = {
        "raw_table": sql.Identifier(entity.raw_table),
        "table": sql.Identifier(entity.into),
    }
    values = {"source_system": job.source_system, "job_id": job.id}
    row = conn.execute(
        query("mark_deleted", **names), {**values, "ids": absences.gone}
    ).fetchone()
    conn.execute(
        query("resolve_deleted"),
        {
            **values,
            "entity_type": job.entity_type,
            "fingerprints": [f"id:{source_id}" for source_id in absences.gone],
        },
    )
    conn.execute(
        query("mark_absent", raw_table=names["raw_table"]),
        {**values, "absent": absences.doubtful},
    )
    return row[0] if row else 0


def _link(conn: Connection, job: Job, link: Link) -> None:
    statement = query(
        "link_children",
        table=sql.Identifier(link.table),
        column=sql.Identifier(link.column),
        source_column=sql.Identifier(link.child),
        parent=sql.Identifier(link.parent),
    )
    conn.execute(statement, {"source_system": job.source_system})
