"""The sessions of one process: opened aside, and at hand without a lock."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool

from webhook_receiver.session import SESSION_OPTIONS, Session

#: HubSpot gives up after 5 seconds. Waiting for a session and for the statement stays
#: below that together, so that the source hears 503 and not silence.
_SESSION_SECONDS = 1.5
#: One for each thread of a process, and one for whoever asks whether we are ready.
MOST_SESSIONS = 9
#: How long the pool tries by itself; after that the next request makes it try. Longer
#: ones would lengthen its pauses, and so the time until a database is noticed again.
_RECONNECT_SECONDS = 5.0
#: So soon a database that became unsafe while we run is noticed: each new session is
#: checked.
_LIFETIME_SECONDS = 300.0
#: So long a session stays at hand before the pool may judge how old it is.
_AT_HAND_SECONDS = 10.0


class Pool:
    """Opens sessions by psycopg's pool, and lends them past it.

    Its lock and its books cost a fifth of a delivery. There are as many sessions as
    threads, so that nobody waits for one that another thread has.

    Args:
        conninfo: libpq connection string of the warehouse.
        prepare: Called with each new session; may raise.
    """

    def __init__(self, conninfo: str, prepare: Callable[[Session], None]) -> None:
        self._pool = ConnectionPool(
            conninfo,
            connection_class=Session,
            kwargs={**SESSION_OPTIONS, "application_name": "webhook_receiver"},
            min_size=1,
            max_size=MOST_SESSIONS,
            timeout=_SESSION_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
            max_lifetime=_LIFETIME_SECONDS,
            configure=prepare,
            open=False,
        )
        self._at_hand: deque[Session] = deque()
        # One entry for each who waits at psycopg's pool.
        self._waiting: deque[None] = deque()

    def open(self) -> None:
        """Begin to connect, without waiting for it: the database may be away."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """End the sessions that nobody has just now."""
        self._pool.close()
        while self._at_hand:
            self._at_hand.pop().close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session, until the block ends.

        Raises:
            psycopg.Error: There is none in time.
        """
        session = self._take()
        try:
            yield session
        finally:
            self._give_back(session)

    def _take(self) -> Session:
        # Looked at here: psycopg's own pauses for a second after the second that ended.
        deadline = time.monotonic() + _SESSION_SECONDS
        while True:
            if (session := self._next_at_hand()) is None:
                session = self._wait(deadline)
            try:
                session.demand_life()
            except psycopg.OperationalError:
                self._pool.putconn(session)
            else:
                return session

    def _next_at_hand(self) -> Session | None:
        try:
            return self._at_hand.pop()
        except IndexError:
            return None

    def _wait(self, deadline: float) -> Session:
        self._waiting.append(None)
        try:
            # Whoever gave back just before did not know of us.
            session = self._next_at_hand()
            if session is not None:
                self._pool.putconn(session)
            session = self._pool.getconn(deadline - time.monotonic())
        finally:
            self._waiting.pop()
        session.taken_at = time.monotonic()
        return session

    def _give_back(self, session: Session) -> None:
        session.used_at = time.monotonic()
        if session.closed or session.used_at - session.taken_at > _AT_HAND_SECONDS:
            self._pool.putconn(session)
            return
        self._at_hand.append(session)
        # When the server opens no more of them, theirs is one that was given back.
        if self._waiting and (other := self._next_at_hand()) is not None:
            self._pool.putconn(other)
