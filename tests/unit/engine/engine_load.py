"""One job and its chunks, as the engine drives them, without a source."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from crm_warehouse.engine import jobs
from crm_warehouse.engine.absences import Absences
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.finish import finish
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.rule_store import job_mapping
from crm_warehouse.source_files import as_json
from crm_warehouse.spec import Entity, Source

__all__ = ["NOON", "Begin", "Connection", "Load", "at", "connect", "rows"]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def connect(conninfo: str) -> Connection:
    """A session as the engine opens it: compiling statements takes longer than they."""
    return psycopg.connect(conninfo, autocommit=True, options="-c jit=off")


class Load:
    """A job of one entity: chunk after chunk, then its last transaction."""

    def __init__(
        self,
        conn: Connection,
        source: Source,
        entity: Entity,
        *,
        mode: str = "full",
        with_raw: bool = True,
    ) -> None:
        self.conn = conn
        self.entity = entity
        self.seen = SeenIds()
        request = SyncRequest(
            source, entity, source_system=source.name, mode=mode, restart=True
        )
        self.job: Job = jobs.claim(
            conn,
            request,
            arguments={},
            window_start=None,
            spec=as_json(source, entity),
        )
        self.mapping = job_mapping(conn, self.job, source, entity)
        self.loader = Loader(conn, entity, self.mapping, source.name, with_raw=with_raw)

    def chunk(self, records: Iterable[Any], observed: datetime = NOON) -> Chunk:
        chunk = Chunk(self.mapping, self.seen)
        for record in records:
            chunk.add(record, observed)
        return chunk

    def write(self, *records: Any, observed: datetime = NOON) -> Job:
        """Commit the records as one chunk."""
        checkpoint = {"chunk": self.job.chunks}
        self.job = self.loader.write(
            self.job, self.chunk(records, observed), checkpoint
        )
        return self.job

    def replay(self) -> Job:
        """Commit what raw holds as one chunk; the loader is one without raw."""
        statement = query(
            "read_raw", table=psycopg.sql.Identifier(self.entity.raw_table)
        )
        chunk = Chunk(self.mapping, self.seen)
        values = {"source_system": self.job.source_system, "after": ""}
        with self.conn.cursor(row_factory=dict_row) as cursor:
            for stored in cursor.execute(
                statement, {**values, "limit": 1000, "max_bytes": 10**6}
            ):
                chunk.add_stored(stored)
        self.job = self.loader.write(self.job, chunk, {"after": "all"})
        return self.job

    def finish(self, gone: Iterable[str] = ()) -> Job:
        absences = Absences(list(gone), [])
        return finish(self.conn, self.job, self.entity, absences, 0)


Begin = Callable[..., Load]


def rows(conn: Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query that the test writes."""
    return conn.execute(psycopg.sql.SQL(statement), values).fetchall()
