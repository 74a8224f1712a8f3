"""Map again what is in quarantine, and nothing else: for a mended mapping or rule."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

from psycopg import sql
from psycopg.rows import dict_row

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.engine import jobs, payload, profiles, settings
from crm_warehouse.engine.absences import Absences
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.finish import finish
from crm_warehouse.engine.gate import Patience
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.lock import entity_lock
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import CHUNK_BYTES, CHUNK_RECORDS
from crm_warehouse.engine.rule_store import job_mapping, load_rules
from crm_warehouse.engine.run import JobRun, Progress, load_seen
from crm_warehouse.engine.schema_changes import removed_properties
from crm_warehouse.engine.session import open_session
from crm_warehouse.engine.share import hold_rows, prefer_indexes
from crm_warehouse.source_files import as_json
from crm_warehouse.spec import Entity, Guard, Source


@dataclass(frozen=True, slots=True)
class ReprocessRequest:
    """One reprocessing of one entity's quarantine.

    Attributes:
        source: Definition to run with.
        entity: Entity of that source.
        source_system: Instance name that rows carry; the source's name by default.
        error_ids: Only these rows of ``ops.sync_errors``; empty: all that are open.
        restart: Begin anew instead of resuming a dead job.
        triggered_by: ``cli``, ``airflow`` or ``maintenance``: for the audit trail.
        dag_id: Airflow's DAG id, or None.
        run_id: Airflow's run id, or None.
    """

    source: Source
    entity: Entity
    source_system: str
    error_ids: tuple[int, ...] = ()
    restart: bool = False
    triggered_by: str = "cli"
    dag_id: str | None = None
    run_id: str | None = None

    mode: ClassVar[str] = "reprocess"
    via: ClassVar[str] = "api"
    override: ClassVar[frozenset[Guard]] = frozenset()
    asked_by: ClassVar[str | None] = None
    try_number: ClassVar[int | None] = None
    first_try: ClassVar[int] = 1

    @property
    def entity_type(self) -> str:
        """Name of the entity."""
        return self.entity.name


def reprocess(
    request: ReprocessRequest, *, conninfo: str, progress: Progress | None = None
) -> SyncResult:
    """Map the open rejects and warnings of one entity again, from stored data.

    Asks the source nothing. Safe to kill and to repeat; takes the entity's lock.

    Args:
        request: What to map again.
        conninfo: libpq connection string of the warehouse.
        progress: Called when the job is claimed and after each chunk.

    Returns:
        The outcome; ``records_failed`` is what stays in quarantine.

    Raises:
        SyncConflictError: Another job of the entity is at work.
        SyncDisabledError: The entity is switched off.
        CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``.
    """
    system = request.source_system
    with open_session(conninfo, f"{system} {request.entity.name}") as conn:
        source, entity = profiles.as_loaded(
            conn, request.source, system, request.entity
        )
        request = replace(request, source=source, entity=entity)
        settings.load(conn, SyncRequest(source, entity, system, "replay"))
        with entity_lock(conn, request):
            digest = _digest(conn, source, system, entity)
            job = jobs.claim(
                conn,
                request,
                # A dead job that tried another mapping or other rules is no part of it.
                arguments={"error_ids": list(request.error_ids), "tried_with": digest},
                spec=as_json(source, entity),
            )
            run = _ReprocessRun(conn, request, job, progress)
            return run.execute(conninfo, _no_client, Patience())


def find_reprocessable(
    conn: Connection, source: Source, source_system: str
) -> list[Entity]:
    """Entities with something open whose mapping or rules changed since it was tried.

    Those whose reprocessing died are among them: the next one ends its job.

    Args:
        conn: Connection in autocommit mode.
        source: Definition with the mappings as they are now.
        source_system: Instance name.

    Returns:
        Entities of the source for which :func:`reprocess` may empty the quarantine;
        those that are switched off left out.
    """
    tried = conn.execute(query("find_tried"), {"source_system": source_system})
    digests: dict[str, set[str | None]] = {}
    for entity_type, tried_with in tried.fetchall():
        digests.setdefault(entity_type, set()).add(tried_with)
    return [
        entity
        for name, entity in source.all_entities.items()
        if name in digests
        and digests[name] != {_digest(conn, source, source_system, entity)}
    ]


def find_open(conn: Connection, source: Source, source_system: str) -> list[Entity]:
    """Entities with something open, whatever it was tried with; switched on ones only.

    Args:
        conn: Connection in autocommit mode.
        source: The source.
        source_system: Instance name.
    """
    tried = conn.execute(query("find_tried"), {"source_system": source_system})
    names = {entity_type for entity_type, _ in tried.fetchall()}
    return [entity for name, entity in source.all_entities.items() if name in names]


def _digest(
    conn: Connection, source: Source, source_system: str, entity: Entity
) -> str:
    source, entity = profiles.as_loaded(conn, source, source_system, entity)
    checks = load_rules(conn, source_system, entity).checks
    removed = removed_properties(conn, source_system, entity)
    return Mapping(entity, source.region, checks, removed).digest


def _no_client(_gate: object) -> NoReturn:
    raise AssertionError("a reprocessing asks no source")


class _ReprocessRun(JobRun):
    """One process's work on one reprocessing.

    First the records that only the quarantine holds, by the rule that the newest wins;
    then those of the raw layer, which is the newest by its making. The checkpoint says
    in which of both the job stands, and behind which fingerprint.
    """

    def __init__(
        self,
        conn: Connection,
        request: ReprocessRequest,
        job: Job,
        progress: Progress | None,
    ) -> None:
        super().__init__(conn, job, progress)
        self._request = request
        self._table = sql.Identifier(request.entity.raw_table)
        self._read_rejects = query("read_rejects", table=self._table)
        self._read_raw = query("read_open_raw", table=self._table)
        self._names = {
            "source_system": job.source_system,
            "entity_type": job.entity_type,
        }
        self._seen = SeenIds()
        self._ids = list(request.error_ids) or None

    def work(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> Job:
        """Map everything again that is open."""
        del conninfo, open_client, patience
        request = self._request
        mapping = job_mapping(self._conn, self.job, request.source, request.entity)
        self._seen = load_seen(self._conn, self.job)
        if (self.job.checkpoint or {}).get("reads") != "raw":
            loader = self._loader(mapping, with_raw=True)
            while self._retry_rejects(loader, mapping):
                pass
        loader = self._loader(mapping, with_raw=False)
        while self._retry_raw(loader, mapping):
            pass
        return self._finish(mapping)

    def _loader(self, mapping: Mapping, *, with_raw: bool) -> Loader:
        return Loader(
            self._conn,
            self._request.entity,
            mapping,
            self.job.source_system,
            with_raw=with_raw,
        )

    def _retry_rejects(self, loader: Loader, mapping: Mapping) -> bool:
        """Map one batch of records that only the quarantine holds.

        Returns:
            Whether there was one.
        """
        with self._conn.transaction():
            rejects = self._next(self._read_rejects, reads="quarantine")
            if not rejects:
                return False
            chunk, named = Chunk(mapping, self._seen), {}
            for reject in rejects:
                record = payload.decode_exact(reject["record_data"])
                source_id = mapping.source_id(record)
                if source_id is not None and reject["fingerprint"][:3] != "id:":
                    named[reject["fingerprint"]] = source_id
                chunk.add(record, reject["observed_at"])
            job = self._write(loader, chunk, rejects, named, reads="quarantine")
        self.note(job)
        return True

    def _retry_raw(self, loader: Loader, mapping: Mapping) -> bool:
        """Map one batch of records that the raw layer holds.

        Returns:
            Whether there was one.
        """
        with self._conn.transaction():
            records = self._next(self._read_raw, reads="raw")
            if not records:
                return False
            chunk = Chunk(mapping, self._seen)
            for stored in records:
                chunk.add_stored(stored)
            job = self._write(loader, chunk, records, {}, reads="raw")
        self.note(job)
        return True

    def _next(self, statement: sql.Composed, *, reads: str) -> list[dict[str, Any]]:
        """The next batch; held from the reading on: a load could renew it between."""
        hold_rows(self._conn, **self._names)
        prefer_indexes(self._conn)
        checkpoint = self.job.checkpoint or {}
        values = {
            **self._names,
            "job_id": self.job.id,
            "after": checkpoint["after"] if checkpoint.get("reads") == reads else "",
            "ids": self._ids,
            "limit": CHUNK_RECORDS,
            "max_bytes": CHUNK_BYTES,
        }
        with self._conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, values).fetchall()

    def _write(
        self,
        loader: Loader,
        chunk: Chunk,
        batch: Sequence[dict[str, Any]],
        named: dict[str, str],
        *,
        reads: str,
    ) -> Job:
        """Merge the batch, and note what became of its errors.

        Args:
            loader: Merges.
            chunk: The batch, mapped.
            batch: The batch as read.
            named: Fingerprint -> id of records that had none before.
            reads: Where the batch was read.
        """
        fingerprints = [each["fingerprint"] for each in batch]
        checkpoint = {"reads": reads, "after": fingerprints[-1]}
        job = loader.write(self.job, chunk, checkpoint)
        self._conn.execute(
            query("count_retries"),
            {
                **self._names,
                "job_id": job.id,
                "fingerprints": fingerprints,
                "source_ids": [named.get(each) for each in fingerprints],
            },
        )
        return job

    def _finish(self, mapping: Mapping) -> Job:
        with self._conn.transaction():
            hold_rows(self._conn, **self._names)
            self._conn.execute(
                query("close_retries", table=self._table),
                {
                    **self._names,
                    "tried_with": mapping.digest,
                    "began": self.job.started_at,
                    "ids": self._ids,
                },
            )
            absences = Absences([], [])
            return finish(self._conn, self.job, self._request.entity, absences)
