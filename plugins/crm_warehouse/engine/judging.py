"""Ask again for what seemed to differ, judge it by the answer, and repair it."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from crm_warehouse.clients.interface import Found, SourceClient
from crm_warehouse.engine import jobs, payload
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.comparison import (
    Comparer,
    Difference,
    differing_names,
    of_id,
)
from crm_warehouse.engine.guards import Guards
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.errors import RequestRefusedError
from crm_warehouse.spec import Entity

#: Records judged in one transaction; as many as one request reads where the source
#: reads batches.
_BATCH = 100
#: Where each record costs a request of its own, more than these wait for a full load.
_MOST_SINGLE = 200
#: Reasons for which a row is written anew although its own books say that it is right.
_ROW_REASONS = ("row_missing", "row_differs", "link_missing", "link_extra")
#: A first merge brings raw up to date, and shows what a row hid behind it.
_ROUNDS = 2


class _Asked(NamedTuple):
    """One batch of suspects, and what the source says of them; None: nothing."""

    ids: list[str]
    found: Found | None


@dataclass(slots=True)
class Judge:
    """Judges the suspects of one job. ``job`` always is the row as last committed.

    ``loader`` is None where differences are only listed.
    """

    conn: Connection
    job: Job
    entity: Entity
    client: SourceClient
    comparer: Comparer
    loader: Loader | None
    mapping: Mapping
    guards: Guards
    progress: Callable[[Job], None]
    stop: threading.Event
    seen: SeenIds

    def judge(self) -> Job:
        """Judge every suspect.

        Returns:
            The job, every batch committed.

        Raises:
            SourceError: The source cannot be asked.
            WaitError: It may not be asked for long; what was judged stays so.
        """
        suspects = self._suspects()
        if not suspects:
            return self.job
        single = "read" not in self.entity.endpoints
        asked = suspects[:_MOST_SINGLE] if single else suspects
        size = 1 if single else _BATCH
        answers = ReadAhead(self._answers(asked, size, self._known()), self.stop)
        try:
            while (answer := self._next(answers)) is not None:
                self._settle(answer)
        except BaseException:
            self.stop.set()
            raise
        finally:
            answers.join()
        if rest := suspects[len(asked) :]:
            self._settle(_Asked(rest, None))
        return self.job

    def _suspects(self) -> list[str]:
        statement, values = query("find_suspects"), {"job_id": self.job.id}
        return [each for (each,) in self.conn.execute(statement, values).fetchall()]

    def _next(self, answers: ReadAhead[_Asked]) -> _Asked | None:
        while True:
            jobs.beat(self.conn, self.job)
            try:
                return answers.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                continue

    def _answers(
        self, ids: list[str], size: int, known: str | None
    ) -> Iterator[_Asked]:
        """Ask, in a thread."""
        knows: bool | None = None
        for at in range(0, len(ids), size):
            batch = ids[at : at + size]
            try:
                found = self.client.fetch_many(self.entity, batch)
            except RequestRefusedError:
                if size > 1:
                    raise
                yield _Asked(batch, None)
                continue
            # An archive that names them is an answer, too.
            is_told = bool(found.records or found.archived)
            if not is_told and knows is None:
                knows = self._knows(known)
            yield _Asked(batch, found if is_told or knows else None)

    def _knows(self, known: str | None) -> bool:
        """Whether the source finds a record by id that it has just listed.

        A source without such an endpoint answers 404 to every id, which would prove
        every record gone.
        """
        return known is not None and bool(
            self.client.fetch_many(self.entity, [known]).records
        )

    def _settle(self, answer: _Asked) -> None:
        """Judge one batch, and repair it, in one transaction."""
        ids = answer.ids
        with self.conn.transaction():
            hold_rows(
                self.conn,
                source_system=self.job.source_system,
                entity_type=self.job.entity_type,
            )
            fingerprints = [f"id:{each}" for each in ids]
            values = {"job_id": self.job.id, "fingerprints": fingerprints}
            self.conn.execute(query("settle_suspects"), values)
            if answer.found is None:
                self.comparer.note(self.job, [of_id(each, "not_asked") for each in ids])
                job = self.comparer.move(self.job, self.job.checkpoint)
            else:
                job = self._judge(ids, answer.found)
        self.job = job
        self.progress(job)

    def _judge(self, ids: list[str], found: Found) -> Job:
        chunk = self._chunk(found)
        differences = [
            *self._named(self.comparer.compare(self.job, list(chunk)), chunk),
            *self._lost(found),
        ]
        self.comparer.note(self.job, differences)
        self.comparer.count(
            self.job, in_source=self._correction(chunk, found), asked_again=len(ids)
        )
        if self.loader is not None:
            return self._repair(self.loader, chunk, found, differences)
        keys = {"job_id": self.job.id, "chunk": self.job.chunks, "ids": chunk.new_keys}
        self.conn.execute(query("save_ids"), keys)
        return self.comparer.move(
            self.job,
            self.job.checkpoint,
            received=len(chunk),
            processed=len(chunk),
            failed=sum(entry.row.line is None for entry in chunk),
        )

    def _correction(self, chunk: Chunk, found: Found) -> int:
        """By how many the list was wrong about whom the source has."""
        missed = sum(self.seen.add(entry.key) for entry in chunk)
        return missed - sum(not self.seen.add(each) for each in found.missing)

    def _repair(
        self,
        loader: Loader,
        chunk: Chunk,
        found: Found,
        differences: Sequence[Difference],
    ) -> Job:
        """Merge by the engine's own rules, then compare these once more."""
        self.guards.check_chunk(chunk, self.mapping)
        lost = [d.source_id for d in differences if d.reason.endswith("_there")]
        ids = [each for each in lost if each is not None and each not in found.merged]
        gone = Gone(ids, found.observed_at, found.archived)
        job, left = self.job, list(differences)
        for turn in range(_ROUNDS):
            self._unsettle(left)
            if turn == 0:
                job = loader.write(
                    job, chunk, job.checkpoint, gone, merged=found.merged
                )
            else:
                again = self._chunk(found, repeated=chunk)
                job = loader.write(job, again, job.checkpoint)
            left = [*self.comparer.compare(job, list(chunk)), *self._lost(found)]
            if not any(each.reason in _ROW_REASONS for each in left):
                break
        self.comparer.note(job, left)
        values = {
            "job_id": job.id,
            "fingerprints": [each.fingerprint for each in differences],
            "left": Jsonb([each.as_json() for each in left]),
        }
        self.conn.execute(query("mark_repaired"), values)
        return job

    def _unsettle(self, differences: Iterable[Difference]) -> None:
        ids = [d.source_id for d in differences if d.reason in _ROW_REASONS]
        if not ids:
            return
        values = {"source_system": self.job.source_system, "ids": ids}
        for view in self.entity.views():
            table = sql.Identifier(view.into)
            self.conn.execute(query("unsettle_rows", table=table), values)

    def _chunk(self, found: Found, repeated: Chunk | None = None) -> Chunk:
        seen = SeenIds(entry.key for entry in repeated or ())
        chunk = Chunk(self.mapping, seen)
        for record in found.records:
            chunk.add(record, found.observed_at)
        return chunk

    def _lost(self, found: Found) -> list[Difference]:
        """Why the source does not have those any more that live here."""
        values = {
            "source_system": self.job.source_system,
            "ids": found.missing,
            "asked_at": found.observed_at,
        }
        table = sql.Identifier(self.entity.raw_table)
        living = self.conn.execute(query("find_unmarked", table=table), values)
        return [of_id(each, _fate(each, found)) for (each,) in living.fetchall()]

    def _named(
        self, differences: Iterable[Difference], chunk: Chunk
    ) -> list[Difference]:
        """The differences, with the names of the fields that differ."""
        listed = list(differences)
        ids = [d.source_id for d in listed if d.reason == "fields_differ"]
        held = self._payloads([each for each in ids if each is not None])
        came = {entry.source_id: entry.payload for entry in chunk}
        named = []
        for each in listed:
            if each.reason == "fields_differ" and each.source_id in held:
                new = came[each.source_id]
                fields = differing_names(
                    held[each.source_id], payload.decode(new.text, new.exact)
                )
                each = Difference(each.fingerprint, each.source_id, each.reason, fields)
            named.append(each)
        return named

    def _payloads(self, ids: list[str]) -> dict[str, Any]:
        if not ids:
            return {}
        table = sql.Identifier(self.entity.raw_table)
        values = {"source_system": self.job.source_system, "ids": ids}
        with self.conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                query("read_payloads", table=table), values
            ).fetchall()
        return {
            row["source_id"]: payload.decode(row["payload"], row["payload_bytes"])
            for row in rows
        }

    def _known(self) -> str | None:
        """A record that the source has listed a moment ago."""
        values = {"job_id": self.job.id}
        row = self.conn.execute(query("find_seen_id"), values).fetchone()
        return row[0] if row else None


def _fate(source_id: str, found: Found) -> str:
    """Why the source does not have a record any more."""
    if source_id in found.merged:
        return "merged_there"
    return "archived_there" if source_id in found.archived else "gone_there"
