"""Which records a full load missed, and which of those are really gone.

A list that is paged while it changes can miss a live record. So an absence counts only
once the source confirms it by id, or a second full load misses the record too.
"""

from dataclasses import dataclass

from psycopg import sql

from crm_warehouse.clients.interface import Gate, SourceClient
from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import GuardError, RequestRefusedError
from crm_warehouse.spec import Entity

#: Absences confirmed by id in one job; more wait for the second load, because each
#: costs a request.
_CONFIRMED_BY_ID = 200
#: So few absences are never a mass delete, however small the table.
_ALWAYS_ALLOWED = 10


@dataclass(slots=True)
class Absences:
    """What a full load did not see.

    Attributes:
        gone: Ids to mark as deleted.
        doubtful: Ids to remember: the next full load decides.
    """

    gone: list[str]
    doubtful: list[str]


@dataclass(slots=True)
class AbsenceCheck:
    """Finds and confirms the absences of one full load.

    Attributes:
        requests: Requests spent on confirmations.
    """

    conn: Connection
    job: Job
    entity: Entity
    client: SourceClient
    gate: Gate
    max_share: float
    requests: int = 0

    def find(self, found_alive: Chunk) -> Absences:
        """Decide each absence.

        Args:
            found_alive: Receives records that answered by id although the list
                missed them.

        Raises:
            GuardError: So many records are missing that something else is wrong.
        """
        missing = self._missing()
        if not missing:
            return Absences([], [])
        self._guard(len(missing))
        result = Absences([], [])
        by_id = self._answers_by_id()
        for index, (source_id, absent_before) in enumerate(missing):
            if by_id and index < _CONFIRMED_BY_ID:
                if self._is_alive(source_id, found_alive):
                    continue
                result.gone.append(source_id)
            elif absent_before:
                result.gone.append(source_id)
            else:
                result.doubtful.append(source_id)
        return result

    def _missing(self) -> list[tuple[str, bool]]:
        statement = query("find_absent", table=sql.Identifier(self.entity.raw_table))
        values = {
            "source_system": self.job.source_system,
            "began": self.job.started_at,
            "job_id": self.job.id,
        }
        return self.conn.execute(statement, values).fetchall()

    def _guard(self, missing: int) -> None:
        statement = query("count_live", table=sql.Identifier(self.entity.raw_table))
        row = self.conn.execute(
            statement, {"source_system": self.job.source_system}
        ).fetchone()
        live = row[0] if row else 0
        allowed = max(_ALWAYS_ALLOWED, self.max_share * live)
        if missing <= allowed and self.job.records_received:
            return
        raise GuardError(
            f"{self.entity.path}: the source did not return {missing} of {live} live"
            f" records, more than max_delete_share {self.max_share} allows; nothing"
            " was deleted. If they are really gone, raise max_delete_share for this"
            " entity in ops.sync_configurations and run the full load again"
        )

    def _answers_by_id(self) -> bool:
        """Whether the source knows a record by id that its list just returned.

        A source without such an endpoint answers 404 to every id, which would
        confirm every absence.
        """
        if self.entity.deletes.confirm_path is None:
            return False
        row = self.conn.execute(
            query("find_seen_id"), {"job_id": self.job.id}
        ).fetchone()
        if row is None:
            return False
        try:
            return self._fetch(row[0]) is not None
        except RequestRefusedError:
            return False

    def _is_alive(self, source_id: str, found_alive: Chunk) -> bool:
        asked_at = self.gate.now()
        record = self._fetch(source_id)
        if record is None:
            return False
        found_alive.add(record, asked_at)
        return True

    def _fetch(self, source_id: str) -> dict[str, object] | None:
        jobs.beat(self.conn, self.job)
        self.requests += 1
        return self.client.fetch(self.entity, source_id)
