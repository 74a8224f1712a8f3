"""Sources that repeat each delivery, unchanged, until the receiver takes it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

from tests.proof.hubspot_sender import PATH, call, signed

_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


class Clients:
    """So many sources at once, each with one delivery after the other.

    Args:
        port: Where the receiver is now: another one may have taken its place.
        number: How many.

    Attributes:
        taken: Bodies that were answered 200.
        answers: How often which answer came: a status, or how the connection ended.
    """

    def __init__(self, port: Callable[[], int], number: int) -> None:
        self._port, self._number = port, number
        self._stop = threading.Event()
        self.taken: list[bytes] = []
        self.answers: Counter[str] = Counter()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send until the block ends, and then until what was begun is taken."""
        threads = [
            threading.Thread(target=self._send_all, args=(name,))
            for name in range(self._number)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self, number: int) -> None:
        """Until so many more were taken."""
        enough = len(self.taken) + number
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.taken) < enough:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.005)

    def _send_all(self, name: int) -> None:
        number = 0
        while not self._stop.is_set():
            body = b'[{"client": %d, "number": %d}]' % (name, number)
            self._send(body)
            self.taken.append(body)
            number += 1

    def _send(self, body: bytes) -> None:
        headers = signed(body)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._answer(headers, body) != "200":
            assert time.monotonic() < deadline, self.answers
            time.sleep(_PAUSE_SECONDS)

    def _answer(self, headers: dict[str, str], body: bytes) -> str:
        try:
            answer = str(call(self._port(), "POST", PATH, headers, body).status)
        except (ConnectionError, HTTPException) as error:
            answer = type(error).__name__
        self.answers[answer] += 1
        return answer


#: What a source may see while processes die: all of it makes it come again.
HARMLESS = {
    "200",
    "503",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "BrokenPipeError",
    "RemoteDisconnected",
    "IncompleteRead",
}
