"""Map the raw layer anew, without one request: for a changed mapping."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import CHUNK_BYTES, CHUNK_RECORDS
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.spec import Entity


@dataclass(slots=True)
class Replayer:
    """One job's replay. ``job`` always is the row as last committed."""

    conn: Connection
    job: Job
    entity: Entity
    loader: Loader
    mapping: Mapping
    seen: SeenIds
    progress: Callable[[Job], None]

    def replay(self) -> Job:
        """Read raw from the checkpoint to its end, in order of source id."""
        while self._replay_batch():
            self.progress(self.job)
        return self.job

    def _replay_batch(self) -> bool:
        """Map one batch, held from the reading on: a webhook could renew it between.

        Returns:
            Whether there was one.
        """
        with self.conn.transaction():
            hold_rows(
                self.conn,
                source_system=self.job.source_system,
                entity_type=self.job.entity_type,
            )
            records = self._next_records()
            if not records:
                return False
            chunk = Chunk(self.mapping, self.seen)
            for stored in records:
                chunk.add_stored(stored)
            checkpoint = {"after": records[-1]["source_id"]}
            self.job = self.loader.write(self.job, chunk, checkpoint)
        return True

    def _next_records(self) -> list[dict[str, Any]]:
        statement = query("read_raw", table=sql.Identifier(self.entity.raw_table))
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                statement,
                {
                    "source_system": self.job.source_system,
                    "after": (self.job.checkpoint or {}).get("after", ""),
                    "limit": CHUNK_RECORDS,
                    "max_bytes": CHUNK_BYTES,
                },
            ).fetchall()
