"""Limits hold for all workers together, and no flood pushes a signed delivery out."""

import fcntl
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from stored import bodies

from tests.proof.hubspot_sender import (
    EVENTS,
    PATH,
    Answer,
    call,
    deliver,
    now_ms,
    signed,
)
from tests.proof.receiver_process import HUBSPOT, Receiver, Start
from webhook_receiver.delivery import Rate, Sender
from webhook_receiver.limits import FAILURES, Limits, Locks

#: So slow that nothing is made up for during a test.
NARROW = {**HUBSPOT, "webhook_rate": {"per_second": 0.001, "burst": 20}}
NOBODY = ip_address("203.0.113.9")


@pytest.fixture
def proxied(start: Start, warehouse: str) -> Receiver:
    """Behind a proxy, whose part the test plays."""
    return start(warehouse, NARROW, CRM_WAREHOUSE_PROXIES="1")


def post(receiver: Receiver, address: str, body: bytes, secret: str = "") -> Answer:
    headers = signed(body, secret=secret) if secret else signed(body)
    headers["X-Forwarded-For"] = address
    return call(receiver.port, "POST", PATH, headers, body)


def distinct(prefix: int, count: int) -> Iterator[bytes]:
    yield from (b"[%d, %d]" % (prefix, number) for number in range(count))


def flood(receiver: Receiver) -> list[str]:
    """Deliveries without proof from one address until one is not looked at; codes."""
    codes = [""]
    while codes[-1] != "TOO_MANY_FAILURES":
        assert len(codes) < 20 * FAILURES.burst
        codes.append(post(receiver, "203.0.113.9", EVENTS, "wrong").code)
    return codes[1:]


def test_all_workers_have_one_limit_that_outlives_them(
    start: Start, warehouse: str
) -> None:
    receiver = start(warehouse, NARROW)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda body: deliver(receiver.port, body), distinct(1, 60))
        )
    found = Counter(answer.status for answer in answers)
    refused = [answer for answer in answers if answer.status != 200]

    assert found == {200: 20, 503: 40}
    assert {answer.code for answer in refused} == {"RATE_LIMITED"}
    assert all(900 < int(each.headers["Retry-After"]) <= 1000 for each in refused)
    assert len(bodies(warehouse)) == 20

    parent = receiver.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    receiver.wait_for("/readyz")
    assert deliver(receiver.port, b"[2]").code == "RATE_LIMITED"


def test_what_is_not_proven_takes_no_room_of_its_source(proxied: Receiver) -> None:
    for number, body in enumerate(distinct(1, 40)):
        answer = post(proxied, f"203.0.113.{number}", body, "wrong")
        assert (answer.status, answer.code) == (401, "SIGNATURE_INVALID")
    answers = [post(proxied, "198.51.100.7", body) for body in distinct(2, 21)]

    assert [answer.status for answer in answers] == [200] * 20 + [503]


def test_a_flood_from_one_address_is_not_looked_at_and_others_are(
    proxied: Receiver, warehouse: str
) -> None:
    codes = flood(proxied)
    assert len(codes) > FAILURES.burst
    assert set(codes[:-1]) == {"SIGNATURE_INVALID"}

    assert post(proxied, "198.51.100.7", b"[1]").status == 200
    # The body of what is not looked at is not read: it need not even come. Room for a
    # failure comes back each tenth of a second, so that the first may be looked at.
    announced = {"X-Forwarded-For": "203.0.113.9", "Content-Length": "900"}
    for _ in range(10):
        flood(proxied)
        answer = call(proxied.port, "POST", PATH, signed() | announced)
        if answer.status == 503:
            break
    assert (answer.status, answer.code) == (503, "TOO_MANY_FAILURES")
    assert answer.headers["Retry-After"] == "10"
    assert bodies(warehouse) == [b"[1]"]


def test_one_old_delivery_played_again_is_not_looked_at_for_ever(
    proxied: Receiver,
) -> None:
    """Rightly signed as it is, it earns no trust; nor does it fill the log."""
    headers = signed(timestamp=now_ms(-301)) | {"X-Forwarded-For": "203.0.113.9"}
    codes = [""]
    while codes[-1] != "TOO_MANY_FAILURES":
        assert len(codes) < 20 * FAILURES.burst
        answer = call(proxied.port, "POST", PATH, headers, EVENTS)
        assert answer.status == 503
        codes.append(answer.code)

    assert len(codes) > FAILURES.burst
    assert set(codes[1:-1]) == {"SIGNATURE_EXPIRED"}
    alarms = re.findall(r"ERROR .* is 30\d s old \((\d+) such", proxied.log)
    assert len(alarms) < FAILURES.burst / 2
    assert alarms[0] == "1"


def test_who_proved_itself_is_heard_among_any_number_of_failures(
    proxied: Receiver,
) -> None:
    """Many callers behind one address: the source's own network, or a hidden proxy."""
    assert post(proxied, "198.51.100.7", b"[1]").status == 200
    codes = {
        post(proxied, "198.51.100.7", EVENTS, "wrong").code
        for _ in range(2 * FAILURES.burst)
    }
    assert codes == {"SIGNATURE_INVALID"}
    assert post(proxied, "198.51.100.7", b"[2]").status == 200


def holder(locks: Locks, at: int) -> int:
    """A process that holds a lock until it is killed; its id."""
    held, told = os.pipe()
    if not (pid := os.fork()):
        try:
            with locks.held(at):
                os.write(told, b"!")
                signal.pause()
        finally:
            os._exit(0)
    assert os.read(held, 1) == b"!"
    os.close(held)
    os.close(told)
    return pid


def test_a_lock_is_one_worker_s_until_it_dies() -> None:
    locks = Locks()
    pid = holder(locks, 5)
    try:
        with locks.held(4):  # another number is free
            pass
        with pytest.raises(BlockingIOError):
            fcntl.lockf(locks._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    fcntl.lockf(locks._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)


def test_a_burst_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("webhook_receiver.limits.time", clock)
    limits = Limits(["hubspot", "activeprospect"])
    sender = Sender((), "", rate=Rate(per_second=2, burst=3))

    def taken(source: str = "hubspot") -> list[float]:
        return [round(limits.take(source, sender), 3) for _ in range(4)]

    assert taken() == [0, 0, 0, 0.5]
    assert taken("activeprospect") == [0, 0, 0, 0.5]
    now += 0.4
    assert taken() == [0.1] * 4
    now += 0.6
    assert taken() == [0, 0, 0.5, 0.5]
    now += 1000
    assert taken() == [0, 0, 0, 0.5]


def test_a_raised_rate_holds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers outlive a reload, which is when a connection is read again."""
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("webhook_receiver.limits.time", clock)
    limits = Limits(["hubspot"])
    slow = Sender((), "", rate=Rate(per_second=0.01, burst=3))
    quick = Sender((), "", rate=Rate(per_second=2, burst=10))

    assert [limits.take("hubspot", slow) for _ in range(3)] == [0.0] * 3
    # As after a whole burst of its own.
    assert round(limits.take("hubspot", quick), 3) == 0.5
    now += 1
    assert [round(limits.take("hubspot", quick), 3) for _ in range(3)] == [0, 0, 0.5]


def test_a_wide_limit_is_as_exact_and_asks_others_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("webhook_receiver.limits.time", clock)
    limits, asked = Limits(["hubspot"]), 0
    held = Locks.held

    def counted(locks: Locks, at: int) -> AbstractContextManager[None]:
        nonlocal asked
        asked += 1
        return held(locks, at)

    monkeypatch.setattr(Locks, "held", counted)
    sender = Sender((), "", rate=Rate(per_second=50, burst=1030))

    assert [limits.take("hubspot", sender) for _ in range(1030)] == [0.0] * 1030
    assert asked == 206
    assert round(limits.take("hubspot", sender), 3) == 0.02
    now += 0.06
    assert [limits.take("hubspot", sender) for _ in range(3)] == [0.0] * 3
    assert limits.take("hubspot", sender) > 0


def test_an_ipv6_network_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("webhook_receiver.limits.time", clock)
    limits = Limits(["hubspot"])
    for number in range(FAILURES.burst):
        assert limits.failures_left(NOBODY)
        limits.failed(ip_address(f"2001:db8::{number:x}"))

    assert not limits.failures_left(ip_address("2001:db8::ffff:1"))
    assert limits.failures_left(ip_address("2001:db8:0:1::1"))
    assert limits.failures_left(NOBODY)
    assert limits.failures_left(None)
