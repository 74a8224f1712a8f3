"""A receiver of webhooks that answers as it is told and keeps what came."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_DEADLINE_SECONDS = 15


@dataclass(frozen=True)
class Delivery:
    """One POST: its headers in lower case, exact body, instant of arrival."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.body)


class WebhookTarget:
    """A server on loopback; a context manager.

    Args:
        statuses: What the first POSTs are answered; 200 to those after.
        held: POSTs are answered only from ``answer`` on.
    """

    def __init__(self, *statuses: int, held: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self._statuses = list(statuses)
        self._changed = threading.Condition()
        self._held = held
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = target._take(Delivery(headers, body, time.monotonic()))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    def _take(self, delivery: Delivery) -> int:
        with self._changed:
            status = self._statuses.pop(0) if self._statuses else 200
            self.deliveries.append(delivery)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._held, _DEADLINE_SECONDS)
            return status

    def answer(self) -> None:
        """Answer what is held, and all that comes."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def wait(self, count: int) -> list[Delivery]:
        """The POSTs that came, once there are ``count``."""
        with self._changed:
            came = self._changed.wait_for(
                lambda: len(self.deliveries) >= count, _DEADLINE_SECONDS
            )
            assert came, f"{len(self.deliveries)} of {count} POSTs came"
            return list(self.deliveries)

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
