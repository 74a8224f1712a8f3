"""Find what no list shows as changed: associations, and what was archived or restored.

HubSpot moves no record's time of change when it is associated with another, archived or
restored. So the associations of all live records are asked for, a hundred records a
request and no property; and the archive is walked, which is short.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from psycopg import sql

from crm_warehouse.clients.interface import (
    ArchiveReader,
    AssociationReader,
    SourceClient,
)
from crm_warehouse.engine import jobs
from crm_warehouse.engine.comparison import Comparer, of_id
from crm_warehouse.engine.guards import Guards
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity

T = TypeVar("T")

#: Records of one transaction: ten requests of a hundred.
_BATCH = 1_000
#: What was archived longer ago cannot be restored; HubSpot says 90 days, and clocks
#: differ.
_RESTORABLE = timedelta(days=91)

#: Id -> kind of record -> ``{"results": [...]}``, as a payload has them.
_Associations = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Sweep:
    """One job's sweep. ``job`` always is the row as last committed.

    ``guards`` is None where differences are only listed.
    """

    conn: Connection
    job: Job
    entity: Entity
    client: SourceClient
    comparer: Comparer
    guards: Guards | None
    stop: threading.Event
    progress: Callable[[Job], None]

    #: Where the checkpoint stands when all associations were compared.
    _ARCHIVE: ClassVar[dict[str, Any]] = {"sweep": "archive"}

    def find(self) -> Job:
        """Note as suspect whoever differs.

        Returns:
            The job, every batch committed.

        Raises:
            ConfigurationError: The client cannot read associations.
            GuardError: So much was archived that something else is wrong.
            SourceError: The source cannot be asked.
            WaitError: It may not be asked for long.
        """
        if self.job.checkpoint != self._ARCHIVE:
            if self.entity.associations:
                while self._compare_batch():
                    pass
            self._note([], self._ARCHIVE)
        if isinstance(self.client, ArchiveReader):
            self._compare_archive(self.client)
        return self.job

    def _compare_batch(self) -> bool:
        """Compare the associations of one batch; returns whether there was one."""
        held = self._next_batch()
        if not held:
            return False
        if not isinstance(self.client, AssociationReader):
            raise ConfigurationError(
                f"{self.entity.source}: client reads no associations of"
                f" {self.entity.name}"
            )
        came = self._ask(self._associations(self.client, list(held)))
        changed = [each for each in held if came[each] != self._known(held[each])]
        self._note(changed, {"after": list(held)[-1]}, compared=list(held))
        return True

    def _next_batch(self) -> dict[str, dict[str, Any] | None]:
        values = {
            "source_system": self.job.source_system,
            "after": (self.job.checkpoint or {}).get("after", ""),
            "limit": _BATCH,
        }
        table = sql.Identifier(self.entity.raw_table)
        found = self.conn.execute(query("read_associations", table=table), values)
        return dict(found.fetchall())

    def _known(self, held: dict[str, Any] | None) -> dict[str, Any]:
        """What the raw layer holds, of the kinds that are asked for."""
        return {kind: (held or {}).get(kind) for kind in self.entity.associations}

    def _associations(
        self, client: AssociationReader, ids: list[str]
    ) -> Iterator[_Associations]:
        yield client.read_associations(self.entity, ids)

    def _compare_archive(self, client: ArchiveReader) -> None:
        """Suspect who lives here and is archived there, and the other way round."""
        began = datetime.now(UTC)
        archived = self._ask(self._archive(client))
        values = {
            "source_system": self.job.source_system,
            "entity_type": self.entity.name,
            "unified_table": self.entity.into,
        }
        table = sql.Identifier(self.entity.raw_table)
        unmarked = self._ids(
            query("find_unmarked", table=table),
            {**values, "ids": archived, "asked_at": began},
        )
        if self.guards is not None:
            self.guards.check_absences(len(unmarked), len(unmarked), approved=0)
        tombstones = self._ids(
            query("find_tombstones", table=table),
            {**values, "archived": archived, "since": began - _RESTORABLE},
        )
        self._note([*unmarked, *tombstones], self._ARCHIVE)

    def _archive(self, client: ArchiveReader) -> Iterator[list[str]]:
        yield [each for page in client.iter_archived(self.entity) for each in page]

    def _ids(self, statement: sql.Composed, values: dict[str, Any]) -> list[str]:
        return [each for (each,) in self.conn.execute(statement, values).fetchall()]

    def _note(
        self,
        suspects: list[str],
        checkpoint: dict[str, Any],
        compared: list[str] | None = None,
    ) -> None:
        """Write suspects down, and move the job on."""
        ids = compared or []
        with self.conn.transaction():
            found = [of_id(each, "suspect") for each in suspects]
            self.comparer.note(self.job, found)
            keys = {"job_id": self.job.id, "chunk": self.job.chunks, "ids": ids}
            self.conn.execute(query("save_ids"), keys)
            self.comparer.count(self.job, compared=len(ids))
            job = self.comparer.move(
                self.job,
                checkpoint,
                received=len(ids),
                processed=len(ids) - len(suspects) if ids else 0,
            )
        self.job = job
        self.progress(job)

    def _ask(self, answer: Iterator[T]) -> T:
        """The one answer, asked for in a thread; the job goes on saying it lives."""
        answers = ReadAhead(answer, self.stop)
        try:
            while True:
                jobs.beat(self.conn, self.job)
                try:
                    found = answers.next(HEARTBEAT_SECONDS)
                except TimeoutError:
                    continue
                assert found is not None  # noqa: S101  the iterator yields once
                return found
        except BaseException:
            self.stop.set()
            raise
        finally:
            answers.join()
