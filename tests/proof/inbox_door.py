"""Takes ActiveProspect's deliveries over HTTP, and stores them as a receiver does."""

import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import psycopg

_STORE = (
    "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
    " content_type, headers, url, body, body_bytes) VALUES (%s, 'req',"
    " gen_random_uuid()::text, %s, '{}', 'https://x.example/', %s, %s)"
)


class InboxDoor:
    """A server on loopback that believes everybody; a context manager.

    Args:
        conninfo: The warehouse.
        source_system: Whose deliveries come.

    Attributes:
        refused: How many are answered 503 before one is taken.
        lose: Which of those that are answered 200, counted from 1, are not stored.
        url: Where it listens.
    """

    def __init__(self, conninfo: str, source_system: str = "activeprospect") -> None:
        self.refused = 0
        self.taken = 0
        self.lose: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self._conninfo, self._source_system = conninfo, source_system
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(door._take(self.headers["Content-Type"], body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def _take(self, content_type: str, body: bytes) -> int:
        with self._lock:
            self.refused -= 1
            if self.refused >= 0:
                return 503
            self.taken += 1
            if self.taken in self.lose:
                return 200
        self.store(content_type, body)
        return 200

    def store(self, content_type: str, body: bytes) -> None:
        """Store a delivery."""
        values = [self._source_system, content_type, zlib.compress(body), len(body)]
        with psycopg.connect(self._conninfo) as conn:
            conn.execute(_STORE, values)

    def store_json(self, value: Any) -> None:
        """Store a delivery of this value."""
        self.store("application/json", json.dumps(value).encode())

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
