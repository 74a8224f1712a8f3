"""What every job's process does around its work: progress, waiting, failing."""

import contextlib
import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.engine import jobs
from crm_warehouse.engine.breaker import Breaker
from crm_warehouse.engine.chunk import SeenIds
from crm_warehouse.engine.gate import Patience, QuotaGate
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.job_gate import JobGate
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import FencedError, WaitError
from crm_warehouse.spec import Source

#: Called when the job is claimed and after each committed chunk, with its counters.
Progress = Callable[[SyncResult], None]

_IDS_AT_ONCE = 10_000
#: Objects made since the last look after which Python looks for unused ones again.
_NEW_OBJECTS = 50_000


class JobRun(ABC):
    """One process's work on one job.

    Args:
        conn: Connection in autocommit mode that holds the job's lock.
        job: The job, claimed.
        progress: Told of every step.

    Attributes:
        job: The job's row as last committed.
        tally: What its requests came to, counted in its row or not yet.
    """

    def __init__(self, conn: Connection, job: Job, progress: Progress | None) -> None:
        self._conn = conn
        self._progress = progress
        self.job = job
        self.tally = job.tally()

    @abstractmethod
    def work(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> Job:
        """Do the job to its end."""

    def execute(
        self, conninfo: str, open_client: ClientFactory, patience: Patience
    ) -> SyncResult:
        """Work, and record whatever becomes of it.

        Raises:
            CrmWarehouseError: The job failed.
        """
        try:
            self.note(self.job)
            with _rare_collections():
                self.job = self.work(conninfo, open_client, patience)
        except WaitError as wait:
            self.job = jobs.park(
                self._conn,
                self.job,
                wait.resume_at,
                wait.reason,
                self.tally,
            )
        except FencedError:
            raise
        except Exception as error:
            self._fail(error)
            raise
        return self.job.result()

    def note(self, job: Job) -> None:
        """Take over the job's new row, and tell of it."""
        if job.chunks > self.job.chunks:
            self.tally.progressed()
        self.job = job
        if self._progress is not None:
            # Where the process that read our log was killed, nobody is at its other
            # end; the load goes on until its successor cuts it off.
            with contextlib.suppress(OSError):
                self._progress(job.result())

    def open_gate(self, quota: QuotaGate, source: Source) -> JobGate:
        """The gate of this job around its quota."""
        job = self.job
        breaker = Breaker(quota.conn, source, job.source_system, job.entity_type)
        return JobGate(quota, breaker, self.tally)

    def _fail(self, error: Exception) -> None:
        """Record the failure, unless the warehouse cannot be written to just now.

        The job then stays ``running`` and its lock free: the next sync resumes it.
        """
        if self._conn.closed:
            return
        jobs.stop(self._conn, self.job, error, self.tally)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look less often for objects that hold each other.

    Records hold none, and a chunk has so many objects that looking costs a tenth of a
    load.
    """
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def load_seen(
    conn: Connection, job: Job, kind: Callable[[Iterable[str]], SeenIds] = SeenIds
) -> SeenIds:
    """What earlier attempts of the job have seen; fetched piece by piece."""
    with conn.transaction(), conn.cursor("seen_ids") as cursor:
        cursor.itersize = _IDS_AT_ONCE
        cursor.execute(query("load_ids"), {"job_id": job.id})
        return kind(key for (key,) in cursor)
