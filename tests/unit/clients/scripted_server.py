"""A real HTTP server that answers what a test wrote down."""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer. ``wire`` takes over the connection after the request was read."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wire: Callable[[BaseHTTPRequestHandler], None] | None = None


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    target: str
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Request], Reply]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    body = json.dumps(value).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, body, {"Content-Type": "application/json", **names})


def raw_bytes(data: bytes) -> Reply:
    """Bytes on the wire as they are, then the end of the connection."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return Reply(wire=send)


def reset() -> Reply:
    """A TCP reset in place of an answer."""

    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        handler.connection.close()
        handler.close_connection = True

    return Reply(wire=cut)


class ScriptedServer:
    """Answers requests from a queue of replies, or by a function."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections: set[Any] = set()
        self.stopping = threading.Event()
        self._replies: deque[Reply] = deque()
        self._script: Script = lambda _: self._replies.popleft()
        self._http = _Server(("127.0.0.1", 0), _handler_for(self))
        self.port: int = self._http.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def answer(self, *replies: Reply) -> None:
        self._replies.extend(replies)

    def run(self, script: Script) -> None:
        self._script = script

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        return self._script(request)

    @contextmanager
    def serving(self) -> Iterator["ScriptedServer"]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._http.shutdown()
            thread.join()
            self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what many tests are about."""


def _handler_for(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet an answer: waiting for acknowledgements would cost 40 ms each.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            server.connections.add(self.client_address)
            length = int(self.headers.get("Content-Length", 0))
            parts = urlsplit(self.path)
            reply = server.reply_to(
                Request(
                    path=parts.path,
                    query=dict(parse_qsl(parts.query)),
                    headers=dict(self.headers.items()),
                    target=self.path,
                    body=self.rfile.read(length),
                )
            )
            if reply.wire:
                reply.wire(self)
                return
            self.send_response_only(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """The request log of the server is what tests look at."""

    return Handler
