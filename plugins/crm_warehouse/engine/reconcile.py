"""Compare an entity of a source with the warehouse, list what differs, repair it.

First the source is read whole, and nothing but suspicions are written down; then each
record that seemed to differ is asked for by id, and judged by that answer. So what
changes while the list is read is no difference.
"""

import logging
import threading
from collections.abc import Mapping as Map
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from psycopg import sql
from psycopg.rows import dict_row

from crm_warehouse.clients.interface import ClientFactory, SourceClient
from crm_warehouse.engine import jobs, profiles, schema_changes, settings
from crm_warehouse.engine.comparison import Comparer, of_id
from crm_warehouse.engine.finish import end, link_rows
from crm_warehouse.engine.gate import PAUSE_SECONDS, Patience, QuotaGate
from crm_warehouse.engine.guards import FULL_GUARDS, Guards
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.judging import Judge
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.lock import entity_lock
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import Reader
from crm_warehouse.engine.rule_store import job_mapping
from crm_warehouse.engine.run import JobRun, Progress, load_seen
from crm_warehouse.engine.session import open_session
from crm_warehouse.engine.settings import Settings
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.engine.sweep import Sweep
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import as_json
from crm_warehouse.spec import REPAIR_GUARDS, Entity, Extent, Guard, Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """One comparison of one entity.

    Attributes:
        source: Definition to run with.
        entity: Entity of that source.
        source_system: Instance name that rows carry; the source's name by default.
        repair: Merge what differs, and mark what is gone.
        extent: ``records``; or ``sweep``, what no list shows as changed.
        restart: Begin anew instead of resuming a dead job.
        override: Guards that this run ignores.
        triggered_by: ``cli``, or ``airflow``: for the audit trail.
        asked_by: Name of the person who asked, where that is known: likewise.
        dag_id: Airflow's DAG id, or None.
        run_id: Airflow's run id, or None.
        try_number: Which try of Airflow's task asks; None: no task does.
        first_try: First try since the run began or was cleared.
    """

    source: Source
    entity: Entity
    source_system: str
    repair: bool = False
    extent: Extent = "records"
    restart: bool = False
    override: frozenset[Guard] = frozenset()
    triggered_by: str = "cli"
    asked_by: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    try_number: int | None = None
    first_try: int = 1

    mode: ClassVar[str] = "reconcile"
    via: ClassVar[str] = "api"

    @property
    def entity_type(self) -> str:
        """Name of the entity."""
        return self.entity.name


@dataclass(frozen=True, slots=True)
class ReconcileResult(SyncResult):
    """Outcome of a comparison; further attributes as in ``ops.reconciliations``.

    Attributes:
        verdict: ``equal``, ``different``; None: not at its end.
    """

    reconciliation_id: int | None = None
    extent: str = "records"
    repair: bool = False
    in_source: int | None = 0
    in_raw: int = 0
    in_rows: int = 0
    compared: int = 0
    asked_again: int = 0
    differences: int = 0
    by_reason: Map[str, int] | None = None
    repaired: int = 0
    verdict: str | None = None

    def as_contract(self) -> dict[str, Any]:
        """JSON object of ``sync``, with what the comparison found."""
        # Not super(): a class with slots is another one than its methods know.
        line = SyncResult.as_contract(self)
        own = {each.name for each in fields(self)} - {
            e.name for e in fields(SyncResult)
        }
        return line | {name: getattr(self, name) for name in sorted(own)}

    @property
    def wrote(self) -> bool:
        """Whether any table of the warehouse was changed."""
        counts = self.records_created, self.records_updated, self.records_deleted
        return any(counts) or self.repaired > 0

    def in_words(self) -> str:
        """Verdict and counts, for people."""
        told = f"{self.in_source} in the source"
        if self.in_source is None:  # a sweep reads no list
            told = f"{self.compared} compared"
        return (
            f"{self.verdict}: {told}, {self.in_raw} here, {self.differences}"
            f" differences, {self.repaired} repaired"
        )


def reconcile(
    request: ReconcileRequest,
    *,
    conninfo: str,
    open_client: ClientFactory,
    max_wait_seconds: float = 0.0,
    max_pause_seconds: float = PAUSE_SECONDS,
    progress: Progress | None = None,
) -> ReconcileResult:
    """Compare one entity with its source; safe to kill and to repeat.

    Args:
        request: What to compare.
        conninfo: libpq connection string of the warehouse.
        open_client: Builds the client around the job's gate.
        max_wait_seconds: Longest wait for quota inside this call.
        max_pause_seconds: Longest pause in it that the source or the retry policy
            asks for.
        progress: Called when the job is claimed and after each chunk.

    Returns:
        The outcome, with a verdict unless it is ``waiting``.

    Raises:
        CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``.
    """
    check(request)
    source, entity = request.source, request.entity
    with open_session(conninfo, f"{request.source_system} {entity.name}") as conn:
        asked = SyncRequest(source, entity, request.source_system, "full")
        chosen = settings.load(conn, asked)
        with entity_lock(conn, request):
            profiles.check(conn, request, source)
            arguments: dict[str, Any] = {
                "repair": request.repair,
                "extent": request.extent,
                **profiles.argument(source),
            }
            if (ended := jobs.ended(conn, request, arguments)) is not None:
                return _result(conn, ended.result())
            job = jobs.claim(
                conn, request, arguments=arguments, spec=as_json(source, entity)
            )
            run = _ReconcileRun(conn, request, chosen, job, progress)
            patience = Patience(max_wait_seconds, max_pause_seconds)
            return _result(conn, run.execute(conninfo, open_client, patience))


def check(request: ReconcileRequest) -> None:
    """Refuse what means nothing.

    Raises:
        ConfigurationError: Says what, and what to do.
    """
    if request.extent == "sweep" and not request.entity.is_swept:
        raise ConfigurationError(
            f"{request.source.name} {request.entity.name} has neither associations nor"
            " an archive that changes apart; compare whole records instead"
        )
    if request.override and not request.repair:
        raise ConfigurationError(
            "override goes with repair: without it nothing is written, and no guard"
            " stops anything"
        )
    if needless := request.override - set(REPAIR_GUARDS):
        raise ConfigurationError(
            f"override {', '.join(sorted(needless))}: a repair knows"
            f" {', '.join(REPAIR_GUARDS)} only"
        )


def _result(conn: Connection, result: SyncResult) -> ReconcileResult:
    with conn.cursor(row_factory=dict_row) as cursor:
        statement = query("load_reconciliation")
        found = cursor.execute(statement, {"job_id": result.job_id}).fetchone()
    known = {each.name: getattr(result, each.name) for each in fields(SyncResult)}
    return ReconcileResult(**known, **(found or {}))


class _NoGuards(Guards):
    """Reading to compare writes nothing that would have to be guarded."""

    def check_volume(self, records: int, *, announced: bool = False) -> None:
        """Let everything pass."""

    def check_chunk(self, chunk: Any, mapping: Mapping) -> None:
        """Let everything pass."""


class _ReconcileRun(JobRun):
    """One process's work on one comparison.

    The checkpoint is the list's while that is read, and names the phase from then on,
    with the place in a second list.
    """

    _JUDGING: ClassVar[dict[str, Any]] = {"phase": "judging"}

    def __init__(
        self,
        conn: Connection,
        request: ReconcileRequest,
        chosen: Settings,
        job: Job,
        progress: Progress | None,
    ) -> None:
        super().__init__(conn, job, progress)
        self._request = request
        self._settings = chosen

    def work(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> Job:
        """Read, judge, count."""
        request, stop = self._request, threading.Event()
        self._begin()
        quota = QuotaGate(
            conninfo,
            request.source_system,
            request.source.quotas,
            stop,
            asker=request.entity_type,
            webhook_share=request.source.webhook_share,
            patience=patience,
        )
        gate = self.open_gate(quota, request.source)
        with closing(gate), closing(open_client(gate)) as client:
            schema_changes.watch(self._conn, self.job, request.entity, client, stop)
            mapping = job_mapping(self._conn, self.job, request.source, request.entity)
            names = (request.entity, mapping, request.source_system)
            loader = Loader(self._conn, *names, with_raw=True)
            comparer = Comparer(self._conn, *names)
            guards = Guards(self._conn, self.job, request.entity, self._settings)
            if "phase" not in (self.job.checkpoint or {}):
                self._read(client, comparer, mapping, guards, stop)
                self._suspect_absent(comparer, guards)
            judge = Judge(
                self._conn,
                self.job,
                request.entity,
                client,
                comparer,
                loader if request.repair else None,
                mapping,
                guards,
                self.note,
                stop,
                load_seen(self._conn, self.job),
                self._settings.page_size,
                request.source.forgets,
            )
            self.job = judge.judge()
            return self._finish(comparer, guards)

    def _begin(self) -> None:
        request = self._request
        values = {
            "job_id": self.job.id,
            "extent": request.extent,
            "repair": request.repair,
        }
        self._conn.execute(query("begin_reconciliation"), values)

    def _read(
        self,
        client: SourceClient,
        comparer: Comparer,
        mapping: Mapping,
        guards: Guards,
        stop: threading.Event,
    ) -> None:
        """Read the source whole, and note who seems to differ."""
        request = self._request
        if request.extent == "sweep":
            sweep = Sweep(
                self._conn,
                self.job,
                request.entity,
                client,
                comparer,
                guards if request.repair else None,
                stop,
                self.note,
            )
            self.job = sweep.find()
            return
        reader = Reader(
            self._conn,
            self.job,
            request.entity,
            client,
            comparer,
            mapping,
            load_seen(self._conn, self.job),
            _NoGuards(self._conn, self.job, request.entity, self._settings),
            self._settings.page_size,
            self.note,
            stop,
            self.tally,
            in_flight=request.source.in_flight,
        )
        self.job = reader.read()

    def _suspect_absent(self, comparer: Comparer, guards: Guards) -> None:
        """Whoever lives here and was not listed is asked for too.

        But for a source that forgets: what it does not list any more stays here.
        """
        forgets = self._request.source.forgets
        reason = "forgotten_there" if forgets else "suspect"
        with self._conn.transaction():
            absent = [] if self._request.extent == "sweep" else self._absent()
            if absent and self._request.repair and not forgets:
                guards.check_absences(
                    len(absent), self.job.records_received, approved=0
                )
            comparer.note(self.job, [of_id(each, reason) for each in absent])
            job = comparer.move(self.job, self._JUDGING)
        self.note(job)

    def _absent(self) -> list[str]:
        table = sql.Identifier(self._request.entity.raw_table)
        values = {
            "source_system": self.job.source_system,
            "entity_type": self.job.entity_type,
            "guards": list(FULL_GUARDS),
            "began": self.job.started_at,
            "job_id": self.job.id,
        }
        found = self._conn.execute(query("find_absent", table=table), values)
        return [source_id for source_id, *_ in found.fetchall()]

    def _finish(self, comparer: Comparer, guards: Guards) -> Job:
        """Count both sides, and end the job, in one transaction."""
        request, entity = self._request, self._request.entity
        with self._conn.transaction():
            hold_rows(
                self._conn,
                source_system=request.source_system,
                entity_type=entity.name,
            )
            if request.repair:
                link_rows(self._conn, request.source_system, [entity])
            deleted = 0
            if request.extent == "records":
                deleted = self._judge_extra_rows(comparer, guards)
            ended = end(
                self._conn,
                self.job,
                deleted=deleted,
                **jobs.spent(self.job, self.tally),
            )
            statement = query(
                "finish_reconciliation",
                raw_table=sql.Identifier(entity.raw_table),
                table=sql.Identifier(entity.into),
            )
            values = {"job_id": ended.id, "requests": ended.requests}
            self._conn.execute(statement, values)
        return ended

    def _judge_extra_rows(self, comparer: Comparer, guards: Guards) -> int:
        """Rows whose records do not live; returns how many of the own table went."""
        deleted = 0
        for view in self._request.entity.views():
            if self._is_shared(view.into):
                continue
            table = sql.Identifier(view.into)
            raw = sql.Identifier(self._request.entity.raw_table)
            found = self._conn.execute(
                query("find_extra_rows", table=table, raw_table=raw),
                {"source_system": self.job.source_system},
            ).fetchall()
            ids = [source_id for (source_id,) in found]
            if not ids:
                continue
            extra = [of_id(each, "row_extra") for each in ids]
            comparer.note(self.job, extra)
            if self._request.repair:
                guards.check_absences(len(ids), self.job.records_received, approved=0)
                deleted = self._delete_rows(table, ids)
        return deleted

    def _delete_rows(self, table: sql.Identifier, ids: list[str]) -> int:
        values = {
            "source_system": self.job.source_system,
            "job_id": self.job.id,
            "ids": ids,
            "archived_at": "{}",
        }
        statement = query("mark_rows_deleted", table=table)
        row = self._conn.execute(statement, values).fetchone()
        fingerprints = [f"id:{source_id}" for source_id in ids]
        repaired = {**values, "fingerprints": fingerprints, "left": "[]"}
        self._conn.execute(query("mark_repaired"), repaired)
        return row[0] if row else 0

    def _is_shared(self, table: str) -> bool:
        """Whether another entity of the source makes rows of this table too."""
        return any(
            view.into == table
            for entity in self._request.source.entities.values()
            if entity.name != self._request.entity.name
            for view in entity.views()
        )
