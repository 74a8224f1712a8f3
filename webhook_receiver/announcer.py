"""Tells whoever merges that deliveries have come, apart from storing them.

A transaction that notifies holds a lock of the whole server while it commits: announced
by the statement that stores them, deliveries would commit one by one.
"""

import atexit
import logging
import threading

import psycopg

from webhook_receiver.session import SESSION_OPTIONS, Session
from webhook_receiver.statements import statement

logger = logging.getLogger(__name__)

#: Between two announcements of a process.
_PAUSE_SECONDS = 0.1
#: After one that failed.
_RETRY_SECONDS = 1.0
#: For the last one, when the process ends.
_FAREWELL_SECONDS = 2.0


class Announcer:
    """Announces what was committed, on a session and in a thread of its own.

    The thread begins with the first delivery, and anew should it ever die. Whoever
    listens also looks by itself now and then: an announcement that a kill or an outage
    swallows makes a merge later, not incomplete.

    Args:
        conninfo: libpq connection string of the warehouse.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._is_due = False
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._session: Session | None = None

    def announce(self) -> None:
        """Let listeners know soon; never waits for the database."""
        self._is_due = True
        if self._thread is None or not self._thread.is_alive():
            self._begin()

    def close(self) -> None:
        """Send what is due, and end; bounded."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_FAREWELL_SECONDS)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                atexit.register(self.close)
            elif self._thread.is_alive():
                return
            # A daemon: an end of the process waits for close() alone.
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(_PAUSE_SECONDS):
            if not self._tell():
                self._ending.wait(_RETRY_SECONDS)
        self._tell()

    def _tell(self) -> bool:
        """Announce, when something came since the last time; whether that went well."""
        if not self._is_due:
            return True
        # First: what comes while it is said needs to be said again.
        self._is_due = False
        try:
            if self._session is None:
                self._session = Session.connect(
                    self._conninfo,
                    **SESSION_OPTIONS,
                    application_name="webhook_receiver announcer",
                )
            self._session.execute(statement("announce"))
        except psycopg.Error as error:
            self._is_due, self._session = True, None
            state = error.sqlstate or "-"
            logger.warning("announcer: %s %s", type(error).__name__, state)
            return False
        return True
