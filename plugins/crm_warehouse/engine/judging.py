"""Ask again for what seemed to differ, judge it by the answer, and repair it."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from crm_warehouse.clients.interface import Found, SourceClient
from crm_warehouse.engine import jobs, payload
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.asking import Asked, Asker
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
from crm_warehouse.spec import Entity

#: Reasons for which a row is written anew although its own books say that it is right.
_ROW_REASONS = ("row_missing", "row_differs", "link_missing", "link_extra")
#: Reasons for which a record is marked as deleted, or becomes a redirect.
_GONE_REASONS = ("gone_there", "archived_there", "merged_there")
#: A first merge brings raw up to date, and shows what a row hid behind it.
_ROUNDS = 2


@dataclass(slots=True)
class Judge:
    """Judges the suspects of one job. ``job`` always is the row as last committed.

    ``loader`` is None where differences are only listed; ``forgets``: that the source
    does not have a record any more says nothing.
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
    page_size: int
    forgets: bool

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
        asker = Asker(
            self.entity,
            self.client,
            self.mapping.source_id,
            self.page_size,
            list_requests=self.job.requests,
            known=self._known(),
            place=(self.job.checkpoint or {}).get("second_list"),
        )
        answers = ReadAhead(asker.answers(suspects), self.stop)
        try:
            while (answer := self._next(answers)) is not None:
                self._settle(answer)
        except BaseException:
            self.stop.set()
            raise
        finally:
            answers.join()
        return self.job

    def _suspects(self) -> list[str]:
        statement, values = query("find_suspects"), {"job_id": self.job.id}
        return [each for (each,) in self.conn.execute(statement, values).fetchall()]

    def _next(self, answers: ReadAhead[Asked]) -> Asked | None:
        while True:
            jobs.beat(self.conn, self.job)
            try:
                return answers.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                continue

    def _settle(self, answer: Asked) -> None:
        """Judge one batch, and repair it, in one transaction."""
        ids = answer.ids
        if answer.place is not None:  # committed with what is written below
            moved = {**(self.job.checkpoint or {}), "second_list": answer.place}
            self.job = replace(self.job, checkpoint=moved)
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
        # What differs stays so, and counts as nothing that was done.
        wrong = {d.source_id for d in differences if d.reason != "quarantined"}
        right = [entry for entry in chunk if entry.source_id not in wrong]
        return self.comparer.move(
            self.job,
            self.job.checkpoint,
            received=len(chunk),
            processed=len(right),
            failed=sum(entry.row.line is None for entry in right),
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
        lost = [d.source_id for d in differences if d.reason in _GONE_REASONS]
        ids = [each for each in lost if each is not None and each not in found.merged]
        gone = Gone(ids, found.observed_at, found.archived)
        job, left = self.job, list(differences)
        for turn in range(_ROUNDS):
            forced = _wrong_rows(left)
            if turn == 0:
                job = loader.write(
                    job,
                    chunk,
                    job.checkpoint,
                    gone,
                    merged=found.merged,
                    forced=forced,
                )
            else:
                again = self._chunk(found, repeated=chunk)
                job = loader.write(job, again, job.checkpoint, forced=forced)
            left = [*self.comparer.compare(job, list(chunk)), *self._lost(found)]
            if not _wrong_rows(left):
                break
        self.comparer.note(job, left)
        values = {
            "job_id": job.id,
            "fingerprints": [each.fingerprint for each in differences],
            "left": Jsonb([each.as_json() for each in left]),
        }
        self.conn.execute(query("mark_repaired"), values)
        return job

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
        return [of_id(each, self._fate(each, found)) for (each,) in living.fetchall()]

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

    def _known(self) -> list[str]:
        """A record that the source has listed a moment ago; else some that live here.

        A sweep of an entity without associations lists nobody.
        """
        values = {"job_id": self.job.id, "source_system": self.job.source_system}
        if row := self.conn.execute(query("find_seen_id"), values).fetchone():
            return [row[0]]
        table = sql.Identifier(self.entity.raw_table)
        found = self.conn.execute(query("find_living", table=table), values)
        return [source_id for (source_id,) in found.fetchall()]

    def _fate(self, source_id: str, found: Found) -> str:
        """Why the source does not have a record any more."""
        if source_id in found.merged:
            return "merged_there"
        if source_id in found.archived:
            return "archived_there"
        return "forgotten_there" if self.forgets else "gone_there"


def _wrong_rows(differences: Iterable[Difference]) -> list[str]:
    """Ids of records whose rows or links are not what raw says."""
    ids = [d.source_id for d in differences if d.reason in _ROW_REASONS]
    return [each for each in ids if each is not None]
