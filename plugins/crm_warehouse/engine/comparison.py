"""Compare records with what the warehouse holds of them; set-based, writing none."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.engine import jobs
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk, Entry
from crm_warehouse.engine.erased_parts import of_erased
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Counts, Loader
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.record_paths import link_column
from crm_warehouse.engine.row_merge import survivors
from crm_warehouse.engine.share import prefer_indexes
from crm_warehouse.engine.windows import WindowPart, save_part
from crm_warehouse.spec import Entity
from crm_warehouse.unified import LINK_TABLES

#: Differences that another look at the source would not change: what is open in the
#: quarantine is the very payload that came, and what has no id cannot be asked for.
_SETTLED = ("quarantined",)
#: Most names of fields that one difference lists.
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a record differs; reasons as in migration 0020.

    Attributes:
        fingerprint: ``id:<source id>``, or the payload's hash of one without.
        source_id: The id, or None.
        reason: Word for the difference.
        fields: Names of the fields or columns that differ, never values.
    """

    fingerprint: str
    source_id: str | None
    reason: str
    fields: list[str]

    def as_json(self) -> dict[str, Any]:
        """As ``note_differences.sql`` takes it."""
        return {
            "fingerprint": self.fingerprint,
            "source_id": self.source_id,
            "reason": self.reason,
            "fields": self.fields[:_MOST_FIELDS],
        }


def of_id(source_id: str, reason: str) -> Difference:
    """A difference that concerns a record as a whole."""
    return Difference(f"id:{source_id}", source_id, reason, [])


class Comparer(Loader):
    """Takes the loader's place where a list is read only to be compared.

    Args:
        conn: Connection in autocommit mode that holds the job's lock.
        entity: What is compared.
        mapping: Its compiled mapping.
        source_system: Instance name that the rows carry.
    """

    def __init__(
        self, conn: Connection, entity: Entity, mapping: Mapping, source_system: str
    ) -> None:
        super().__init__(conn, entity, mapping, source_system, with_raw=True)
        self._found: list[Difference] = []
        raw = sql.Identifier(entity.raw_table)
        self._compare_records = query("compare_records", table=raw)
        self._compare_also = [
            _compare_rows(each, f"chunk_{each.into}", raw) for each in mapping.also
        ]
        self._compare_own = _compare_rows(mapping, "chunk", raw)
        self._compare_links = [
            _compare_links(mapping.into, link.parent, raw) for link in mapping.links
        ]

    def compare(self, job: Job, entries: Sequence[Entry]) -> list[Difference]:
        """How these records differ from what the warehouse holds; in a transaction."""
        prefer_indexes(self._conn)
        self._found = []
        self._merge(job, self._kept(entries))
        # The same transaction may compare or merge once more.
        self._conn.execute(sql.SQL("TRUNCATE {}").format(self._temporary))
        return self._found

    def _kept(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the entries of which anything may be stored."""
        ids = [entry.source_id for entry in entries if entry.source_id is not None]
        erased = self._conn.execute(query("find_erased"), {**self._names, "ids": ids})
        forgotten = {source_id for (source_id,) in erased.fetchall()}
        system = self._names["source_system"]
        forgotten |= of_erased(self._conn, system, self._entity, entries)
        return [entry for entry in entries if entry.source_id not in forgotten]

    def write(
        self,
        job: Job,
        chunk: Chunk,
        checkpoint: dict[str, Any] | None,
        gone: Gone | None = None,
        part: WindowPart | None = None,
        merged: dict[str, str] | None = None,
        forced: Collection[str] = (),
    ) -> Job:
        """Compare the chunk, note who seems to differ, and move the job on.

        A record that came before is not compared again: it changes while the list is
        read. Who seems to differ counts as processed only when it was judged.

        Raises:
            FencedError: A successor owns the job.
        """
        del gone, merged, forced
        with self._conn.transaction():
            entries = [entry for entry in chunk if not entry.repeated]
            found = self.compare(job, entries)
            settled = [d for d in found if d.source_id is None or d.reason in _SETTLED]
            suspects = {d.source_id for d in found if d not in settled} - {None}
            suspected = [
                of_id(each, "suspect") for each in sorted(filter(None, suspects))
            ]
            self.note(job, [*settled, *suspected])
            self._conn.execute(
                query("save_ids"),
                {"job_id": job.id, "chunk": job.chunks, "ids": chunk.new_keys},
            )
            if part is not None:
                save_part(self._conn, job, chunk, part)
            self.count(job, in_source=len(chunk.new_keys), compared=len(entries))
            failed = [e for e in entries if e.row.reject is not None]
            return self.move(
                job,
                checkpoint,
                received=chunk.received,
                processed=len(chunk.new_keys) - len(suspected),
                failed=sum(entry.source_id not in suspects for entry in failed),
                requests=chunk.requests,
                retries=chunk.retries,
            )

    def note(self, job: Job, found: Iterable[Difference]) -> None:
        """Write differences down; part of a transaction that moves the job on."""
        values = {"job_id": job.id, "found": Jsonb([each.as_json() for each in found])}
        self._conn.execute(query("note_differences"), values)

    def count(
        self, job: Job, *, in_source: int = 0, compared: int = 0, asked_again: int = 0
    ) -> None:
        """Add to what was compared; likewise."""
        values = {
            "job_id": job.id,
            "in_source": in_source,
            "compared": compared,
            "asked_again": asked_again,
        }
        self._conn.execute(query("count_compared"), values)

    def move(
        self,
        job: Job,
        checkpoint: dict[str, Any] | None,
        *,
        received: int = 0,
        processed: int = 0,
        failed: int = 0,
        requests: int = 0,
        retries: int = 0,
    ) -> Job:
        """Move the job on by records of which none was written.

        Raises:
            FencedError: A successor owns the job.
        """
        nothing = dict.fromkeys(
            ("created", "updated", "deleted", "told_gone", "new_rejects"), 0
        )
        return jobs.change(
            self._conn,
            "save_chunk",
            job,
            checkpoint=Jsonb(checkpoint) if checkpoint is not None else None,
            received=received,
            repeated=received - processed,
            processed=processed,
            unchanged=processed - failed,
            failed=failed,
            warnings=0,
            requests=requests,
            retries=retries,
            last_version=None,
            **nothing,
        )

    def _merge_once(self, job: Job, entries: Sequence[Entry]) -> Counts:  # noqa: ARG002
        """Compare instead: who calls halves what PostgreSQL refuses."""
        stored = [e for e in entries if e.source_id is not None and not e.is_refused]
        gone = [entry.source_id for entry in stored if entry.is_gone]
        names = {**self._names, "gone": gone}
        found: list[tuple[str, str, list[str]]] = []
        with self._conn.cursor() as cursor:
            for index, merge in enumerate(self._also):
                made = ((e, e.row.also[index]) for e in stored if e.row.also)
                merge.copy(cursor, made, with_payload=False)
            own = ((entry, entry.row) for entry in stored)
            self._rows.copy(cursor, own, with_payload=False)
            for statement in (self._compare_records, *self._compare_also):
                found += cursor.execute(statement, names).fetchall()
            found += cursor.execute(self._compare_own, self._names).fetchall()
            for statement in self._compare_links:
                found += cursor.execute(statement, self._names).fetchall()
            others = [e for e in entries if e.source_id is None or e.is_refused]
            self._found += _merged(found) + self._rejects(cursor, others)
        return Counts()

    def _rejects(
        self, cursor: psycopg.Cursor[Any], entries: Sequence[Entry]
    ) -> list[Difference]:
        """Records that raw cannot hold: in the quarantine, or nowhere."""
        if not entries:
            return []
        values = {**self._names, "fingerprints": [e.fingerprint for e in entries]}
        rows = cursor.execute(query("find_open_rejects"), values).fetchall()
        known = {fingerprint for (fingerprint,) in rows}
        return [
            Difference(
                entry.fingerprint,
                entry.source_id,
                "quarantined" if entry.fingerprint in known else "missing_here",
                [],
            )
            for entry in entries
        ]


def differing_names(before: Any, after: Any) -> list[str]:
    """Names of the fields that differ between two payloads, two levels deep.

    Names are the source's own words for its fields; values are never told.
    """
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    names = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            inner = sorted(one.keys() | other.keys())
            names += [
                f"{name}.{key}" for key in inner if one.get(key) != other.get(key)
            ]
        elif one != other or (name in before) != (name in after):
            names.append(name)
    return names


def _merged(found: Iterable[tuple[str, str, list[str]]]) -> list[Difference]:
    """One difference for each record and reason, with the fields of all its rows."""
    fields: dict[tuple[str, str], list[str]] = {}
    for source_id, reason, names in found:
        fields.setdefault((source_id, reason), []).extend(names)
    return [
        Difference(f"id:{source_id}", source_id, reason, names)
        for (source_id, reason), names in fields.items()
    ]


def _compare_rows(
    mapping: Mapping, chunk_table: str, raw_table: sql.Identifier
) -> sql.Composed:
    joins, values = survivors(mapping)
    differing = [
        sql.SQL("CASE WHEN w.{} IS DISTINCT FROM {} THEN {} END, ").format(
            sql.Identifier(name),
            values[name],
            sql.Literal(f"{mapping.into}.{name}"),
        )
        for name in mapping.columns
        if name not in mapping.kept
    ]
    return query(
        "compare_rows",
        table=sql.Identifier(mapping.into),
        chunk=sql.Identifier(chunk_table),
        raw_table=raw_table,
        survivors=joins,
        differing=sql.Composed(differing),
    )


def _compare_links(
    children: str, parents: str, raw_table: sql.Identifier
) -> sql.Composed:
    table = LINK_TABLES[children, parents]
    return query(
        "compare_links",
        table=sql.Identifier(table.name),
        children=sql.Identifier(children),
        raw_table=raw_table,
        child_source_id=sql.Identifier(f"{table.child}_source_id"),
        parent_source_id=sql.Identifier(f"{table.parent}_source_id"),
        parents=sql.Literal(parents),
        listed=sql.Identifier(link_column(parents)),
    )
