"""Ask the source in a thread: network and disk overlap, and the job shows life."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

#: Pages fetched ahead of the open chunk, those that a client is making included.
#: Together with a chunk, and the page that a resumed walk reads again, they stay within
#: what a kill may cost. They are about as many as a chunk has: the next one is there
#: when PostgreSQL has taken the last.
PAGES_AHEAD = 24
#: Records of those pages: large ones are fewer.
_RECORDS_AHEAD = 2_400
#: Answers fetched ahead of what is done with them.
ANSWERS_AHEAD = 9
#: How often a job says that it lives while nothing comes.
HEARTBEAT_SECONDS = 5.0


def pages_ahead(in_flight: int, page_size: int) -> int:
    """Pages that may wait for a client.

    One that makes several at once makes half as many pages as it sends requests, and
    they are twice as large: all of them stay within what the pages of another are, and
    the one in the making.

    Args:
        in_flight: Requests that the client sends at once.
        page_size: Records of a page.
    """
    if in_flight == 1:
        return max(1, min(PAGES_AHEAD, _RECORDS_AHEAD // page_size))
    return max(1, (PAGES_AHEAD + 1 - in_flight) // 2)


class ReadAhead(Generic[T]):
    """An iterator of pages, or other answers, run in a thread, a few ahead.

    Args:
        pages: What a client yields, never None; used in the thread only.
        stop: Set to end the thread; its waits must heed it too.
        ahead: Pages that wait here at most, besides those that the client is making.
    """

    def __init__(
        self,
        pages: Iterator[T],
        stop: threading.Event,
        ahead: int = ANSWERS_AHEAD,
    ) -> None:
        self._pages = pages
        self._stop = stop
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(ahead)
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)
        self._thread.start()

    def next(self, timeout_seconds: float) -> T | None:
        """The next page, or None at the end.

        Raises:
            TimeoutError: No page came in time; ask again.
            Exception: What stopped the client.
        """
        try:
            item = self._queue.get(timeout=timeout_seconds)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(item, BaseException):
            raise item
        return item

    def join(self) -> None:
        """Wait for the thread: it has ended, or ``stop`` is set."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for page in self._pages:
                if not self._put(page):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  handed to the job's thread
            self._put(error)
        finally:
            # Threads of the client's own end with it.
            if isinstance(self._pages, Generator):
                self._pages.close()

    def _put(self, item: T | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
