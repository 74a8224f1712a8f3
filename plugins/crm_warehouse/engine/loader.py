"""Write one chunk: rows, rejects, checkpoint and counters in a single transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.engine import jobs
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk, Entry, refuse
from crm_warehouse.engine.deletions import mark_deleted
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.known_keys import KeyMerge
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.row_merge import LinkMerge, RowMerge, Written
from crm_warehouse.engine.share import hold_rows, prefer_indexes, share_links
from crm_warehouse.engine.states import States, held_tables
from crm_warehouse.engine.windows import WindowPart, save_part
from crm_warehouse.spec import Entity

#: What one odd record can make PostgreSQL refuse; such a record is found by halving.
_REFUSALS = (
    psycopg.errors.DataError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.IntegrityError,
)
_COPY_ERRORS = sql.SQL(
    "COPY chunk_errors (source_id, fingerprint, severity, error_type, error_message,"
    " field, record_data, rule, page, observed_at) FROM STDIN"
)


@dataclass(slots=True)
class Counts:
    """What a merge of entries wrote."""

    created: int = 0
    updated: int = 0
    new_rejects: int = 0
    gone: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Counts") -> "Counts":
        self.created += other.created
        self.updated += other.updated
        self.new_rejects += other.new_rejects
        self.gone += other.gone
        return self


class Loader:
    """Merges chunks of one entity.

    Args:
        conn: Connection in autocommit mode that holds the job's lock.
        entity: What is loaded.
        mapping: Its compiled mapping.
        source_system: Instance name that the rows carry.
        with_raw: False for a replay, which reads the raw layer instead.
    """

    def __init__(
        self,
        conn: Connection,
        entity: Entity,
        mapping: Mapping,
        source_system: str,
        *,
        with_raw: bool,
    ) -> None:
        self._conn = conn
        self._entity = entity
        self._with_raw = with_raw
        self._names = {"source_system": source_system, "entity_type": entity.name}
        self._tried_with = mapping.digest
        self._states = States(conn, entity, source_system)
        self._lost: set[str] = set()
        self._gone: list[str] = []
        self._forced: list[str] = []
        self._merge_raw = query("merge_raw", table=sql.Identifier(entity.raw_table))
        self._find_gone = query("find_gone", table=sql.Identifier(entity.raw_table))
        self._resolve_errors = query(
            "resolve_errors", current=_is_current(entity, with_raw=with_raw)
        )
        several = bool(mapping.also or mapping.links)
        raw = entity.raw_table
        self._also = [
            RowMerge(each, f"chunk_{each.into}", raw, tell_ids=True)
            for each in mapping.also
        ]
        # A replay also ends what records said in places that the mapping forgot.
        self._keys = (
            KeyMerge(raw, mapping.kept_kinds, with_raw=with_raw)
            if entity.known_keys or not with_raw
            else None
        )
        self._rows = RowMerge(
            mapping, "chunk", raw, tell_ids=several, with_keys=self._keys is not None
        )
        self._links = [LinkMerge(entity.into, link.parent) for link in mapping.links]
        self._make_tables()

    def _make_tables(self) -> None:
        merges = [*self._also, self._rows]
        names = [sql.Identifier("pg_temp", merge.chunk_table) for merge in merges]
        names.append(sql.Identifier("pg_temp", "chunk_errors"))
        self._temporary = sql.SQL(", ").join(names)
        self._conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._temporary))
        for merge in merges:
            self._conn.execute(merge.create_chunk())
        self._conn.execute(query("create_chunk_errors"))

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
        """Merge the chunk and move the job on, or leave everything as it was.

        Args:
            job: The job as last committed.
            chunk: Its records.
            checkpoint: Where the reading stands behind them.
            gone: Records that the source said do not exist.
            part: How much of the job's window the records are, if they are of it.
            merged: Records that the source answers others for, and which.
            forced: Records whose rows are written whatever they say of themselves.

        Returns:
            The job after the chunk.

        Raises:
            FencedError: A successor owns the job.
        """
        with self._conn.transaction():
            hold_rows(self._conn, **self._names)
            told = merged or {}
            erased = self._states.drop_erased(job, chunk, told)
            redirects, self._lost = self._states.find(chunk, told)
            self._gone = [e.source_id or "" for e in chunk if e.is_gone]
            held = held_tables(self._entity) if redirects else ()
            share_links(self._conn, self._entity, held)
            prefer_indexes(self._conn)
            self._forced = list(forced)
            counts = self._merge(job, list(chunk))
            deleted = erased + self._states.settle(job, redirects, self._lost, chunk)
            told_gone = self._states.bury_gone(job, counts.gone, chunk)
            if gone:
                deleted += mark_deleted(self._conn, job, self._entity, gone)
            self._conn.execute(
                query("save_ids"),
                {
                    "job_id": job.id,
                    "chunk": job.chunks,
                    "ids": [*chunk.noted_keys, *chunk.new_keys],
                },
            )
            if part is not None:
                save_part(self._conn, job, chunk, part)
            processed = len(chunk.new_keys)
            failed = chunk.failed
            return jobs.change(
                self._conn,
                "save_chunk",
                job,
                checkpoint=Jsonb(checkpoint) if checkpoint is not None else None,
                received=chunk.received,
                repeated=chunk.received - processed,
                processed=processed,
                created=counts.created,
                updated=counts.updated,
                unchanged=processed
                - failed
                - counts.created
                - counts.updated
                - told_gone,
                deleted=deleted,
                told_gone=told_gone,
                failed=failed,
                new_rejects=counts.new_rejects,
                warnings=chunk.warnings,
                requests=chunk.requests,
                retries=chunk.retries,
                last_version=chunk.last_version,
            )

    def _merge(self, job: Job, entries: Sequence[Entry]) -> Counts:
        """Merge; an entry that PostgreSQL refuses is found by halving and rejected."""
        try:
            with self._conn.transaction():
                return self._merge_once(job, entries)
        except _REFUSALS as error:
            if len(entries) == 1:
                refuse(entries[0], f"PostgreSQL refuses it: {type(error).__name__}")
                return self._merge_once(job, entries)
        counts = Counts()
        half = len(entries) // 2
        for part in (entries[:half], entries[half:]):
            counts += self._merge(job, part)
            self._conn.execute(sql.SQL("TRUNCATE {}").format(self._temporary))
        return counts

    def _merge_once(self, job: Job, entries: Sequence[Entry]) -> Counts:
        values = {
            **self._names,
            "job_id": job.id,
            "tried_with": self._tried_with,
            "replay": not self._with_raw,
            "lost": [*self._lost, *self._gone],
            "forced": self._forced,
            "stored": job.job_type in ("replay", "reprocess"),
        }
        counts = Counts()
        stored = [e for e in entries if e.source_id is not None and not e.is_refused]
        with self._conn.cursor() as cursor:
            self._rows.copy(
                cursor,
                ((entry, entry.row) for entry in stored),
                with_payload=self._with_raw,
            )
            if self._with_raw:
                cursor.execute(self._merge_raw, values)
            if self._keys is not None:
                self._keys.merge(cursor, values)
            if self._gone:
                cursor.execute(self._find_gone, {**values, "ids": self._gone})
                counts.gone = [source_id for (source_id,) in cursor.fetchall()]
            written = self._merge_rows(cursor, stored, values)
            counts.created, counts.updated = written.created, written.updated
            if self._copy_errors(cursor, entries):
                row = cursor.execute(query("merge_errors"), values).fetchone()
                assert row is not None  # noqa: S101  an aggregate returns one row
                counts.new_rejects = row[0]
            cursor.execute(self._resolve_errors, values)
        return counts

    def _merge_rows(
        self,
        cursor: psycopg.Cursor[Any],
        entries: Sequence[Entry],
        values: dict[str, Any],
    ) -> Written:
        """Merge all rows that the entries make, parents first."""
        repeated = [entry.source_id for entry in entries if entry.repeated]
        values = {**values, "repeated": repeated}
        besides: set[str] = set()
        for index, merge in enumerate(self._also):
            made = ((e, e.row.also[index]) for e in entries if e.row.also)
            merge.copy(cursor, made, with_payload=False)
            besides.update(merge.merge(cursor, values).ids)
        written = self._rows.merge(cursor, values)
        for links in self._links:
            links.merge(cursor, {**values, "written": written.ids})
        # A record whose main row stayed while another row of it moved was updated.
        moved = besides.difference(written.ids, repeated)
        return written._replace(updated=written.updated + len(moved))

    def _copy_errors(
        self, cursor: psycopg.Cursor[Any], entries: Sequence[Entry]
    ) -> bool:
        rows = [row for entry in entries for row in _error_rows(entry)]
        if rows:
            with cursor.copy(_COPY_ERRORS) as copy:
                for row in rows:
                    copy.write_row(row)
        return bool(rows)


def _is_current(entity: Entity, *, with_raw: bool) -> sql.Composable:
    if not with_raw:
        # What is replayed is what raw holds. What PostgreSQL refused, it does not.
        return sql.SQL("s.error_type <> 'refused_by_warehouse'")
    return sql.SQL(
        "EXISTS (SELECT FROM raw.{table} AS r WHERE r.source_id = c.source_id"
        " AND r.source_system = %(source_system)s AND r.payload_hash = c.payload_hash)"
    ).format(table=sql.Identifier(entity.raw_table))


def _error_rows(entry: Entry) -> list[tuple[str | None, ...]]:
    """What ``chunk_errors`` takes of an entry: its reject, or its warnings."""
    reject = entry.row.reject
    if reject is not None:
        exact = entry.payload.exact
        data = entry.payload.text if exact is None else exact.decode()
        return [_error_row(entry, "error", reject, data)]
    by_kind = {(w.error_type, w.field): w for w in entry.row.warnings}
    by_field = {w.field: w for w in by_kind.values()}
    return [_error_row(entry, "warning", w, None) for w in by_field.values()]


def _error_row(
    entry: Entry, severity: str, problem: Problem, data: str | None
) -> tuple[str | None, ...]:
    return (
        entry.source_id,
        entry.fingerprint,
        severity,
        problem.error_type,
        problem.message,
        problem.field,
        data,
        problem.rule,
        entry.page,
        entry.observed_at,
    )
