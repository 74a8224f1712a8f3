"""Bodies that are not what their headers say, too large, or never end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from stored import bodies

from tests.proof.hubspot_sender import EVENTS, PATH, call, deliver, signed
from tests.proof.receiver_process import Receiver

#: Of both processes.
THREADS = 16
DRIPS = 3 * THREADS
#: From the moment a thread takes a request until all of it must have been read.
READ_SECONDS = 10
HUBSPOT_PATIENCE_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
MEBIBYTE = 1024 * 1024


def head(length: int, body: bytes = EVENTS) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: a", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in signed(body).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answers(receiver: Receiver, *parts: bytes) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", receiver.port), 20)) as sock:
        sock.sendall(b"".join(parts))
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "GZIP"])
def test_a_compressed_body_is_not_taken(
    receiver: Receiver, warehouse: str, coding: str
) -> None:
    headers = signed() | {"Content-Encoding": coding}
    answer = call(receiver.port, "POST", PATH, headers, EVENTS)

    assert (answer.status, answer.code) == (415, "CONTENT_ENCODING_NOT_TAKEN")
    assert bodies(warehouse) == []


@pytest.mark.parametrize("coding", ["", "identity"])
def test_one_that_says_it_is_not_compressed_is(
    receiver: Receiver, warehouse: str, coding: str
) -> None:
    headers = signed() | {"Content-Encoding": coding}

    assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
    assert bodies(warehouse) == [EVENTS]


def test_a_length_that_is_not_the_bodys_stores_nothing(
    receiver: Receiver, warehouse: str
) -> None:
    shorter = answers(receiver, head(len(EVENTS) - 1), EVENTS)
    longer = answers(receiver, head(len(EVENTS) + 1), EVENTS)

    assert shorter.startswith(b"HTTP/1.1 401 ")
    assert b"SIGNATURE_INVALID" in shorter
    assert longer.startswith(b"HTTP/1.1 400 ")
    assert b"BODY_INCOMPLETE" in longer
    assert b" 200 " not in shorter + longer
    assert bodies(warehouse) == []


def test_a_body_compressed_on_its_way_is_not_taken(
    receiver: Receiver, warehouse: str
) -> None:
    length = b"Content-Length: 0"
    coded = head(0).replace(length, b"Transfer-Encoding: gzip, chunked")
    answer = answers(receiver, coded, b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENTS), EVENTS))

    assert answer.startswith(b"HTTP/1.1 415 ")
    assert bodies(warehouse) == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n[1]\r\n0\r\n\r\n",
        b"-5\r\n[1]\r\n0\r\n\r\n",
        b"3\r\n[1]\r\n0\r\nno colon\r\n\r\n",
        b"3\r\n[1]\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
    ids=["no size", "below nothing", "no trailer", "many trailers"],
)
def test_chunks_that_cannot_be_read_are_the_callers_fault(
    receiver: Receiver, warehouse: str, chunks: bytes
) -> None:
    chunked = head(0, b"[1]").replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    answer = answers(receiver, chunked, chunks)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"BODY_MALFORMED" in answer
    assert " ERROR " not in receiver.log
    assert bodies(warehouse) == []


def memory_kib(receiver: Receiver) -> int:
    """Most that any worker ever held."""
    parent = receiver.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = (Path(f"/proc/{pid}/status").read_text() for pid in children)
    return max(int(text.split("VmHWM:")[1].split()[0]) for text in found)


def test_what_is_too_large_is_not_kept_in_memory(receiver: Receiver) -> None:
    sent = 64

    def pieces() -> Iterator[bytes]:
        yield from (b"a" * MEBIBYTE for _ in range(sent))

    assert deliver(receiver.port).status == 200
    before = memory_kib(receiver)
    for _ in range(4):
        try:
            answer = call(receiver.port, "POST", PATH, signed(b""), pieces())
        except ConnectionError:
            continue  # it has answered and gone while most was still on its way
        assert (answer.status, answer.code) == (413, "BODY_TOO_LARGE")

    # Each thread that read one keeps what a body, and its copy as it grows, took.
    assert memory_kib(receiver) - before < sent * 1024 / 2
    assert " 413 BODY_TOO_LARGE " in receiver.log


@pytest.mark.proof
@pytest.mark.parametrize("part", ["head", "body"])
def test_without_a_proxy_the_silent_hold_a_thread_for_seconds_only(
    receiver: Receiver, part: str
) -> None:
    """Nobody is locked out for good; nobody at all is what nginx is for."""
    sent = head(900) + b"[" if part == "body" else head(900)[:-4]
    with ExitStack() as silent:
        for _ in range(THREADS + 8):
            sock = socket.create_connection(("127.0.0.1", receiver.port), 20)
            silent.enter_context(sock)
            sock.sendall(sent)
        wait_for(lambda: deliver(receiver.port).status == 200)
    assert "Traceback" not in receiver.log


@contextmanager
def drips(receiver: Receiver) -> Iterator[list[float]]:
    """More than there are threads send a byte now and then; when each was ended."""
    ends: list[float] = []
    is_over = threading.Event()

    def drip() -> None:
        door = socket.create_connection(("127.0.0.1", receiver.port), 20)
        began = time.monotonic()
        with closing(door):
            door.sendall(head(900))
            while not is_over.wait(0.5):
                try:
                    door.sendall(b"[")
                except OSError:
                    ends.append(time.monotonic() - began)
                    return

    threads = [threading.Thread(target=drip) for _ in range(DRIPS)]
    for thread in threads:
        thread.start()
    try:
        yield ends
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_who_finds_only_threads_that_wait_for_drips_is_told_soon(
    receiver: Receiver,
) -> None:
    with drips(receiver):
        wait_for(lambda: "503 OVERLOADED" in receiver.log)
        answers = []
        for _ in range(4):
            began = time.monotonic()
            answers.append(deliver(receiver.port))
            assert time.monotonic() - began < HUBSPOT_PATIENCE_SECONDS

    # By chance all of them meet the same process, and one of its threads is free.
    refused = [answer for answer in answers if answer.status != 200]
    assert {(answer.status, answer.code) for answer in refused} <= {(503, "OVERLOADED")}
    assert {answer.headers["Retry-After"] for answer in refused} <= {"10"}
    wait_for(lambda: deliver(receiver.port).status == 200)
    assert "Traceback" not in receiver.log


@pytest.mark.proof
def test_a_drip_holds_a_thread_for_seconds_only(receiver: Receiver) -> None:
    with drips(receiver) as ends:
        wait_for(lambda: len(ends) == DRIPS)
        assert deliver(receiver.port).status == 200

    # A byte is sent after the end until one comes back as an error.
    assert max(ends) < READ_SECONDS + 3
    assert THREADS / 2 <= receiver.log.count(" 400 BODY_INCOMPLETE ") <= THREADS
    assert "Traceback" not in receiver.log
