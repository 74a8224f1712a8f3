"""A TCP proxy on loopback that does to a connection what networks do.

It runs in a thread of its own, so that a test steers it while real clients and servers
talk through it. No TLS: both ends are on this machine.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

HOST = "127.0.0.1"
_READ_BYTES = 65536
_START_SECONDS = 30.0
#: ``SO_LINGER`` with no time: closing throws away what is unsent and sends RST.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

#: ``up`` is from client to server.
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Faults:
    """What happens to every connection, all at once.

    Attributes:
        latency_seconds: Each piece is late by this.
        jitter_seconds: And by up to so much more.
        bytes_per_second: Rate in each direction; None: unlimited.
        slice_bytes: Pieces are at most so large; None: as they came.
        cut_after: The connection is closed behind so many bytes of ``cut_in``.
        cut_in: The direction that is counted.
        reset: A cut is an RST instead of an orderly end; without ``cut_after`` every
            connection is reset as soon as it is made.
        hang: Half open: connections are accepted, and nothing comes through.
    """

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float | None = None
    slice_bytes: int | None = None
    cut_after: int | None = None
    cut_in: Direction = "down"
    reset: bool = False
    hang: bool = False


class CutError(Exception):
    """The proxy ends a connection on purpose."""


class Filter:
    """Sees the bytes of one connection on their way; this one lets all pass."""

    async def up(self, data: bytes) -> bytes:
        """What the server gets now; raising :class:`CutError` ends the connection."""
        return data

    async def down(self, data: bytes) -> bytes:
        """What the client gets now."""
        return data


class FaultProxy:
    """Forwards ``127.0.0.1:port`` to a server; a context manager.

    Args:
        upstream: Port of the server, asked for each connection.
        faults: What happens; may be replaced at any time, for open connections too.
        seed: Of the jitter.

    Attributes:
        port: Where clients connect.
        connections: Connections accepted so far.
    """

    def __init__(
        self, upstream: Callable[[], int], faults: Faults | None = None, seed: int = 0
    ) -> None:
        self.faults = faults or Faults()
        self.port = 0
        self.connections = 0
        self._upstream = upstream
        self._dice = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._defect: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault proxy")
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_START_SECONDS), "the proxy did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.call(self._end.set)
        self._thread.join()
        if self._defect is not None and error is None:
            raise self._defect

    def reset_all(self) -> None:
        """Reset every open connection, both ends."""
        self.call(self._reset_all)

    def call(self, action: Callable[[], Any]) -> None:
        """Run something in the proxy's thread, soon."""
        self._loop.call_soon_threadsafe(action)

    def new_filter(self) -> Filter:
        """What sees the bytes of a new connection."""
        return Filter()

    def _reset_all(self) -> None:
        for end in [*self._open]:
            _close(end, reset=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for end in [*self._open]:
            _close(end)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            await self._serve(reader, writer)
        except (CutError, OSError):
            pass  # meant, or the server is down: the client sees the end
        except Exception as defect:  # noqa: BLE001  told at the end of the context
            self._defect = defect
        finally:
            self._open.discard(writer)
            _close(writer, reset=self.faults.reset)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.faults.reset and self.faults.cut_after is None:
            return
        server_reader, server_writer = await asyncio.open_connection(
            HOST, self._upstream()
        )
        self._open.add(server_writer)
        sees = self.new_filter()
        pumps = [
            asyncio.ensure_future(self._pump("up", reader, server_writer, sees.up)),
            asyncio.ensure_future(self._pump("down", server_reader, writer, sees.down)),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._open.discard(server_writer)
            _close(server_writer, reset=self.faults.reset)

    async def _pump(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sees: Callable[[bytes], Any],
    ) -> None:
        forwarded = 0
        while data := await reader.read(_READ_BYTES):
            for piece in self._slices(await sees(data)):
                await self._delay(len(piece))
                if self.faults.hang:
                    continue
                rest = self._left(direction, forwarded)
                writer.write(piece[:rest])
                await writer.drain()
                forwarded += len(piece)
                if rest is not None and len(piece) >= rest:
                    raise CutError
        if writer.can_write_eof():
            writer.write_eof()

    def _slices(self, data: bytes) -> Iterator[bytes]:
        size = self.faults.slice_bytes or max(len(data), 1)
        for start in range(0, len(data), size):
            yield data[start : start + size]

    def _left(self, direction: Direction, forwarded: int) -> int | None:
        """Bytes that may still pass; None: any number."""
        faults = self.faults
        if faults.cut_after is None or faults.cut_in != direction:
            return None
        return max(faults.cut_after - forwarded, 0)

    async def _delay(self, size: int) -> None:
        faults = self.faults
        seconds = faults.latency_seconds
        seconds += self._dice.uniform(0.0, faults.jitter_seconds)
        if faults.bytes_per_second:
            seconds += size / faults.bytes_per_second
        if seconds:
            await asyncio.sleep(seconds)


def _close(writer: asyncio.StreamWriter, *, reset: bool = False) -> None:
    """Close a connection, with FIN behind what is unsent, or with RST at once."""
    if not reset:
        writer.close()
        return
    with suppress(OSError):  # closed already
        end = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
