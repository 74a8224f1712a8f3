"""Write one chunk: rows, rejects, checkpoint and counters in a single transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk, Entry, refuse
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import NULL, Mapping
from crm_warehouse.engine.queries import columns, query
from crm_warehouse.spec import Entity
from crm_warehouse.unified import links_of

#: What one odd record can make PostgreSQL refuse; such a record is found by halving.
_REFUSALS = (
    psycopg.errors.DataError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.IntegrityError,
)
_COPY_ERRORS = sql.SQL(
    "COPY chunk_errors (source_id, fingerprint, severity, error_type, error_message,"
    " field, record_data) FROM STDIN"
)


@dataclass(slots=True)
class _Counts:
    created: int = 0
    updated: int = 0
    new_rejects: int = 0

    def __iadd__(self, other: "_Counts") -> "_Counts":
        self.created += other.created
        self.updated += other.updated
        self.new_rejects += other.new_rejects
        return self


class Loader:
    """Merges chunks of one entity.

    Args:
        conn: Connection in autocommit mode that holds the entity's lock.
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
        self._with_raw = with_raw
        self._table = entity.into
        self._names = {"source_system": source_system, "entity_type": entity.name}
        self._empty_row = "\t".join([NULL] * len(mapping.columns))
        self._copy = sql.SQL("COPY chunk FROM STDIN (FORMAT text, NULL {})").format(
            sql.Literal(NULL)
        )
        self._merge_raw = query("merge_raw", table=sql.Identifier(entity.raw_table))
        self._merge_rows = _merge_rows(entity, mapping)
        self._merge_errors = query("merge_errors")
        self._resolve_errors = query("resolve_errors")
        conn.execute("DROP TABLE IF EXISTS pg_temp.chunk, pg_temp.chunk_errors")
        conn.execute(query("create_chunk", mapped=_definitions(mapping)))

    def write(self, job: Job, chunk: Chunk, checkpoint: dict[str, Any] | None) -> Job:
        """Merge the chunk and move the job on, or leave everything as it was.

        Returns:
            The job after the chunk.

        Raises:
            FencedError: A successor owns the job.
        """
        with self._conn.transaction():
            self._conn.execute(query("share_links"), {"table": self._table})
            self._prefer_indexes()
            counts = self._merge(job, list(chunk))
            self._conn.execute(
                query("save_ids"),
                {"job_id": job.id, "chunk": job.chunks, "ids": chunk.new_keys},
            )
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
                unchanged=processed - failed - counts.created - counts.updated,
                failed=failed,
                new_rejects=counts.new_rejects,
                warnings=chunk.warnings,
                requests=chunk.requests,
                last_version=chunk.last_version,
            )

    def _prefer_indexes(self) -> None:
        # A chunk touches few rows of a table that may be large, empty a moment ago or
        # both: statistics mislead the planner into reading the table once per chunk,
        # or once per record. Index look-ups are right in every case.
        for method in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"):
            self._conn.execute(f"SET LOCAL enable_{method} = off")

    def _merge(self, job: Job, entries: Sequence[Entry]) -> _Counts:
        """Merge; an entry that PostgreSQL refuses is found by halving and rejected."""
        try:
            with self._conn.transaction():
                return self._merge_once(job, entries)
        except _REFUSALS as error:
            if len(entries) == 1:
                refuse(entries[0], f"PostgreSQL refuses it: {type(error).__name__}")
                return self._merge_once(job, entries)
        counts = _Counts()
        half = len(entries) // 2
        for part in (entries[:half], entries[half:]):
            counts += self._merge(job, part)
            self._conn.execute("TRUNCATE pg_temp.chunk, pg_temp.chunk_errors")
        return counts

    def _merge_once(self, job: Job, entries: Sequence[Entry]) -> _Counts:
        values = {**self._names, "job_id": job.id}
        counts = _Counts()
        with self._conn.cursor() as cursor:
            self._copy_entries(cursor, entries)
            if self._with_raw:
                cursor.execute(self._merge_raw, values)
            repeated = [
                entry.source_id
                for entry in entries
                if entry.repeated and entry.source_id is not None
            ]
            row = cursor.execute(
                self._merge_rows,
                {**values, "repeated": repeated, "replay": not self._with_raw},
            ).fetchone()
            assert row is not None  # noqa: S101  an aggregate returns one row
            counts.created, counts.updated = row
            if self._copy_errors(cursor, entries):
                row = cursor.execute(self._merge_errors, values).fetchone()
                assert row is not None  # noqa: S101  an aggregate returns one row
                counts.new_rejects = row[0]
            cursor.execute(self._resolve_errors, values)
        return counts

    def _copy_entries(
        self, cursor: psycopg.Cursor[Any], entries: Sequence[Entry]
    ) -> None:
        lines = [
            entry.copy_line(self._empty_row, with_payload=self._with_raw)
            for entry in entries
            if entry.source_id is not None and not _is_refused(entry)
        ]
        with cursor.copy(self._copy) as copy:
            if lines:
                copy.write("\n".join(lines) + "\n")

    def _copy_errors(
        self, cursor: psycopg.Cursor[Any], entries: Sequence[Entry]
    ) -> bool:
        rows = [row for entry in entries for row in _error_rows(entry)]
        if rows:
            with cursor.copy(_COPY_ERRORS) as copy:
                for row in rows:
                    copy.write_row(row)
        return bool(rows)


def _is_refused(entry: Entry) -> bool:
    problem = entry.row.reject
    return problem is not None and problem.error_type == "refused_by_warehouse"


def _error_rows(entry: Entry) -> list[tuple[str | None, ...]]:
    """What ``chunk_errors`` takes of an entry: its reject, or its warnings."""
    head = (entry.source_id, entry.fingerprint)
    reject = entry.row.reject
    if reject is not None:
        exact = entry.payload.exact
        data = entry.payload.text if exact is None else exact.decode()
        return [(*head, "error", reject.error_type, reject.message, reject.field, data)]
    by_kind = {(w.error_type, w.field): w for w in entry.row.warnings}
    by_field = {w.field: w for w in by_kind.values()}
    return [
        (*head, "warning", w.error_type, w.message, w.field, None)
        for w in by_field.values()
    ]


def _definitions(mapping: Mapping) -> sql.Composed:
    pairs = zip(mapping.columns, mapping.column_types, strict=True)
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in pairs
    )


def _merge_rows(entity: Entity, mapping: Mapping) -> sql.Composed:
    links = [link for link in links_of(entity.into) if link.child in mapping.columns]
    parents = [
        sql.SQL(
            "LEFT JOIN LATERAL (SELECT p.id FROM warehouse.{table} AS p"
            " WHERE p.source_system = %(source_system)s AND p.source_id = c.{child}"
            " LIMIT 1) AS {alias} ON true"
        ).format(
            table=sql.Identifier(link.parent),
            alias=sql.Identifier(f"parent_{link.column}"),
            child=sql.Identifier(link.child),
        )
        for link in links
    ]
    parent_ids = [
        sql.SQL("{}.id, ").format(sql.Identifier(f"parent_{link.column}"))
        for link in links
    ]
    written = mapping.columns + [link.column for link in links]
    return query(
        "merge_rows",
        table=sql.Identifier(entity.into),
        columns=columns(mapping.columns),
        chunk_columns=columns(mapping.columns, prefix="c"),
        links=columns([link.column for link in links]),
        parent_ids=sql.Composed(parent_ids),
        parents=sql.SQL(" ").join(parents),
        assignments=sql.Composed(
            [
                sql.SQL("{0} = excluded.{0}, ").format(sql.Identifier(name))
                for name in written
            ]
        ),
    )
