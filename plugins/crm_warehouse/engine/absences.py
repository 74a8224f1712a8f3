"""Which records a full load missed, and which of those are really gone.

A list that is paged while it changes can miss a live record. So an absence counts only
once the source confirms it by id, or a second full load misses the record too.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from psycopg import sql

from crm_warehouse.clients.interface import ArchiveReader, SourceClient
from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk
from crm_warehouse.engine.guards import FULL_GUARDS, Guards
from crm_warehouse.engine.job_gate import JobGate
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead
from crm_warehouse.errors import RequestRefusedError, WaitError
from crm_warehouse.spec import Entity

#: Absences confirmed by id in one job; more wait for the second load, because each
#: costs a request.
_CONFIRMED_BY_ID = 200

_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)


class Gone(NamedTuple):
    """Records that the source does not have any more.

    Attributes:
        source_ids: Their ids.
        asked_at: When that was known of all of them at the earliest; what was
            observed later lives.
        archived_at: When the source says that it archived them, where it says so.
    """

    source_ids: list[str]
    asked_at: datetime
    archived_at: Mapping[str, datetime] = {}


@dataclass(slots=True)
class Absences:
    """What a full load did not see.

    Attributes:
        gone: Ids to mark as deleted.
        doubtful: Ids to remember: the next full load decides.
        archived: When the source archived those of the gone that it did archive.
    """

    gone: list[str]
    doubtful: list[str]
    archived: dict[str, datetime] = field(default_factory=dict)


class _Asked(NamedTuple):
    """What the source said of one id.

    Attributes:
        source_id: The id.
        asked_at: When it was asked.
        record: The record, or None: there is none.
        refused: The source would not answer for this id.
    """

    source_id: str
    asked_at: datetime
    record: dict[str, Any] | None
    refused: bool = False


@dataclass(slots=True)
class AbsenceCheck:
    """Finds and confirms the absences of one full load.

    ``by_index``: it found its records by an index. What that does not show, it may
    never show, so that a second load which misses a record proves nothing either.
    """

    conn: Connection
    job: Job
    entity: Entity
    client: SourceClient
    gate: JobGate
    stop: threading.Event
    guards: Guards
    by_index: bool = False

    def find(self, found_alive: Chunk) -> Absences:
        """Decide each absence.

        Args:
            found_alive: Receives records that answered by id although the list
                missed them.

        Raises:
            GuardError: So many records are missing that something else is wrong.
        """
        found = self._missing()
        if not found:
            return Absences([], [])
        self.guards.check_absences(
            len(found),
            self.job.records_received,
            approved=sum(approved for _, _, approved in found),
        )
        missing = {source_id: before for source_id, before, _ in found}
        result = Absences([], [])
        for source_id, moment in self._archived(missing).items():
            del missing[source_id]
            result.gone.append(source_id)
            result.archived[source_id] = moment
        for answer in self._ask(list(missing)[:_CONFIRMED_BY_ID]):
            if answer.refused:
                continue
            del missing[answer.source_id]
            if answer.record is None:
                result.gone.append(answer.source_id)
            else:
                found_alive.add(answer.record, answer.asked_at)
        for source_id, absent_before in missing.items():
            is_proof = absent_before and not self.by_index
            (result.gone if is_proof else result.doubtful).append(source_id)
        if result.doubtful:
            _log.info(
                "job %d: %d more records are missing; the next full load decides",
                *(self.job.id, len(result.doubtful)),
            )
        return result

    def _missing(self) -> list[tuple[str, bool, bool]]:
        statement = query("find_absent", table=sql.Identifier(self.entity.raw_table))
        values = {
            "source_system": self.job.source_system,
            "entity_type": self.job.entity_type,
            "guards": list(FULL_GUARDS),
            "began": self.job.looked_at,
            "job_id": self.job.id,
        }
        return self.conn.execute(statement, values).fetchall()

    def _archived(self, missing: Collection[str]) -> dict[str, datetime]:
        """Those of the missing that the source has in its archive, with its times."""
        if not isinstance(self.client, ArchiveReader):
            return {}
        found: dict[str, datetime] = {}
        pages = ReadAhead(self.client.iter_archived(self.entity), self.stop)
        try:
            while (page := self._next(pages)) is not None:
                found |= {each: page[each] for each in page.keys() & missing}
        except WaitError:
            self.gate.do_without()  # what is found is certain; the rest is asked for
        except BaseException:
            self.stop.set()
            raise
        finally:
            pages.join()
        return found

    def _ask(self, source_ids: list[str]) -> Iterator[_Asked]:
        """Ask for each id, in a thread: the job goes on saying that it lives."""
        if self.entity.deletes.confirm_path is None:
            return
        known = self.conn.execute(
            query("find_seen_id"), {"job_id": self.job.id}
        ).fetchone()
        if known is None:
            return
        answers = ReadAhead(self._answers(known[0], source_ids), self.stop)
        try:
            while (answer := self._next(answers)) is not None:
                yield answer
        except WaitError:
            # A job that waited here would begin again with the first id, and where
            # quota is short never come to the last. The next full load knows the rest.
            self.gate.do_without()
        except BaseException:
            self.stop.set()
            raise
        finally:
            answers.join()

    def _next(self, answers: ReadAhead[_Answer]) -> _Answer | None:
        while True:
            jobs.beat(self.conn, self.job)
            try:
                return answers.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                continue

    def _answers(self, known: str, source_ids: list[str]) -> Iterator[_Asked]:
        """Answers, unless the source does not even know an id that it just listed.

        A source without such an endpoint answers 404 to every id, which would
        confirm every absence.
        """
        if self._fetch(known).record is None:
            return
        for source_id in source_ids:
            yield self._fetch(source_id)

    def _fetch(self, source_id: str) -> _Asked:
        asked_at = self.gate.now()
        try:
            record = self.client.fetch(self.entity, source_id)
        except RequestRefusedError:
            return _Asked(source_id, asked_at, None, refused=True)
        return _Asked(source_id, asked_at, record)
