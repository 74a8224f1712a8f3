"""HubSpot in a hurry: signed deliveries over kept connections, as many as go.

``python -m tests.proof.receiver_load PORT`` prints one line of JSON. One thread and one
epoll, and all of a request but its time is signed once, so that it costs little beside
what it measures; what it does cost is told.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from include.local_stack.ports import HOST
from tests.proof.hubspot_sender import PATH, PUBLIC_URL, SECRET

#: Times that are not yet used begin here: within five minutes of now.
_EARLIEST_MS = 240_000
_ANSWER_BYTES = 65_536
_CODE = re.compile(rb'"code": ?"(\w+)"')
_RETRY_AFTER = re.compile(rb"Retry-After: (\d+)")


def events(number: int) -> bytes:
    """A body of so many events, none like another."""
    return json.dumps(
        [
            {
                "eventId": 3_816_279_340 + 7919 * at,
                "subscriptionId": 25,
                "portalId": 62515,
                "appId": 54321,
                "occurredAt": 1564113600000 + 613 * at,
                "subscriptionType": "contact.propertyChange",
                "attemptNumber": 0,
                "objectId": 123 + 104_729 * at,
                "changeSource": "CRM",
                "propertyName": ("email", "lifecyclestage", "phone")[at % 3],
                "propertyValue": hashlib.md5(b"%d" % at).hexdigest(),
            }
            for at in range(number)
        ]
    ).encode()


class Deliveries:
    """Signed deliveries of one body, each of another millisecond."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._signed = hmac.new(
            SECRET.encode(), b"POST" + (PUBLIC_URL + PATH).encode() + body, "sha256"
        )
        self._time = int(time.time() * 1000) - _EARLIEST_MS
        self._head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\n"
            "User-Agent: HubSpot Connect 2.0\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-HubSpot-Request-Timestamp: "
        ).encode()

    def next(self) -> bytes:
        """A whole request."""
        self._time += 1
        stamp = b"%d" % self._time
        mac = self._signed.copy()
        mac.update(stamp)
        signature = base64.b64encode(mac.digest())
        return b"%s%s\r\nX-HubSpot-Signature-v3: %s\r\n\r\n%s" % (
            self._head,
            stamp,
            signature,
            self.body,
        )


@dataclass(slots=True)
class Line:
    """One connection: what is to be sent, what has come, since when."""

    door: socket.socket
    began: float = 0.0
    rest: memoryview = field(default_factory=lambda: memoryview(b""))
    answer: bytes = b""
    is_busy: bool = False


class Load:
    """Posts until the time is over.

    Args:
        port: Of the receiver.
        body: What each delivery brings.
        connections: How many at most.
        rate: Deliveries a second, whatever becomes of those before; None: a
            connection sends its next as soon as it is answered.

    Attributes:
        statuses: Answers by status; 0 for a connection that ended without.
        seconds: What each 200 took.
        refused_seconds: What each 503 took.
        refusals: These by code, with when to come again.
        unsent: Deliveries that found no free connection.
    """

    def __init__(
        self, port: int, body: bytes, connections: int, rate: float | None = None
    ) -> None:
        self._port, self._most, self._rate = port, connections, rate
        self._deliveries = Deliveries(body)
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._idle: list[Line] = []
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.refused_seconds: list[float] = []
        self.refusals: Counter[str] = Counter()
        self.unsent = 0

    def run(self, seconds: float) -> float:
        """Post for so long, and wait for the last answers; how long it took."""
        began = now = time.monotonic()
        due = 0.0
        if self._rate is None:
            for _ in range(self._most):
                self._send(self._open())
        while now < began + seconds or (self._busy() and now < began + seconds + 10):
            if self._rate is not None and now < began + seconds:
                while due < (now - began) * self._rate:
                    due += 1
                    self._send_one()
            again = self._rate is None and now < began + seconds
            for number, event in self._epoll.poll(0.002 if self._rate else 0.1):
                self._on_event(self._lines[number], event, again=again)
            now = time.monotonic()
        for line in [*self._lines.values()]:
            if line.is_busy:
                self.statuses[0] += 1
            self._close(line)
        return now - began

    def _busy(self) -> bool:
        return any(line.is_busy for line in self._lines.values())

    def _send_one(self) -> None:
        if self._idle:
            self._send(self._idle.pop())
        elif len(self._lines) < self._most:
            self._send(self._open())
        else:
            self.unsent += 1

    def _open(self) -> Line:
        door = socket.create_connection((HOST, self._port), timeout=10)
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        door.setblocking(False)
        line = self._lines[door.fileno()] = Line(door)
        self._epoll.register(door, select.EPOLLIN)
        return line

    def _close(self, line: Line) -> None:
        self._epoll.unregister(line.door)
        del self._lines[line.door.fileno()]
        if line in self._idle:
            self._idle.remove(line)
        line.door.close()

    def _send(self, line: Line) -> None:
        line.began, line.answer, line.is_busy = time.monotonic(), b"", True
        line.rest = memoryview(self._deliveries.next())
        self._push(line)

    def _push(self, line: Line) -> None:
        try:
            line.rest = line.rest[line.door.send(line.rest) :]
        except BlockingIOError:
            pass
        except OSError:
            line.rest = memoryview(b"")  # answered before all was read
        events = select.EPOLLIN | (select.EPOLLOUT if line.rest else 0)
        self._epoll.modify(line.door, events)

    def _on_event(self, line: Line, event: int, *, again: bool) -> None:
        if event & select.EPOLLOUT and line.rest:
            self._push(line)
        if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            data = line.door.recv(_ANSWER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        line.answer += data
        is_whole = _is_whole(line.answer)
        if data and not is_whole:
            return
        if line.is_busy:
            self._note(line, int(line.answer[9:12]) if is_whole else 0)
        if not data or b"Connection: close" in line.answer:
            self._close(line)
            if again:
                self._send(self._open())
        elif again:
            self._send(line)
        else:
            self._idle.append(line)

    def _note(self, line: Line, status: int) -> None:
        line.is_busy = False
        self.statuses[status] += 1
        took = time.monotonic() - line.began
        if status == 200:
            self.seconds.append(took)
        elif status == 503:
            self.refused_seconds.append(took)
            code = _CODE.search(line.answer)
            again = _RETRY_AFTER.search(line.answer)
            assert code, line.answer
            assert again, line.answer
            self.refusals[f"{code[1].decode()} {again[1].decode()}"] += 1


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


def percentile(values: list[float], share: float) -> float:
    """Value below which the share lies; 0 without values."""
    return sorted(values)[int(share * (len(values) - 1))] if values else 0.0


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--events", type=int, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rate", type=float)
    words = parser.parse_args()
    load = Load(words.port, events(words.events), words.connections, words.rate)
    cpu = time.process_time()
    took = load.run(words.seconds)
    found: dict[str, Any] = {
        "seconds": took,
        "statuses": load.statuses,
        "p50": percentile(load.seconds, 0.5),
        "p99": percentile(load.seconds, 0.99),
        "refused_p99": percentile(load.refused_seconds, 0.99),
        "unsent": load.unsent,
        "cpu": time.process_time() - cpu,
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
