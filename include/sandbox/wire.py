"""Bytes on the connection, well-formed and otherwise."""

import os
import socket
import struct
from asyncio import Transport
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from include.sandbox.messages import Answer

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_TRANSPORT = "sandbox.transport"


class SandboxProtocol(HttpToolsProtocol):
    """HTTP protocol that hands the connection itself to the application."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope[_TRANSPORT] = self.transport  # type: ignore[literal-required]


async def send_answer(send: Send, answer: Answer, date: bytes | None) -> None:
    """Send a well-formed answer; ``date`` None leaves the header out."""
    headers = _headers(answer, date)
    headers.append((b"content-length", b"%d" % len(answer.body)))
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": headers}
    )
    await send({"type": "http.response.body", "body": answer.body})


async def send_half(
    scope: dict[str, Any], receive: Receive, answer: Answer, date: bytes, length: str
) -> None:
    """Send half of the body, then close the connection.

    Args:
        scope: Of the request.
        receive: Of the request.
        answer: What the whole answer would be.
        date: Value of the ``Date`` header.
        length: ``full`` announces the whole body; ``sent`` only what comes;
            ``chunked`` announces nothing and never ends.
    """
    half = answer.body[: len(answer.body) // 2]
    headers = _headers(answer, date)
    headers.append((b"connection", b"close"))
    if length == "chunked":
        headers.append((b"transfer-encoding", b"chunked"))
        half = b"%x\r\n%b\r\n" % (len(half), half) if half else b""
    else:
        announced = len(answer.body) if length == "full" else len(half)
        headers.append((b"content-length", b"%d" % announced))
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    transport: Transport = scope[_TRANSPORT]
    transport.write(b"HTTP/1.1 %d OK\r\n%b\r\n%b" % (answer.status, lines, half))
    transport.close()
    await _until_closed(receive)


async def reset(scope: dict[str, Any], receive: Receive) -> None:
    """Reset the connection: the client sees ECONNRESET, not an end of file."""
    transport: Transport = scope[_TRANSPORT]
    descriptor = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        # Closing with a linger time of zero makes the kernel send RST.
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_closed(receive)


async def _until_closed(receive: Receive) -> None:
    """Wait for the end of the connection, or the server would answer 500 itself."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(answer: Answer, date: bytes | None) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", answer.content_type), *answer.headers]
    if date is not None:
        headers.append((b"date", date))
    return headers
