"""Read a job's window page by page into committed chunks."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from crm_warehouse.clients.interface import Page, SourceClient, Window
from crm_warehouse.clients.tally import Tally
from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk, Entry, SeenIds, entry_of, place_of
from crm_warehouse.engine.guards import Guards
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.loader import Loader
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.read_ahead import (
    HEARTBEAT_SECONDS,
    ReadAhead,
    pages_ahead,
)
from crm_warehouse.engine.windows import Ended, WindowPart
from crm_warehouse.errors import IncompleteReadError
from crm_warehouse.spec import Entity

#: A chunk is written when it holds so many records, or so much text, or when its
#: first record has waited so long. With the pages read ahead, a kill costs at most
#: 5,000 records of 100 a page.
CHUNK_RECORDS = 2_500
CHUNK_BYTES = 16_000_000
_CHUNK_SECONDS = 2.0
#: How often a list is read again that ends with fewer records than it announced.
_REREADS = 1

#: A page, and the entries of its records.
Prepared = tuple[Page, list[Entry]]


@dataclass(slots=True)
class Reader:
    """One job's reading. ``job`` always is the row as last committed."""

    conn: Connection
    job: Job
    entity: Entity
    client: SourceClient
    loader: Loader
    mapping: Mapping
    seen: SeenIds
    guards: Guards
    page_size: int
    progress: Callable[[Job], None]
    stop: threading.Event
    tally: Tally
    anonymous_repeats: int = 0
    in_flight: int = 1
    way: Literal["list", "search"] = "list"

    def read(self) -> Job:
        """Read the window from the checkpoint to its end.

        Returns:
            The job, every chunk committed.

        Raises:
            IncompleteReadError: The list keeps ending before all its records came.
            GuardError: What comes looks like harm.
        """
        distinct = 0
        for _ in range(_REREADS + 1):
            self.anonymous_repeats = 0
            announced, came = self._read_list()
            if state := self._ended(announced, came, distinct):
                return jobs.change(self.conn, "end_window", self.job, state=state)
            distinct = len(self.seen)
            self.job = jobs.change(self.conn, "restart_reading", self.job)
        raise IncompleteReadError(
            f"{self.entity.path}: the source announces {announced} records, and"
            f" {len(self.seen)} different ones came in {_REREADS + 1} readings; the"
            " window does not count as read, and the next run begins its list anew"
        )

    def _ended(self, announced: int | None, came: int, known: int) -> Ended | None:
        """How a reading ended that knew so many ids before; None: it came short."""
        if announced is None:
            return "uncounted"
        if self._distinct() >= announced:
            return "complete"
        # The source lists some records twice, also when it is asked again.
        again = came >= announced and len(self.seen) == known
        return "repeated" if again else None

    def _distinct(self) -> int:
        """Records that came, each once; without an id each is one of its own."""
        return len(self.seen) + self.anonymous_repeats

    def _read_list(self) -> tuple[int | None, int]:
        """Read one pass of the list, or the rest of one that was interrupted.

        Returns:
            The total that its last page announced, and the records that came.
        """
        resumed = self.job.checkpoint is not None
        before = 0 if resumed else self.job.records_received
        pages = self.client.iter_pages(
            self.entity,
            Window(self.job.window_start, self.job.window_end),
            checkpoint=self.job.checkpoint,
            page_size=self.page_size,
        )
        most = pages_ahead(self.in_flight, self.page_size)
        ahead = ReadAhead(self._prepared(pages), self.stop, most)
        try:
            announced = self._take(ahead)
        except BaseException:
            self.stop.set()
            raise
        finally:
            ahead.join()
        return announced, self.job.records_received - before

    def _prepared(self, pages: Iterator[Page]) -> Iterator[Prepared]:
        """Pages mapped where they are fetched, while PostgreSQL takes a chunk."""
        try:
            for page in pages:
                yield page, self._entries(page)
        finally:
            # Threads of the client's own end with it.
            if isinstance(pages, Generator):
                pages.close()

    def _entries(self, page: Page) -> list[Entry]:
        place = place_of(self.entity.path, page.checkpoint)
        observed = page.observed_at.isoformat()
        return [
            entry_of(self.mapping, each, observed, indexed=page.indexed, page=place)
            for each in page.records
        ]

    def _take(self, ahead: ReadAhead[Prepared]) -> int | None:
        chunk, last, due = self._open_chunk(), None, 0.0
        while True:
            timeout = (due - time.monotonic()) if len(chunk) else HEARTBEAT_SECONDS
            try:
                prepared = ahead.next(max(timeout, 0.0))
            except TimeoutError:
                chunk = self._pause(chunk, last)
                continue
            except BaseException:
                # What came before the fault is whole: it need not be fetched again.
                self._write(chunk, last)
                raise
            if prepared is None:
                self._write(chunk, last)
                return last.total if last else None
            page, entries = prepared
            if last is None:
                self._begin(page)
            if not len(chunk):
                due = time.monotonic() + _CHUNK_SECONDS
            last, self.way = page, page.way
            self._add(chunk, page, entries)
            if self._is_full(chunk) or time.monotonic() >= due:
                chunk = self._write(chunk, last)

    def _add(self, chunk: Chunk, page: Page, entries: list[Entry]) -> None:
        chunk.pages += 1
        chunk.requests += page.requests
        repeats = chunk.anonymous_repeats
        for entry in entries:
            chunk.put(entry)
        self.anonymous_repeats += chunk.anonymous_repeats - repeats

    def _open_chunk(self) -> Chunk:
        return Chunk(self.mapping, self.seen)

    def _is_full(self, chunk: Chunk) -> bool:
        return len(chunk) >= CHUNK_RECORDS or chunk.size_bytes >= CHUNK_BYTES

    def _pause(self, chunk: Chunk, last: Page | None) -> Chunk:
        """Nothing comes for a while: write what is here, or say that we live."""
        if len(chunk):
            return self._write(chunk, last)
        jobs.beat(self.conn, self.job)
        return chunk

    def _write(self, chunk: Chunk, last: Page | None) -> Chunk:
        """Commit the chunk with the checkpoint behind its last page."""
        if last is not None and chunk.pages:
            self.job = self._save(chunk, last)
            self.progress(self.job)
        return self._open_chunk()

    def _save(self, chunk: Chunk, last: Page) -> Job:
        self.guards.check_volume(self._distinct())
        self.guards.check_chunk(chunk, self.mapping)
        chunk.retries = self.tally.retries - self.job.retries
        part = WindowPart(last.way, last.total, self._distinct())
        return self.loader.write(self.job, chunk, last.checkpoint, part=part)

    def _begin(self, page: Page) -> None:
        """The window ends at the source's clock when it first answered.

        What that answer announces may be too much to be believed.
        """
        if self.job.window_end is None:
            # Too early costs an overlap; a clock that is ahead would cost records.
            end: datetime = min(page.source_time or page.observed_at, page.observed_at)
            self.job = jobs.change(
                self.conn, "set_window_end", self.job, window_end=end
            )
        self.guards.check_volume(page.total or 0, announced=True)
