"""Waiting for what Airflow and the warehouse do, past a fault that passes."""

import time
from collections.abc import Callable

import psycopg

from include.local_stack.errors import PassingError, StackError

_POLL_SECONDS = 1.0


def wait_until(
    done: Callable[[], bool],
    seconds: float,
    late: Callable[[], str],
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Ask again and again until it is done.

    Args:
        done: Asks; an API or a database that does not answer is asked again.
        seconds: Longest wait.
        late: What to say when it is over.
        poll_seconds: Between two questions.

    Raises:
        StackError: It is not done in time, or done refuses for good.
    """
    deadline = time.monotonic() + seconds
    while True:
        fault: Exception | None = None
        try:
            if done():
                return
        except (PassingError, psycopg.OperationalError) as error:
            fault = error
        if time.monotonic() > deadline:
            raise StackError(str(fault) if fault else late())
        time.sleep(poll_seconds)
