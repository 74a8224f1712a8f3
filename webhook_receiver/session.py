"""A session with the warehouse that does not wait for ever."""

import select
import time
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

_T = TypeVar("_T")

#: For a server that took a statement and says nothing: its own limit cannot help.
_ANSWER_SECONDS = 2.0
#: For asking it to give the statement up. With the pool's patience before, all of it is
#: below the 5 seconds that HubSpot waits.
_CANCEL_SECONDS = 0.5
#: No server restarts in less.
_REST_SECONDS = 0.05
SESSION_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    # The same few statements, over and over.
    "prepare_threshold": 0,
    "connect_timeout": 2,
}


class Session(psycopg.Connection[Any]):
    """A connection that waits for two seconds at most.

    Attributes:
        taken_at: When it was last taken from psycopg's pool, by the monotonic clock.
        used_at: When it was last of use.
    """

    taken_at = 0.0
    used_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_warned = False
        self.add_notice_handler(self._on_notice)

    def wait(
        self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None
    ) -> _T:
        """Wait as psycopg does, with a limit; afterwards nothing works on for nobody.

        Raises:
            psycopg.OperationalError: It took too long, or the server had a warning:
                that a commit is on this machine alone is told by no error.
        """
        try:
            result = super().wait(gen, interval, timeout or _ANSWER_SECONDS)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # A commit that waits for a standby does not notice that we have gone.
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=_CANCEL_SECONDS)
                self.close()
            raise
        if self._is_warned:
            self.close()
            raise psycopg.OperationalError("the server had a warning")
        return result

    def _on_notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._is_warned = True

    def demand_life(self) -> None:
        """Notice that it ended while nobody used it, without asking the server.

        Raises:
            psycopg.OperationalError: It has ended.
        """
        if time.monotonic() - self.used_at < _REST_SECONDS:
            return
        ears = select.poll()
        ears.register(self.fileno(), select.POLLIN)
        # Whoever asked nothing hears nothing, but the end.
        if ears.poll(0):
            self.close()
            raise psycopg.OperationalError("the server has ended the session")
