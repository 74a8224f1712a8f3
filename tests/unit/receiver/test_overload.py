"""More than it can take: quick refusals that ask to come again, and no other harm."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from stored import bodies

from include.local_stack.ports import HOST
from tests.proof.hubspot_sender import EVENTS, deliver
from tests.proof.receiver_load import Load, events
from tests.proof.receiver_process import Receiver

#: Two processes take 128 requests each.
TOO_MANY = 320
#: Whoever has waited for a thread so long is refused too.
WAIT_SECONDS = 0.5
#: HubSpot waits for five.
MOST_SECONDS = 4.0


@contextmanager
def overloaded(receiver: Receiver, warehouse: str) -> Iterator[Load]:
    """More deliveries than it takes while nothing can be stored; ends with them."""
    load = Load(receiver.port, EVENTS, TOO_MANY)
    thread = threading.Thread(target=load.run, args=(1.0,))
    with psycopg.connect(warehouse) as owner:
        owner.execute("LOCK TABLE staging.webhook_deliveries")
        thread.start()
        try:
            yield load
        finally:
            thread.join()


def test_too_many_are_refused_when_they_come(
    receiver: Receiver, warehouse: str
) -> None:
    with overloaded(receiver, warehouse) as load:
        pass  # that is all

    assert load.statuses.keys() == {503}
    assert load.statuses[503] > TOO_MANY
    assert max(load.refused_seconds) < MOST_SECONDS
    # They did not wait for their turn first.
    assert min(load.refused_seconds) < WAIT_SECONDS
    assert load.refusals.keys() == {"OVERLOADED 10", "INBOX_UNAVAILABLE 10"}
    assert re.search(r"503 OVERLOADED: \d+ requests", receiver.log)
    assert bodies(warehouse) == []
    assert deliver(receiver.port).status == 200


def test_ten_callers_with_a_hundred_events_each_are_answered_in_time(
    receiver: Receiver,
) -> None:
    load = Load(receiver.port, events(100), 10)
    load.run(1.0)

    assert load.statuses.keys() == {200}
    assert len(load.seconds) >= 10
    assert max(load.seconds) < MOST_SECONDS


def test_who_asks_how_it_is_is_answered_under_overload(
    receiver: Receiver, warehouse: str
) -> None:
    with overloaded(receiver, warehouse):
        statuses = [receiver.get(path).status for path in ("/healthz", "/readyz") * 3]
    assert statuses == [200] * 6


@contextmanager
def connections(receiver: Receiver, says: bytes) -> Iterator[None]:
    """Forty that stay open, whatever they are answered."""
    with ExitStack() as stack:
        for _ in range(40):
            door = socket.create_connection((HOST, receiver.port))
            stack.enter_context(door).sendall(says)
        yield


@pytest.mark.parametrize(
    "says",
    [b"", b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ids=["says nothing", "does not hang up"],
)
def test_who_stays_on_the_line_holds_up_nobody(receiver: Receiver, says: bytes) -> None:
    with connections(receiver, says):
        began = time.monotonic()
        assert deliver(receiver.port).status == 200
        assert time.monotonic() - began < MOST_SECONDS
