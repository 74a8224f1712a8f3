"""The proxy does what networks do, and nothing when it is told nothing."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.proof.fault_proxy import HOST, FaultProxy, Faults

_PATIENCE_SECONDS = 60.0
MESSAGE = bytes(range(256)) * 40


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A reset connection is what these tests make."""


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with _Server((HOST, 0), _Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with FaultProxy(lambda: echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with connect(proxy) as client:
        yield client


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), _PATIENCE_SECONDS)


def read(client: socket.socket, size: int) -> list[bytes]:
    """What comes, piece by piece, until so much has come or the end."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < size and (piece := client.recv(65536)):
        pieces.append(piece)
    return pieces


def test_without_faults_bytes_and_ends_pass(client: socket.socket) -> None:
    client.sendall(MESSAGE)
    assert b"".join(read(client, len(MESSAGE))) == MESSAGE

    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""


def test_latency_holds_each_direction_up(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.faults = Faults(latency_seconds=0.1, jitter_seconds=0.05)
    began = time.monotonic()

    client.sendall(b"x")

    assert client.recv(1) == b"x"
    assert time.monotonic() - began >= 0.2


def test_rate_is_not_exceeded(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.faults = Faults(bytes_per_second=100_000)
    began = time.monotonic()

    client.sendall(MESSAGE)

    assert b"".join(read(client, len(MESSAGE))) == MESSAGE
    assert time.monotonic() - began >= len(MESSAGE) / 100_000


def test_slices_are_whole_together(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.faults = Faults(slice_bytes=7, latency_seconds=0.001)

    client.sendall(MESSAGE[:100])
    pieces = read(client, 100)

    assert b"".join(pieces) == MESSAGE[:100]
    assert len(pieces) > 1


@pytest.mark.parametrize("direction", ["up", "down"])
def test_cut_after_bytes_of_a_direction(proxy: FaultProxy, direction: str) -> None:
    proxy.faults = Faults(cut_after=1000, cut_in=direction)  # type: ignore[arg-type]

    with connect(proxy) as client:
        client.sendall(MESSAGE)
        got = b"".join(read(client, len(MESSAGE)))

    assert MESSAGE.startswith(got)
    # Cut on its way up, the echo may still be on its way down.
    assert len(got) <= 1000 if direction == "up" else len(got) == 1000


def test_reset_is_no_orderly_end(proxy: FaultProxy) -> None:
    proxy.faults = Faults(cut_after=1000, reset=True)

    with connect(proxy) as client:
        client.sendall(MESSAGE)
        with pytest.raises(ConnectionResetError):
            read(client, len(MESSAGE))


def test_open_connections_can_be_reset(
    proxy: FaultProxy, client: socket.socket
) -> None:
    client.sendall(b"x")
    assert client.recv(1) == b"x"

    proxy.reset_all()

    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_half_open_accepts_and_answers_nothing(
    proxy: FaultProxy, client: socket.socket
) -> None:
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    proxy.faults = Faults(hang=True)

    with connect(proxy) as second:
        for each in (client, second):
            each.sendall(MESSAGE)
            each.settimeout(0.2)
            with pytest.raises(TimeoutError):
                each.recv(1)


def test_a_server_that_is_down_ends_the_connection(echo: int) -> None:
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        with (
            FaultProxy(lambda: nobody.getsockname()[1]) as proxy,
            connect(proxy) as client,
        ):
            assert client.recv(1) == b""
