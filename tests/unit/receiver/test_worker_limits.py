"""The worker ends what takes too long, and no answer is destroyed on its way.

The limits are looked at by a clock that the test turns.
"""

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from gunicorn.config import Config

from include.local_stack.ports import HOST
from tests.proof.hubspot_sender import PATH, signed
from tests.proof.receiver_process import Receiver
from webhook_receiver import worker as worker_module
from webhook_receiver.worker import Connection, Worker

#: What the documents say.
WAIT_SECONDS = 0.5
READ_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
_A_LITTLE = 0.05
#: More than the worker takes in one piece; the kernel keeps it for whoever reads.
_UNREAD_BYTES = 96 * 1024
_ROOM_BYTES = 1024 * 1024


class Caller:
    """One who calls a worker of this process, and both ends of the line."""

    def __init__(self, ends: ExitStack) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
            listener.bind((HOST, 0))
            listener.listen()
            address = listener.getsockname()
            self.sock = ends.enter_context(socket.create_connection(address, 60))
            served, client = listener.accept()
        ends.callback(served.close)
        self.connection = Connection(Config(), served, client, address)

    def says(self, text: bytes) -> None:
        """Say it, until all of it has arrived."""
        self.sock.sendall(text)
        served = self.connection.sock
        wait_for(lambda: len(_seen(served, len(text))) == len(text))

    def hears(self) -> bytes:
        """All that is said, until the line is closed in order; fails on a reset."""
        return _heard(self.sock)


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as ends:
        yield ends


@pytest.fixture
def worker(ends: ExitStack) -> Worker:
    """A worker with one thread that is not in a loop of its own."""
    worker = Worker(0, os.getpid(), [], None, 30, Config(), logging.getLogger("test"))
    worker.tpool = ends.enter_context(ThreadPoolExecutor(1))
    worker.method_queue.init()
    ends.callback(worker.method_queue.close)
    ends.callback(worker.tmp.close)
    return worker


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _seen(sock: socket.socket, most: int) -> bytes:
    try:
        return sock.recv(most, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def _heard(sock: socket.socket) -> bytes:
    heard = b""
    while piece := sock.recv(65536):
        heard += piece
    return heard


def _is_at_its_end(sock: socket.socket) -> bool:
    """Whether who reads there finds something, or the end, without waiting."""
    ears = select.poll()
    ears.register(sock, select.POLLIN)
    return bool(ears.poll(0))


def _finish(worker: Worker) -> None:
    """What the worker's loop does when answers are there, until none is awaited."""

    def nothing_is_awaited() -> bool:
        worker.method_queue.run_callbacks(None)
        return not worker._requests

    wait_for(nothing_is_awaited)


def test_a_refusal_arrives_whole_however_much_was_said_before(
    worker: Worker, ends: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_MOST_REQUESTS", 0)
    caller = Caller(ends)
    worker.nr_conns = 1
    caller.says(b"POST / HTTP/1.1\r\n\r\n" + bytes(_UNREAD_BYTES))
    worker.enqueue_req(caller.connection)

    answer = caller.hears()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 10\r\n" in answer
    assert answer.endswith(b"}}")
    assert worker.nr_conns == 0


def test_an_answer_arrives_whole_when_the_body_was_not_read(receiver: Receiver) -> None:
    body = bytes(48 * 1024)
    headers = {**signed(body), "Content-Type": "text/plain", "Connection": "close"}
    lines = [f"POST {PATH} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((HOST, receiver.port), PATIENCE_SECONDS) as sock:
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = _heard(sock)

    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"CONTENT_TYPE_NOT_TAKEN" in answer


@pytest.fixture
def busy(worker: Worker, ends: ExitStack) -> Worker:
    """A worker whose thread is at work until the test ends."""
    is_over, has_begun = threading.Event(), threading.Event()
    worker.tpool.submit(lambda: (has_begun.set(), is_over.wait(PATIENCE_SECONDS)))
    ends.callback(is_over.set)
    assert has_begun.wait(PATIENCE_SECONDS)
    return worker


def _asked(worker: Worker, caller: Caller) -> Future[Any]:
    worker.nr_conns += 1
    worker.enqueue_req(caller.connection)
    return worker._requests[caller.connection]


def test_who_waits_for_a_thread_for_half_a_second_is_refused(
    busy: Worker, ends: ExitStack
) -> None:
    caller = Caller(ends)
    caller.says(b"POST / HTTP/1.1\r\n\r\n")
    answer = _asked(busy, caller)
    asked_at = caller.connection.asked_at
    busy._sweep(asked_at + WAIT_SECONDS - _A_LITTLE)
    assert not answer.cancelled()

    busy._sweep(asked_at + WAIT_SECONDS + _A_LITTLE)
    assert answer.cancelled()
    _finish(busy)
    assert caller.hears().startswith(b"HTTP/1.1 503 ")
    assert busy.nr_conns == 0


def test_who_says_a_request_for_ten_seconds_is_heard_no_longer(
    worker: Worker, ends: ExitStack
) -> None:
    caller = Caller(ends)
    caller.says(b"POST / HTTP/1.1\r\n")
    caller.connection.data_ready = True  # as whoever gives it a thread has seen
    answer = _asked(worker, caller)
    served = caller.connection.sock
    # The thread has it, and all that was said, and waits for more.
    wait_for(lambda: caller.connection.taken_at is not None and not _seen(served, 1))
    taken_at = caller.connection.taken_at or 0.0
    worker._sweep(taken_at + READ_SECONDS - _A_LITTLE)
    assert not _is_at_its_end(served)

    worker._sweep(taken_at + READ_SECONDS + _A_LITTLE)
    assert _is_at_its_end(served)
    assert answer.result(PATIENCE_SECONDS) is False
    _finish(worker)
    assert caller.hears() == b""
    assert worker.nr_conns == 0
