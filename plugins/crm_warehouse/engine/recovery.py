"""Take up jobs that nobody works on any more, on behalf of whoever began them.

The job keeps its Airflow run. When that comes back for it, it goes on with the job, or
takes its result over; nothing is read twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.connections.webhooks import WebhookOwner
from crm_warehouse.engine import due, jobs
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.run import Progress
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import (
    ConfigurationError,
    CrmWarehouseError,
    FencedError,
)
from crm_warehouse.spec import Source, Via


@dataclass(frozen=True, slots=True)
class Access:
    """What a load needs to reach its source.

    Attributes:
        source: The source, with the profile that its connection names.
        open_way: For a way in, what builds the client around the job's gate.
        webhook_owner: ``portal_id`` and ``app_id`` that events must name, if any.
    """

    source: Source
    open_way: Callable[[Via], ClientFactory]
    webhook_owner: WebhookOwner


#: How to reach a source; asked only when something is to be loaded from it.
AccessOf = Callable[[Source], Access]


@dataclass(frozen=True, slots=True)
class Due:
    """One load that maintenance asks for.

    Attributes:
        source: Definition to run with.
        entity: Entity, or ``webhooks``.
        job_id: The stale job to take up; None: a new one.
        mode: ``full`` for a new load of an entity, ``webhook`` for a merge,
            ``reprocess`` for its quarantine, which only Airflow is asked for.
        key: Of this asking alone.
    """

    source: Source
    entity: str
    mode: str
    key: str
    job_id: int | None = None

    def load(
        self,
        access: Access,
        *,
        conninfo: str,
        triggered_by: str = "cli",
        max_wait_seconds: float = 0.0,
        progress: Progress | None = None,
    ) -> SyncResult:
        """Do it here and now.

        Raises:
            SyncConflictError: Somebody else works on the entity.
            FencedError: Somebody else has taken the job up.
            CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``.
        """
        options: dict[str, Any] = {
            "conninfo": conninfo,
            "max_wait_seconds": max_wait_seconds,
            "progress": progress,
        }
        if self.mode == "webhook":
            merge = WebhookRequest(
                source=access.source,
                source_system=access.source.name,
                triggered_by=triggered_by,
                **access.webhook_owner,
            )
            return merge_webhooks(merge, open_client=access.open_way("api"), **options)
        request = self._request(access.source, conninfo, triggered_by)
        return run_sync(request, open_client=access.open_way(request.via), **options)

    def _request(self, source: Source, conninfo: str, triggered_by: str) -> SyncRequest:
        entity = source.entities.get(self.entity)
        if entity is None:
            raise ConfigurationError(
                f"{source.name} has no entity {self.entity!r} any more"
            )
        as_before = _as_before(conninfo, self.job_id) if self.job_id else {}
        return SyncRequest(
            source=source,
            entity=entity,
            source_system=source.name,
            triggered_by=triggered_by,
            **{"mode": self.mode, **as_before},
        )


def find_stale(conn: Connection, source: Source) -> list[Due]:
    """Stale jobs of a source that are this caller's to take up now.

    Each is noted as tried, so that nobody else takes it up, nor anybody too often.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            due.stale_jobs(), due.values([source.name], [])
        ).fetchall()
    return [
        Due(
            source,
            job["entity_type"],
            job["job_type"],
            f"job_{job['job_id']}_{stamp(tried_at)}",
            job["job_id"],
        )
        for job in found
        if (tried_at := _note_try(conn, job)) is not None
    ]


def load_all(
    dues: Sequence[Due], access_of: AccessOf, *, conninfo: str, triggered_by: str
) -> tuple[int, list[str]]:
    """Do one after the other; one that fails does not keep the others from it.

    Returns:
        How many were done, and why others were not.
    """
    done, problems = 0, []
    for each in dues:
        try:
            each.load(
                access_of(each.source), conninfo=conninfo, triggered_by=triggered_by
            )
        except Exception as error:  # noqa: BLE001  told, and the others go on
            problems.append(f"{each.entity}: {told(error)}")
        else:
            done += 1
    return done, problems


def stamp(moment: datetime) -> str:
    """The moment, UTC, as part of a key."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}"


def told(error: Exception) -> str:
    """What may be written about an error: only our own messages name no people."""
    return str(error) if isinstance(error, CrmWarehouseError) else type(error).__name__


def _note_try(conn: Connection, job: dict[str, Any]) -> datetime | None:
    row = conn.execute(query("note_recovery_try"), job).fetchone()
    return row[0] if row else None


def _as_before(conninfo: str, job_id: int) -> dict[str, Any]:
    """What the job was asked for with.

    Without its Airflow run: the job keeps that, and a process of the run that came back
    just now must not be taken for an orphan.
    """
    with psycopg.connect(conninfo) as conn:
        job = jobs.load(conn, job_id)
    if job is None or job.status in ("success", "partial"):
        raise FencedError(f"job {job_id} is not to be resumed any more")
    since = job.arguments.get("since")
    return {
        "job_id": job_id,
        "mode": job.job_type,
        "via": job.via,
        "since": datetime.fromisoformat(since) if since else None,
        "batch_size": job.arguments.get("page_size"),
    }
