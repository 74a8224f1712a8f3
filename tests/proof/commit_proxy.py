"""A proxy before PostgreSQL that can stop a session exactly at one of its commits.

It reads the wire protocol of one session, the job's own, and numbers every point at
which something becomes durable: each ``COMMIT``, and each statement that writes outside
a transaction. At the chosen one it holds the session on one of two sides: ``before``,
when the server has not got the message, or ``after``, when the server has committed and
the client has not heard of it. Whoever steers then lets something die, and releases.
"""

import asyncio
import re
import struct
import threading
from collections.abc import Callable
from typing import Literal

from tests.proof.fault_proxy import CutError, FaultProxy, Filter

Side = Literal["before", "after"]

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_WRITES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|COPY|CREATE|DROP|ALTER|TRUNCATE)\b", re.IGNORECASE
)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
#: Parse, Bind, Describe, Execute, Close: the server does nothing durable before the
#: Sync behind them.
_PARTS_OF_UNITS = "PBDEC"
#: Signs of life come by the clock, not by the work: they would make numbers differ
#: from run to run.
_HEARTBEAT = re.compile(r"\s*UPDATE ops\.sync_jobs SET heartbeat_at\b")


class CommitProxy(FaultProxy):
    """Numbers the commits of one session, and holds it at one of them.

    Args:
        upstream: Port of PostgreSQL.
        application: ``application_name`` of the sessions that count.

    Attributes:
        commits: What each commit of the watched session was, in order.
        began: Set when a watched session has asked to be let in.
        struck: Set while the session is held.
    """

    def __init__(self, upstream: Callable[[], int], application: str = "") -> None:
        super().__init__(upstream)
        self.application = application
        self.commits: list[str] = []
        self.began = threading.Event()
        self.struck = threading.Event()
        self._at: tuple[int, Side] | None = None
        self._only = ""
        self._released = asyncio.Event()

    def watch(
        self,
        application: str,
        at: int | None = None,
        side: Side = "before",
        *,
        only: str = "",
    ) -> None:
        """Count anew, and hold the session at commit ``at``, from 1; None: nowhere.

        Args:
            application: ``application_name`` of the sessions that count.
            at: Number of the commit.
            side: Side of it.
            only: What a commit holds that counts.
        """
        self.application = application
        self._only = only
        self.commits = []
        self.began.clear()
        self.struck.clear()
        self._released = asyncio.Event()
        self._at = (at, side) if at is not None else None

    def release(self) -> None:
        """End the held session; later ones pass."""
        self.call(self._released.set)

    def new_filter(self) -> Filter:
        """What reads a session."""
        return _Session(self)

    def note(self, commit: str) -> int | None:
        """Number of a commit that is about to be; None once one was struck."""
        if self.struck.is_set():
            return None
        self.commits.append(commit)
        if self._only not in commit:
            return None
        return sum(self._only in each for each in self.commits)

    def is_due(self, number: int | None, side: Side) -> bool:
        """Whether this is where the session is to be held."""
        return number is not None and self._at == (number, side)

    async def hold(self) -> None:
        """Hold the session until it is released, and end it.

        Raises:
            CutError: It is released.
        """
        self.struck.set()
        await self._released.wait()
        raise CutError


class _Session(Filter):
    """One session's messages, whole ones only.

    Attributes:
        _open: Messages of the client that the server gets with the one that ends them.
        _texts: Statements since the last end, and in the open transaction.
        _due: The commit whose answer is awaited, when it must not reach the client.
    """

    def __init__(self, proxy: CommitProxy) -> None:
        self._proxy = proxy
        self._up, self._down = b"", b""
        self._started = self._watched = self._one_byte = False
        self._status = "I"
        self._open = b""
        self._texts: list[str] = []
        self._last_write = ""
        self._prepared: dict[str, str] = {}
        self._due: int | None = None

    async def up(self, data: bytes) -> bytes:
        """Pass what is complete; a commit to be struck before it stays here."""
        self._up += data
        out = b"" if self._started else self._start()
        if not self._watched:
            if self._started:
                out, self._up = out + self._up, b""
            return out
        while message := _first(self._up):
            self._up = self._up[len(message) :]
            kind = chr(message[0])
            self._open += message
            self._note_statement(kind, message[5:])
            if kind in "QS":
                await self._end_of_unit()
            if kind not in _PARTS_OF_UNITS:
                out, self._open = out + self._open, b""
        return out

    async def down(self, data: bytes) -> bytes:
        """Pass what is complete; the answer to a commit struck after it stays here."""
        if self._one_byte:
            assert data == b"N", "this proxy cannot look into an encrypted session"
            self._one_byte = False
            return data
        if not self._watched:
            return data
        self._down += data
        out = b""
        while message := _first(self._down):
            self._down = self._down[len(message) :]
            out += message
            if message[:1] == b"Z":
                self._status = chr(message[5])
                if self._due is not None:
                    await self._proxy.hold()
        return out

    def _start(self) -> bytes:
        """Read the messages without a type that begin a session, and pass them."""
        if len(self._up) < 8:
            return b""
        length, code = struct.unpack_from("!ii", self._up)
        if len(self._up) < length:
            return b""
        message, self._up = self._up[:length], self._up[length:]
        if code in (_SSL_REQUEST, _GSS_REQUEST):
            self._one_byte = True
            return message
        words = message[8:].split(b"\0")
        named = dict(zip(words[::2], words[1::2], strict=False))
        name = named.get(b"application_name", b"").decode()
        self._started = True
        self._watched = bool(name) and name == self._proxy.application
        if self._watched:
            self._proxy.began.set()
        return message

    def _note_statement(self, kind: str, body: bytes) -> None:
        if kind == "P":
            name, text = body.split(b"\0")[:2]
            self._prepared[name.decode()] = _plain(text)
        elif kind == "B":
            name = body.split(b"\0", 2)[1]
            self._texts.append(self._prepared[name.decode()])
        elif kind == "Q":
            self._texts.append(_plain(body.rstrip(b"\0")))

    async def _end_of_unit(self) -> None:
        """Note a commit, and hold the session when this is the place."""
        texts, self._texts = self._texts, []
        writes = [t for t in texts if _WRITES.search(t) and not _HEARTBEAT.match(t)]
        ends = any(text.strip().upper() == "COMMIT" for text in texts)
        if self._status != "I" and not ends:
            self._last_write = writes[-1] if writes else self._last_write
            return
        if ends:
            what, self._last_write = f"COMMIT after {_label(self._last_write)}", ""
        elif writes:
            what = _label(writes[-1])
        else:
            return
        number = self._proxy.note(what)
        if self._proxy.is_due(number, "before"):
            await self._proxy.hold()
        if self._proxy.is_due(number, "after"):
            self._due = number


def _first(data: bytes) -> bytes:
    """The first whole message with a type, or nothing."""
    if len(data) < 5:
        return b""
    (length,) = struct.unpack_from("!i", data, 1)
    return data[: length + 1] if len(data) > length else b""


def _plain(text: bytes) -> str:
    return _COMMENT.sub("", text.decode(errors="replace"))


def _label(statement: str) -> str:
    """The first words of a statement, one space between them."""
    return " ".join(statement.split())[:60] or "nothing"
