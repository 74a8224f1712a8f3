"""Erase what webhooks say that the source erased."""

from collections.abc import Callable

from crm_warehouse.engine import jobs
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query

#: Records erased in one transaction.
_ERASED = 100


def erase_told(
    conn: Connection,
    request: WebhookRequest,
    job: Job,
    note: Callable[[Job], None],
    beat: Callable[[], None],
) -> None:
    """Erase what the source says that it erased; there is nothing left to read.

    Also of entities that are switched off: a person's right is not.

    Args:
        conn: Connection in autocommit mode.
        request: Whose webhooks.
        job: The merge that does it.
        note: Told of the job's new row.
        beat: Called as often as the job must say that it lives.
    """
    values = {"source_system": request.source_system}
    found = conn.execute(query("find_erasures"), values).fetchall()
    alike: dict[tuple[str, str], list[str]] = {}
    for entity_type, source_id, reason in found:
        alike.setdefault((entity_type, reason), []).append(source_id)
    actor = job.triggered_by
    for (entity_type, reason), ids in alike.items():
        entity = request.source.entities.get(entity_type)
        if entity is None:
            continue
        for at in range(0, len(ids), _ERASED):
            part = ids[at : at + _ERASED]
            asked = Request(entity, request.source_system, part, reason, actor)
            with conn.transaction():
                erased = erase(conn, asked, job.id)
                deleted = len(erased.lived)
                job = jobs.change(conn, "count_erased", job, deleted=deleted)
            note(job)
    redact_inbox(
        conn,
        request.source,
        request.source_system,
        actor=actor,
        job_id=job.id,
        beat=beat,
        told_only=True,
    )
