"""Fold webhooks into the warehouse: an event says that a record is to be read again.

Law 10: values of events are evidence, never data. The records that events announce are
read by id and merged as a poll does, under the same lock of their rows, so that of
poll and webhook the newer state wins. Where deliveries carry whole records, these are
merged in the same way (``carried.py``). Events are settled in the transaction that
merges their records; a kill leaves them pending. What cannot be merged just now rests
(``webhook_rests.py``).
"""

import contextlib
import logging
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from crm_warehouse.clients.interface import (
    ClientFactory,
    PropertyReader,
    SourceClient,
)
from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.engine import jobs, schema_changes, settings
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.announced import (
    Answer,
    Batch,
    Read,
    Refused,
    Unreadable,
    read,
)
from crm_warehouse.engine.carried import (
    Carried,
    CarriedChunk,
    as_told,
    losing,
    pending_records,
)
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.finish import end, link_rows
from crm_warehouse.engine.gate import (
    PAUSE_SECONDS,
    Patience,
    QuotaGate,
)
from crm_warehouse.engine.guards import Guards
from crm_warehouse.engine.inbox import explode_deliveries
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.lock import entity_lock
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.partial import stored_records, version_key
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead
from crm_warehouse.engine.rule_store import job_mapping
from crm_warehouse.engine.run import JobRun, Progress, load_seen
from crm_warehouse.engine.session import open_session
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.engine.told_erasures import erase_told
from crm_warehouse.engine.webhook_rests import Refusals
from crm_warehouse.errors import (
    ConfigurationError,
    GuardError,
    SourceError,
    SyncDisabledError,
)
from crm_warehouse.spec import Entity

#: Events looked at in one round; their records are read and merged at once.
_BATCH = 500
#: Events settled in one statement, and looked up for it, besides those looked at.
_SETTLED = 5_000
_REST = 100_000

_log = logging.getLogger(__name__)


def merge_webhooks(
    request: WebhookRequest,
    *,
    conninfo: str,
    open_client: ClientFactory,
    max_wait_seconds: float = 0.0,
    max_pause_seconds: float = PAUSE_SECONDS,
    progress: Progress | None = None,
) -> SyncResult:
    """Merge everything that webhooks announced until now, once.

    Args:
        request: Whose webhooks.
        conninfo: libpq connection string of the warehouse.
        open_client: Builds the client around the job's gate.
        max_wait_seconds: Longest wait for quota inside this call.
        max_pause_seconds: Longest pause in it that the source or the retry policy
            asks for.
        progress: Called when the job is claimed and after each batch.

    Returns:
        The outcome, as of :func:`crm_warehouse.engine.sync.run_sync`.

    Raises:
        CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``, and
            what was not merged waits for the next one.
    """
    if not request.source.webhooks or request.source.client not in WEBHOOK_PARSERS:
        raise ConfigurationError(
            f"{request.source.name} announces nothing by webhook: its source file says"
            " so, or its client cannot read them"
        )
    with (
        open_session(conninfo, f"{request.source_system} webhooks") as conn,
        entity_lock(conn, request),
    ):
        job = jobs.claim(conn, request, arguments={})
        run = _WebhookRun(conn, request, job, progress)
        patience = Patience(max_wait_seconds, max_pause_seconds)
        return run.execute(conninfo, open_client, patience)


class _WebhookRun(JobRun):
    """One process's work on one merge."""

    def __init__(
        self,
        conn: Connection,
        request: WebhookRequest,
        job: Job,
        progress: Progress | None,
    ) -> None:
        super().__init__(conn, job, progress)
        self._request = request
        self._parser = WEBHOOK_PARSERS[request.source.client]
        self._seen = SeenIds()
        self._tools: dict[str, tuple[Mapping, Loader]] = {}
        self._entities: dict[str, Entity] = {}
        self._guards: dict[str, Guards] = {}
        self._refusals = Refusals(conn, request)
        self._looked_at = 0
        self._described: set[str] = set()

    def work(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> Job:
        """Merge batch after batch until no event is pending.

        What is delivered meanwhile stays a delivery until the next merge, so there is
        an end.
        """
        self._entities = self._switched_on()
        self._refusals.spare_resting()
        explode_deliveries(self._conn, self._request, self._beat)
        erase_told(self._conn, self._request, self.job, self.note, self._beat)
        self._ignore_others()
        self._beat()
        self._seen = load_seen(self._conn, self.job)
        if self._parser.carries:
            self._merge_carried()
        else:
            self._read_again(conninfo, open_client, patience)
        # Others do not wait for what cannot be merged, or is set aside; but it is told.
        self._refusals.tell(self._entities)
        return self._finish()

    def _read_again(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> None:
        """Read what events announce from the source, and merge it."""
        request, stop = self._request, threading.Event()
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
            while batches := self._pending():
                self._merge(client, batches, stop)

    def _merge_carried(self) -> None:
        """Merge the records that events carry."""
        last: dict[int, list[Any]] = {}
        while True:
            found = pending_records(self._conn, self._request, self._open(), last)
            if not found:
                return
            for name, carried in found.items():
                try:
                    self.note(self._write_carried(self._entities[name], carried))
                except GuardError as error:
                    self._refusals.refuse(name, error)

    def _write_carried(self, entity: Entity, carried: Carried) -> Job:
        """Lay the records over what the raw layer holds, which nobody changes then."""
        source_system = self._request.source_system
        mapping, loader = self._tools_of(entity)
        chunk = CarriedChunk(
            mapping,
            self._seen,
            version_key(entity),
            f"{entity.name}:",
            drafts=self._parser.drafts,
        )
        for _, record, received_at in carried.records:
            chunk.add(record, received_at)
        with self._conn.transaction():
            hold_rows(self._conn, source_system=source_system, entity_type=entity.name)
            stored = stored_records(
                self._conn, entity, source_system, chunk.source_ids()
            )
            chunk.lay_over(stored)
            objections = self._guards[entity.name].check_pushed(chunk, mapping)
            objected = losing(objections, stored)
            chunk.drop(objected)
            job = loader.write(self.job, chunk, None)
            carried.settle(self._conn, self.job, mapping, objected)
        self._refusals.object(map(as_told, objections))
        return job

    def _beat(self) -> None:
        jobs.beat(self._conn, self.job)

    def _switched_on(self) -> dict[str, Entity]:
        """Entities that are loaded at all."""
        request, found = self._request, {}
        for name, entity in request.source.entities.items():
            asked = SyncRequest(
                request.source, entity, request.source_system, "incremental"
            )
            with contextlib.suppress(SyncDisabledError):
                chosen = settings.load(self._conn, asked)
                found[name] = entity
                self._guards[name] = Guards(self._conn, self.job, entity, chosen)
        return found

    def _open(self) -> list[str]:
        """Entities whose events are to be merged just now."""
        return [name for name in self._entities if name not in self._refusals]

    def _ignore_others(self) -> None:
        self._conn.execute(
            query("ignore_events"),
            {
                "source_system": self._request.source_system,
                "entities": list(self._entities),
                "carried": bool(self._parser.carries),
                "job_id": self.job.id,
            },
        )

    def _pending(self) -> list[Batch]:
        values = {
            "source_system": self._request.source_system,
            "entities": self._open(),
            "after": self._looked_at,
            "limit": _BATCH,
        }
        ids: dict[str, list[str]] = {}
        rows = self._conn.execute(query("pending_objects"), values).fetchall()
        for entity, source_id, _ in rows:
            ids.setdefault(entity, []).append(source_id)
        if rows:
            self._looked_at = rows[0][2]
        return [
            Batch(
                self._entities[name],
                found,
                guards.control(found),
                guards.witnesses(found),
                looked_at=self._looked_at,
            )
            for name, found in ids.items()
            for guards in [self._guards[name]]
        ]

    def _merge(
        self,
        client: SourceClient,
        batches: Sequence[Batch],
        stop: threading.Event,
    ) -> None:
        """Read in a thread, so that the job goes on saying that it lives."""
        answers = ReadAhead(read(client, batches), stop)
        try:
            while (next_answer := self._next(answers)) is not None:
                self._settle(client, *next_answer)
        except BaseException:
            stop.set()
            raise
        finally:
            answers.join()

    def _settle(self, client: SourceClient, batch: Batch, answer: Answer) -> None:
        name = batch.entity.name
        if isinstance(answer, Unreadable):
            self._set_aside(batch, answer.error)
        elif isinstance(answer, Refused):
            self._refusals.refuse(name, answer.error)
        elif name not in self._refusals:
            self._note_properties(client, batch.entity)
            try:
                self.note(self._write(batch, answer))
            except GuardError as error:
                self._refusals.refuse(name, error)

    def _set_aside(self, batch: Batch, error: SourceError) -> None:
        """Let events fail whose records cannot be read while others can."""
        _log.warning(
            "%s: %d records cannot be read by id (%s); their events have failed",
            batch.entity.name,
            len(batch.source_ids),
            error.category,
        )
        values = {
            "source_system": self._request.source_system,
            "entity_type": batch.entity.name,
            "ids": batch.source_ids,
            "category": error.category,
            "job_id": self.job.id,
        }
        self._conn.execute(query("fail_events"), values)

    def _note_properties(self, client: SourceClient, entity: Entity) -> None:
        """Once an entity: the client has asked when it read the first batch."""
        if entity.name in self._described or not isinstance(client, PropertyReader):
            return
        schema_changes.note(self._conn, self.job, entity, client.properties(entity))
        self._described.add(entity.name)

    def _next(
        self, answers: ReadAhead[tuple[Batch, Answer]]
    ) -> tuple[Batch, Answer] | None:
        while True:
            self._beat()
            with contextlib.suppress(TimeoutError):
                return answers.next(HEARTBEAT_SECONDS)

    def _write(self, batch: Batch, answer: Read) -> Job:
        found = answer.found
        guards = self._guards[batch.entity.name]
        guards.check_gone(found.missing, silent=answer.silent)
        mapping, loader = self._tools_of(batch.entity)
        chunk = Chunk(mapping, self._seen, scope=f"{batch.entity.name}:")
        chunk.requests = found.requests
        chunk.retries = self.tally.retries - self.job.retries
        for record in found.records:
            chunk.add(record, found.observed_at)
        guards.check_chunk(chunk, mapping)
        with self._conn.transaction():
            # An event is believed where the source has the record no more.
            merged = self._told_merges(batch, found.missing) | found.merged
            lost = [each for each in found.missing if each not in merged]
            gone = Gone(lost, found.observed_at, found.archived)
            job = loader.write(self.job, chunk, None, gone, merged=merged)
            values = {
                "source_system": self._request.source_system,
                "entity_type": batch.entity.name,
                "ids": batch.source_ids,
                "looked_at": batch.looked_at,
                "missing": found.missing,
                "job_id": self.job.id,
            }
            settled = self._conn.execute(query("settle_events"), values).fetchone()
        if settled is not None:
            self._settle_rest({**values, "settled_at": settled[0]})
        return job

    def _settle_rest(self, values: dict[str, Any]) -> None:
        """Settle further events of the same records, a few at a time.

        Nobody else adds any meanwhile, and a kill lets the next merge read them again.
        """
        asked = {**values, "limit": _REST}
        while rest := self._conn.execute(query("rest_of_events"), asked).fetchall():
            events = [number for (number,) in rest]
            for at in range(0, len(events), _SETTLED):
                part = {**values, "events": events[at : at + _SETTLED]}
                self._conn.execute(query("settle_rest"), part)
                jobs.beat(self._conn, self.job)

    def _told_merges(self, batch: Batch, missing: list[str]) -> dict[str, str]:
        values = {
            "source_system": self._request.source_system,
            "entity_type": batch.entity.name,
            "ids": missing,
        }
        told = self._conn.execute(query("pending_merges"), values).fetchall()
        return dict(told)

    def _tools_of(self, entity: Entity) -> tuple[Mapping, Loader]:
        """Mapping and loader; a loader owns the session's temporary tables."""
        known = self._tools.get(entity.name)
        if known is None:
            mapping = job_mapping(self._conn, self.job, self._request.source, entity)
            loader = Loader(
                self._conn,
                entity,
                mapping,
                self._request.source_system,
                with_raw=True,
            )
            self._tools = {entity.name: (mapping, loader)}
            return mapping, loader
        return known

    def _finish(self) -> Job:
        request = self._request
        with self._conn.transaction():
            entities = list(self._entities.values())
            link_rows(self._conn, request.source_system, entities)
            spent = jobs.spent(self.job, self.tally)
            return end(self._conn, self.job, deleted=0, **spent)
