"""gunicorn's thread worker, bounded; its own answers look and are logged like ours."""

import json
import logging
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from webhook_receiver.metrics import count_no_request
from webhook_receiver.refusals import RETRY_AFTER_SECONDS, error_body, new_request_id
from webhook_receiver.settings import BODY_LIMIT_BYTES
from webhook_receiver.turns import TURNS

logger = logging.getLogger(__name__)

#: Requests of a process at work or waiting for a thread. More are refused at once.
_MOST_REQUESTS = 128
#: Whoever has waited so long for a thread is refused: the database is slow, and the
#: source would have given up before all in front have had their turn.
_MOST_WAIT_SECONDS = 0.5
#: From the moment a thread takes a request until all of it was read. A byte now and
#: then is no silence, and would hold the thread for as long as it likes.
_MOST_READ_SECONDS = 10.0
#: Between two looks at who waits or reads for too long.
_SWEEP_SECONDS = 0.1
#: What is left of an answered request is read for so long; unread bytes would destroy
#: the answer on its way.
_FAREWELL_SECONDS = 0.5
#: So long a worker that has enough connections leaves a new one to the others.
_TURN_SECONDS = 0.001
#: Between two lines about refusals.
_SECONDS_OF_A_LINE = 1.0
_PIECE_BYTES = 64 * 1024

_ANSWERS = {
    LimitRequestLine: (414, "URI Too Long", "URI_TOO_LONG"),
    LimitRequestHeaders: (
        431,
        "Request Header Fields Too Large",
        "REQUEST_HEADER_FIELDS_TOO_LARGE",
    ),
}
_MALFORMED = (400, "Bad Request", "BAD_REQUEST")
_DEFECT = (500, "Internal Server Error", "INTERNAL_SERVER_ERROR")
_OVERLOADED = (503, "Service Unavailable", "OVERLOADED")

_default_headers = wsgi.Response.default_headers


def _nameless_headers(response: Any) -> list[str]:
    """All first headers but ``Server``: nobody needs to know what runs here."""
    return [
        line for line in _default_headers(response) if not line.startswith("Server:")
    ]


# There is no setting for it.
wsgi.Response.default_headers = _nameless_headers


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """One connection.

    Attributes:
        asked_at: When its latest request began to wait for a thread.
        taken_at: When a thread took it; None while it waits.
    """

    asked_at = 0.0
    taken_at: float | None = None

    def close(self, graceful: bool = False) -> None:
        """Close it, without waiting: this is done by the thread that serves all.

        ``Worker.handle`` has said farewell.
        """
        del graceful
        util.close(self.sock)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Gives threads to those who ask something, and not to more than it can serve."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row_of_counts = 0  # set before the fork, see gunicorn.conf.py
        self._requests: dict[Connection, Future[Any]] = {}
        self._refused, self._told_at, self._swept_at = 0, 0.0, 0.0
        # Whoever watches us must not think us dead when all threads are at work.
        self._aside = ThreadPoolExecutor(1)

    def notify(self) -> None:
        """Show gunicorn that it lives, and the log that it refuses."""
        super().notify()
        if time.monotonic() - self._told_at > _SECONDS_OF_A_LINE:
            self._told_at = time.monotonic()
            self._tell_refusals()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what comes up, then end what has taken too long."""
        super().wait_for_and_dispatch_events(
            min(timeout, _SWEEP_SECONDS) if self._requests else timeout
        )
        if time.monotonic() - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            TURNS.tell(self.row_of_counts, self.nr_conns)
            self._sweep(self._swept_at)

    def accept(self, listener: Any) -> None:
        """Take a connection; it gets a thread when it says something."""
        # All are woken. Senders keep their connections: those that one worker has
        # alone, it serves alone.
        TURNS.tell(self.row_of_counts, self.nr_conns)
        if TURNS.is_others(self.row_of_counts):
            time.sleep(_TURN_SECONDS)
        try:
            client, address = listener.accept()
        except OSError:
            return  # another process was quicker, or the caller has gone
        self.nr_conns += 1
        TURNS.tell(self.row_of_counts, self.nr_conns)
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.set_timeout()
        self.pending_conns.append(connection)
        said = partial(self.on_pending_socket_readable, connection)
        self.poller.register(client, EVENT_READ, said)

    def enqueue_req(self, conn: Connection) -> None:
        """Let a request wait for a thread, if it is not one too many."""
        threads = self.tpool
        if len(self._requests) >= self.cfg.threads and _is_question(conn.sock):
            threads = self._aside
        elif len(self._requests) >= _MOST_REQUESTS:
            self._refuse(conn.sock)
            self.nr_conns -= 1
            conn.close()
            return
        conn.asked_at, conn.taken_at = time.monotonic(), None
        answer = threads.submit(self.handle, conn)
        self._requests[conn] = answer
        answer.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle(self, conn: Connection) -> Any:
        """Answer a request, in a thread."""
        conn.taken_at = time.monotonic()
        is_kept = super().handle(conn)
        if not is_kept:
            util.close_graceful(conn.sock, _FAREWELL_SECONDS, BODY_LIMIT_BYTES)
        return is_kept

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Go on with the connection of a request that was answered."""
        del self._requests[conn]
        super().finish_request(conn, fs)

    def _sweep(self, now: float) -> None:
        for conn, answer in self._requests.items():
            if conn.taken_at is None:
                is_late = now - conn.asked_at > _MOST_WAIT_SECONDS
                if is_late and answer.cancel():
                    self._refuse(conn.sock)
            elif now - conn.taken_at > _MOST_READ_SECONDS:
                # Whoever reads finds the end; an answer still goes out.
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)

    def _refuse(self, client: socket.socket) -> None:
        """Ask to come again, without looking at what is said; never waits."""
        self._refused += 1
        count_no_request(_OVERLOADED[0], _OVERLOADED[2])
        client.setblocking(False)
        with suppress(OSError):
            for _ in range(BODY_LIMIT_BYTES // _PIECE_BYTES):
                client.recv(_PIECE_BYTES)
        with suppress(OSError):
            client.send(_answer(*_OVERLOADED, new_request_id()))

    def _tell_refusals(self) -> None:
        # A line for each would be a load of its own.
        refused, self._refused = self._refused, 0
        if refused:
            logger.warning("503 %s: %d requests", _OVERLOADED[2], refused)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer for an exception outside the application.

        gunicorn's own shows parts of the request, in the answer and in the log.
        """
        del req, addr
        known = _MALFORMED if isinstance(exc, ParseException) else _DEFECT
        status, reason, code = _ANSWERS.get(type(exc), known)
        name = new_request_id()
        logger.warning("%s %s %s %s", status, code, type(exc).__name__, name)
        count_no_request(status, code)
        try:
            util.write_nonblock(client, _answer(status, reason, code, name))
        except OSError:
            logger.info("%s went before its answer", name)


def _is_question(client: socket.socket) -> bool:
    """Whether it begins as no delivery does, but a question of how we are."""
    with suppress(OSError):
        return client.recv(4, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"GET "
    return False


def _answer(status: int, reason: str, code: str, name: str) -> bytes:
    """An answer that ends the connection, in the shape of all errors."""
    body = json.dumps(error_body(code, reason, name))
    again = f"Retry-After: {RETRY_AFTER_SECONDS}\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {reason}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        f"{again}"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-Id: {name}\r\n\r\n"
    )
    return (head + body).encode()
