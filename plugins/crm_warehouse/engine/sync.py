"""Run one sync, from claiming its job to its last transaction."""

import threading
from contextlib import closing
from datetime import datetime
from typing import Any

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.engine import horizon, jobs, profiles, schema_changes, settings
from crm_warehouse.engine.absences import AbsenceCheck, Absences
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.file_imports import (
    check_file,
    imported_before,
    note_file,
    unconfirmed,
)
from crm_warehouse.engine.finish import finish
from crm_warehouse.engine.flat_ids import FlatSeenIds
from crm_warehouse.engine.gate import (
    PAUSE_SECONDS,
    Patience,
    QuotaGate,
)
from crm_warehouse.engine.guards import FULL_GUARDS, Guards
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.lock import entity_lock
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.partial import PartialReader
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import Reader
from crm_warehouse.engine.replay import Replayer
from crm_warehouse.engine.rule_store import job_mapping
from crm_warehouse.engine.run import JobRun, Progress, load_seen
from crm_warehouse.engine.session import open_session
from crm_warehouse.engine.settings import Settings
from crm_warehouse.engine.time_zone import learn_time_zone
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import as_json


def run_sync(
    request: SyncRequest,
    *,
    conninfo: str,
    open_client: ClientFactory,
    max_wait_seconds: float = 0.0,
    max_pause_seconds: float = PAUSE_SECONDS,
    progress: Progress | None = None,
) -> SyncResult:
    """Load one entity, exactly once, resuming what died.

    Args:
        request: What to load.
        conninfo: libpq connection string of the warehouse.
        open_client: Builds the client around the job's gate.
        max_wait_seconds: Longest wait for quota inside this call.
        max_pause_seconds: Longest pause in it that the source or the retry policy
            asks for.
        progress: Called when the job is claimed and after each chunk.

    Returns:
        The outcome: ``success``, ``partial`` (new rejects), or ``waiting`` with
        ``resume_at`` when quota is not to be had in time.

    Raises:
        CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``.
    """
    check(request)
    with open_session(
        conninfo, f"{request.source_system} {request.entity.name}"
    ) as conn:
        chosen = settings.load(conn, request)
        with entity_lock(conn, request):
            profiles.check(conn, request, request.source)
            arguments = _arguments(request, chosen)
            if (ended := jobs.ended(conn, request, arguments)) is not None:
                return ended.result()
            if (before := imported_before(conn, request)) is not None:
                return before
            job = _claim(conn, request, arguments)
            run = _SyncRun(conn, request, chosen, job, progress)
            patience = Patience(max_wait_seconds, max_pause_seconds)
            return run.execute(conninfo, open_client, patience)


def check(request: SyncRequest) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ConfigurationError: Says which, and what to do.
    """
    if request.since is not None and request.mode != "incremental":
        raise ConfigurationError(
            f"since goes with mode incremental, not {request.mode}: leave it out"
        )
    if request.mode != "full" and (needless := request.override & FULL_GUARDS):
        raise ConfigurationError(
            f"override {', '.join(sorted(needless))} goes with mode full, not"
            f" {request.mode}: only a full load finds what is gone. Choose mode full"
        )
    if request.since is not None and request.since.tzinfo is None:
        raise ConfigurationError("since needs a time zone, e.g. 2026-01-31T00:00:00Z")
    if request.via not in request.entity.vias:
        raise ConfigurationError(
            f"{request.source.name} {request.entity.name} is not loaded by"
            f" {request.via}; by {', '.join(request.entity.vias)} only"
        )
    check_file(request)


def _arguments(request: SyncRequest, chosen: Settings) -> dict[str, Any]:
    if request.file is not None:
        return {"file": request.file.sha256, **profiles.argument(request.source)}
    since = request.since.isoformat() if request.since else None
    asked = {"since": since, "page_size": chosen.page_size}
    return asked | profiles.argument(request.source)


def _claim(conn: Connection, request: SyncRequest, arguments: dict[str, Any]) -> Job:
    return jobs.claim(
        conn,
        request,
        arguments=arguments,
        only=request.job_id,
        window_start=_window_start(conn, request),
        spec=as_json(request.source, request.entity),
    )


def _window_start(conn: Connection, request: SyncRequest) -> datetime | None:
    """Where a new job's window begins: law 1."""
    if request.mode != "incremental" or request.since is not None:
        return request.since
    if request.file is not None:
        return None  # it is read whole
    row = conn.execute(
        query("load_watermark"),
        {
            "source_system": request.source_system,
            "entity_type": request.entity.name,
            "via": request.via,
        },
    ).fetchone()
    watermark: datetime | None = row[0] if row else None
    return watermark - request.source.overlap if watermark else None


class _SyncRun(JobRun):
    """One process's work on one sync."""

    def __init__(
        self,
        conn: Connection,
        request: SyncRequest,
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
        """Read the window, or replay."""
        if self._request.mode == "replay":
            return self._replay()
        return self._read(conninfo, open_client, patience)

    def _replay(self) -> Job:
        mapping, loader, seen = self._tools()
        job = Replayer(
            self._conn,
            self.job,
            self._request.entity,
            loader,
            mapping,
            seen,
            self.note,
        ).replay()
        return finish(self._conn, job, self._request.entity, Absences([], []))

    def _read(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> Job:
        stop = threading.Event()
        request = self._request
        by_api = request.via == "api"
        quota = QuotaGate(
            conninfo,
            request.source_system,
            # Quotas are of the API: nothing is asked of them here, and they stay.
            request.source.quotas if by_api else None,
            stop,
            asker=request.entity_type,
            webhook_share=request.source.webhook_share,
            patience=patience,
        )
        gate = self.open_gate(quota, request.source)
        with closing(gate), closing(open_client(gate)) as client:
            if by_api and request.source.account_path is not None:
                learn_time_zone(self._conn, self.job, quota, client, stop)
            note_file(self._conn, self.job, request)
            schema_changes.watch(self._conn, self.job, request.entity, client, stop)
            if by_api:
                horizon.watch(self._conn, self.job, request.source, gate.now())
            mapping, loader, seen = self._tools()
            guards = Guards(self._conn, self.job, request.entity, self._settings)
            by_file = request.file is not None
            reader = (PartialReader if by_file else Reader)(
                self._conn,
                self.job,
                request.entity,
                client,
                loader,
                mapping,
                seen,
                guards,
                self._settings.page_size,
                self.note,
                stop,
                self.tally,
                in_flight=request.source.in_flight if by_api else 1,
            )
            self.job = reader.read()
            absences = Absences([], [])
            # What a source keeps for a while only may be missing because it is old.
            forgets = by_api and request.source.horizon is not None
            if request.mode == "full" and not forgets:
                check = AbsenceCheck(
                    self._conn,
                    self.job,
                    unconfirmed(request.entity) if by_file else request.entity,
                    client,
                    gate,
                    stop,
                    guards,
                    by_index=reader.way == "search",
                )
                absences = self._find_absences(check, Chunk(mapping, seen), loader)
        return finish(
            self._conn,
            self.job,
            request.entity,
            absences,
            **jobs.spent(self.job, self.tally),
        )

    def _find_absences(
        self, check: AbsenceCheck, found_alive: Chunk, loader: Loader
    ) -> Absences:
        absences = check.find(found_alive)
        if len(found_alive):
            self.job = loader.write(self.job, found_alive, self.job.checkpoint)
        return absences

    def _tools(self) -> tuple[Mapping, Loader, SeenIds]:
        request = self._request
        mapping = job_mapping(self._conn, self.job, request.source, request.entity)
        loader = Loader(
            self._conn,
            request.entity,
            mapping,
            request.source_system,
            with_raw=request.mode != "replay",
        )
        kind = FlatSeenIds if request.file is not None else SeenIds
        return mapping, loader, load_seen(self._conn, self.job, kind)
