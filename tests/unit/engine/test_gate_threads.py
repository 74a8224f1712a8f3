"""Threads of one job behind its gate: counted once each, and all stopped together."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from deadline import until
from engine_load import NOON, Connection, rows

from crm_warehouse.clients.interface import Page
from crm_warehouse.engine.gate import Patience, QuotaGate, StoppedError
from crm_warehouse.engine.read_ahead import PAGES_AHEAD, ReadAhead, pages_ahead
from crm_warehouse.errors import QuotaWaitError
from crm_warehouse.spec import Quota

HOURLY = Quota("hourly", 5, 3_600.0)
THREADS = 12


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def open_gate(
    shared_warehouse: str, shared_conn: Connection, stop: threading.Event
) -> Iterator[Callable[[float], QuotaGate]]:
    shared_conn.execute("DELETE FROM ops.api_quota")
    gates: list[QuotaGate] = []

    def open_gate(max_wait: float) -> QuotaGate:
        patience = Patience(max_wait, 60.0)
        gate = QuotaGate(
            shared_warehouse, "crm", [HOURLY], stop, asker="deals", patience=patience
        )
        gates.append(gate)
        return gate

    yield open_gate
    for gate in gates:
        gate.close()


def test_threads_get_what_the_quota_has_and_no_more(
    open_gate: Callable[[float], QuotaGate], shared_conn: Connection
) -> None:
    gate = open_gate(0.0)

    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(gate.take) for _ in range(THREADS)]
    errors = [each.exception() for each in asked if each.exception() is not None]

    assert len(errors) == THREADS - HOURLY.requests
    assert {type(error) for error in errors} == {QuotaWaitError}
    used = rows(shared_conn, "SELECT sum(used) AS used FROM ops.api_quota_usage")
    assert used == [(HOURLY.requests,)]


def test_one_thread_asks_for_all_and_stop_ends_all(
    open_gate: Callable[[float], QuotaGate],
    stop: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, answers = open_gate(10_000.0), []
    ask = gate._ask
    monkeypatch.setattr(
        gate, "_ask", lambda kind: answers.append(ask(kind)) or answers[-1]
    )
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(gate.take) for _ in range(THREADS)]
        try:
            until(lambda: sum(each.done() for each in asked) == HOURLY.requests)
            until(lambda: len(answers) == HOURLY.requests + 1, seconds=20)
        finally:
            stop.set()

    stopped = [each.exception() for each in asked if each.exception() is not None]
    assert [type(error) for error in stopped] == [StoppedError] * 7
    # Nobody but the one that waited has asked, nor does anyone when all stops.
    assert len(answers) == HOURLY.requests + 1


def test_a_client_that_makes_several_pages_has_fewer_waiting() -> None:
    # Such a page has 200 records, a usual one 100.
    pages = [(pages_ahead(n, 100), n // 2) for n in range(2, 9)]

    assert pages_ahead(1, 100) == PAGES_AHEAD
    assert max((waiting + making) * 2 for waiting, making in pages) <= PAGES_AHEAD + 1
    assert min(waiting for waiting, _ in pages) == 8


def test_of_large_pages_fewer_wait() -> None:
    waiting = [pages_ahead(1, size) for size in (25, 100, 500, 5_000)]

    assert waiting == [24, 24, 4, 1]


def test_a_client_ends_with_the_thread_that_reads_it(stop: threading.Event) -> None:
    ended = threading.Event()

    def pages() -> Iterator[Page]:
        try:
            while True:
                yield Page([], NOON, None, {}, None, 1)
        finally:
            ended.set()

    ahead = ReadAhead(pages(), stop, 1)
    stop.set()
    ahead.join()

    assert ended.is_set()
