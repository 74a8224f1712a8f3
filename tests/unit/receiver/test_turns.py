"""Connections that senders keep are shared out among the workers."""

import http.client
import os
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from include.local_stack.ports import HOST
from tests.proof.hubspot_sender import EVENTS, PATH, signed
from tests.proof.receiver_process import Receiver
from webhook_receiver.turns import Turns

#: Connections of one worker before the other begins.
_LEAD = 20
#: By chance alone these would hardly ever even it out.
_MOST_MORE = 60
_EVEN = 2
_PATIENCE_SECONDS = 60.0
_ESTABLISHED = "01"


def test_it_is_the_turn_of_whoever_has_fewest() -> None:
    turns = Turns()
    turns.begin(0)
    turns.begin(3)
    assert not turns.is_others(0)

    turns.tell(0, 1)
    assert turns.is_others(0)
    assert not turns.is_others(3)

    turns.tell(3, 1)
    assert not turns.is_others(0)


def test_nobody_waits_for_a_worker_that_has_ended() -> None:
    turns = Turns()
    turns.begin(0)
    turns.begin(1)
    turns.tell(0, 5)
    turns.end(1)

    assert not turns.is_others(0)


def test_a_worker_with_fewer_connections_gets_the_next_ones(receiver: Receiver) -> None:
    with ExitStack() as senders:
        one, other = _both_at_work(senders, receiver)
        os.kill(one, signal.SIGSTOP)
        try:
            while (ahead := _ahead(receiver, other, one)) < _LEAD:
                _connect(senders, receiver)
        finally:
            os.kill(one, signal.SIGCONT)
        more = 0
        while ahead > _EVEN and more < _MOST_MORE:
            _connect(senders, receiver)
            more, ahead = more + 1, _ahead(receiver, other, one)

    assert ahead <= _EVEN


def _both_at_work(senders: ExitStack, receiver: Receiver) -> list[int]:
    """The two workers, once each has a connection."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(pids := receiver.workers()) < 2 or not all(
        _connections(pid, receiver.port) for pid in pids
    ):
        assert time.monotonic() < deadline
        _connect(senders, receiver)
    return pids


def _ahead(receiver: Receiver, one: int, other: int) -> int:
    """How many more connections one has."""
    more, fewer = (_connections(pid, receiver.port) for pid in (one, other))
    return more - fewer


def _connect(senders: ExitStack, receiver: Receiver) -> None:
    """Another sender, who stays after the answer."""
    sender = http.client.HTTPConnection(HOST, receiver.port, timeout=60)
    senders.callback(sender.close)
    sender.request("POST", PATH, EVENTS, signed())
    assert sender.getresponse().read()


def _connections(pid: int, port: int) -> int:
    """How many the process holds, by what the kernel says."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    kept = {
        row[9]
        for row in rows[1:]
        if row[1].endswith(f":{port:04X}") and row[3] == _ESTABLISHED
    }
    links = (str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
    held = {match[1] for link in links if (match := re.match(r"socket:\[(\d+)", link))}
    return len(kept & held)
