"""Requests in flight: a few threads that do what one thread asks of them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Crew:
    """Threads of one walk; it ends with them.

    Args:
        size: Threads. With one, everything is done at once by who asks for it.
    """

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, "requests") if size > 1 else None

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Do something, and give its result or error to whoever asks the future."""
        if self._pool is not None:
            return self._pool.submit(work)
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised where it is asked for
            done.set_exception(error)
        return done

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
