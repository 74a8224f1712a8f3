"""Pages fetched in a thread: in order, a few ahead, and ended when asked."""

import threading
from collections.abc import Iterator

import pytest
from deadline import until
from engine_load import NOON

from crm_warehouse.clients.interface import Page
from crm_warehouse.engine.read_ahead import ANSWERS_AHEAD, ReadAhead
from crm_warehouse.errors import QuotaWaitError, TransientSourceError


def page(number: int) -> Page:
    return Page([], NOON, None, {"page": number}, None, 1)


def numbers(ahead: ReadAhead) -> list[int]:
    """Numbers of all pages until the end or an error."""
    found = []
    while (item := ahead.next(10)) is not None:
        found.append(item.checkpoint["page"])
    return found


def test_pages_come_in_order_to_the_end() -> None:
    ahead = ReadAhead((page(n) for n in range(50)), threading.Event())

    assert numbers(ahead) == list(range(50))
    ahead.join()


def test_it_runs_a_few_pages_ahead_and_no_more() -> None:
    fetched: list[int] = []
    stop = threading.Event()

    def pages() -> Iterator[Page]:
        for n in range(100):
            fetched.append(n)
            yield page(n)

    ahead = ReadAhead(pages(), stop)
    # One page more is in the thread's hand.
    until(lambda: len(fetched) == ANSWERS_AHEAD + 1)
    with pytest.raises(TimeoutError):
        until(lambda: len(fetched) > ANSWERS_AHEAD + 1, seconds=0.3)
    assert ahead.next(5) is not None
    until(lambda: len(fetched) == ANSWERS_AHEAD + 2)
    stop.set()
    ahead.join()


@pytest.mark.parametrize(
    "error", [TransientSourceError("reset"), QuotaWaitError(NOON, "hourly")]
)
def test_pages_before_a_fault_come_before_the_fault(error: Exception) -> None:
    def pages() -> Iterator[Page]:
        yield page(0)
        yield page(1)
        raise error

    ahead = ReadAhead(pages(), threading.Event())
    assert [ahead.next(5), ahead.next(5)] == [page(0), page(1)]
    with pytest.raises(type(error)) as raised:
        ahead.next(5)
    assert raised.value is error
    ahead.join()


def test_a_page_that_takes_long_can_be_asked_for_again() -> None:
    gate, stop = threading.Event(), threading.Event()

    def pages() -> Iterator[Page]:
        gate.wait(10)
        yield page(0)

    ahead = ReadAhead(pages(), stop)
    with pytest.raises(TimeoutError):
        ahead.next(0.05)
    gate.set()
    assert ahead.next(5) == page(0)
    assert ahead.next(5) is None
    ahead.join()


def test_stop_ends_the_thread_though_nobody_takes_its_pages() -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    ahead = ReadAhead((page(n) for n in range(1000)), stop)
    # Threads of others may end, or begin, meanwhile.
    begun = [t for t in set(threading.enumerate()) - before if t.name == "pages"]
    stop.set()
    ahead.join()

    assert [thread.is_alive() for thread in begun] == [False]
