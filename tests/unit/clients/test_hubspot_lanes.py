"""Lanes of a search: read at the same time, each record once, exact checkpoints."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.clients.hubspot_lanes import Lane
from crm_warehouse.clients.hubspot_ways import LANE_REQUESTS, Way
from crm_warehouse.clients.interface import Page, SourceClient, Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Retry
from tests.unit.clients.conftest import HUBSPOT, TOKEN
from tests.unit.clients.hubspot_portal import Portal, iso
from tests.unit.clients.recording_gate import START, RecordingGate
from tests.unit.clients.scripted_server import Reply, Request, ScriptedServer

CONTACTS = HUBSPOT.entities["contacts"]
WINDOW = Window(START - timedelta(hours=2), START)
EVERYTHING = Window(None, None)
#: More than a question can hold, so that records are read by id.
LONG_NAMES = [f"a_very_long_name_of_a_property_{n:04}" for n in range(100)]


@pytest.fixture
def lanes(
    server: ScriptedServer, gate: RecordingGate, portal: Portal
) -> Iterator[SourceClient]:
    """HubSpot with eight requests in flight."""
    source = replace(HUBSPOT, in_flight=8, quotas=(), retry=Retry((1.0,)))
    built = build_client(source, base_url=server.base_url, token=TOKEN, gate=gate)
    yield built
    built.close()


def walk(
    client: SourceClient,
    checkpoint: dict[str, Any] | None = None,
    *,
    window: Window = WINDOW,
    size: int = 50,
) -> Iterator[Page]:
    return client.iter_pages(CONTACTS, window, checkpoint=checkpoint, page_size=size)


def ids(pages: list[Page]) -> list[int]:
    return [int(record["id"]) for page in pages for record in page.records]


@pytest.mark.parametrize("order", ["number", "text"])
def test_every_record_of_one_millisecond_comes_once(
    lanes: SourceClient, portal: Portal, order: str
) -> None:
    portal.order = order
    portal.add(*range(900, 6_900))

    pages = list(walk(lanes, size=100))

    assert Counter(ids(pages)) == Counter(range(900, 6_900))
    assert pages[-1].total == 6_000
    # 30 pages and the count; the others are lanes that were cut off empty, or short.
    assert len(portal.asked("search")) <= 31 * 1.3
    assert sum(page.requests for page in pages) == len(portal.requests)


def test_several_requests_are_under_way(lanes: SourceClient, portal: Portal) -> None:
    portal.add(*range(1, 2_001))
    lock, met, in_vain = threading.Lock(), threading.Event(), threading.Event()
    here = 0

    def meet(_: dict[str, Any]) -> None:
        nonlocal here
        if len(portal.asked("search")) < 10 or in_vain.is_set():
            return
        with lock:
            here += 1
            if here == 3:
                met.set()
        if not met.wait(20):
            in_vain.set()
        with lock:
            here -= 1

    portal.before_search = meet

    pages = list(walk(lanes))

    assert met.is_set()
    assert len(ids(pages)) == 2_000


def test_no_more_is_read_than_may_be_lost(lanes: SourceClient, portal: Portal) -> None:
    portal.add(*range(1, 4_001))

    for given, _ in enumerate(walk(lanes, size=100), start=1):
        # Four pages of 200 are made at once, the one that is given away included.
        assert len(portal.asked("search")) <= given + 3


@pytest.mark.parametrize("order", ["number", "text"])
def test_each_checkpoint_leads_to_exactly_the_rest(
    lanes: SourceClient, portal: Portal, order: str
) -> None:
    portal.order = order
    portal.add(*range(90, 1_090))
    portal.names = LONG_NAMES
    # Some records take longer to be read than others to be found.
    portal.before_read = lambda asked: time.sleep(0.02 * (min(asked) % 50 < 10))
    pages = list(walk(lanes))
    assert any("lanes" in page.checkpoint["search"] for page in pages)

    for kept in range(0, len(pages), 7):
        rest = list(walk(lanes, pages[kept].checkpoint))

        came = ids(pages[: kept + 1]) + ids(rest)
        assert Counter(came) == Counter(range(90, 1_090))
        assert rest[-1].total == 1_000


def test_a_request_that_fails_for_a_while_is_repeated_and_stops_no_other(
    lanes: SourceClient, server: ScriptedServer, portal: Portal, gate: RecordingGate
) -> None:
    portal.add(*range(1, 1_001))
    portal.names = LONG_NAMES
    failed: set[bytes] = set()

    def shaky(request: Request) -> Reply:
        if request.body and request.body not in failed:
            failed.add(request.body)
            return Reply(500)
        return portal(request)

    server.run(shaky)

    pages = list(walk(lanes))

    assert Counter(ids(pages)) == Counter(range(1, 1_001))
    assert gate.tally.retries == len(failed) > 30
    assert gate.tally.requests == sum(page.requests for page in pages)


def test_what_is_whole_comes_before_a_failure(
    lanes: SourceClient, server: ScriptedServer, portal: Portal
) -> None:
    portal.add(*range(1, 2_001))
    portal.names = LONG_NAMES
    broken, failed = threading.Event(), threading.Semaphore(0)
    broken.set()

    def breaks(request: Request) -> Reply:
        if broken.is_set() and b'"value":"50"' in request.body:
            failed.release()
            return Reply(500)
        is_read = broken.is_set() and request.path.endswith("/batch/read")
        if is_read and request.json["inputs"][0]["id"] == "1":
            # The page before: on its way when the walk fails.
            failed.acquire(timeout=20)
            failed.acquire(timeout=20)
            time.sleep(0.2)
        return portal(request)

    server.run(breaks)
    came: list[Page] = []
    with pytest.raises(TransientSourceError, match="gave up after 2 requests"):
        came.extend(walk(lanes))
    threads = [t for t in threading.enumerate() if t.name.startswith("requests")]
    broken.clear()

    rest = list(walk(lanes, came[-1].checkpoint))

    assert threads == []
    assert 0 < len(ids(came)) < 2_000
    assert Counter(ids(came) + ids(rest)) == Counter(range(1, 2_001))


@pytest.mark.usefixtures("always_in_lanes")
def test_everything_in_lanes_is_read_by_id(lanes: SourceClient, portal: Portal) -> None:
    old, new = iso(START - timedelta(days=900)), iso(START + timedelta(days=1))
    portal.add(*range(1, 5_990), createdate=old)
    portal.add(*range(5_990, 6_000), createdate=new)
    portal.add(6_000)

    pages = list(walk(lanes, window=EVERYTHING, size=100))

    assert Counter(ids(pages)) == Counter(range(1, 6_001))
    assert pages[-1].total == 6_000
    assert {(page.way, page.indexed) for page in pages} == {("search", False)}
    assert all(
        "firstname" in each["properties"] for page in pages for each in page.records
    )
    assert portal.asked("read") != []


@pytest.mark.usefixtures("always_in_lanes")
def test_what_the_index_loses_on_the_way_shows_in_the_count(
    lanes: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 6_001), createdate=iso(START - timedelta(days=900)))
    portal.hidden = {4_000}

    def show(body: dict[str, Any]) -> None:
        if body["limit"] == 1 and body["filterGroups"]:
            portal.hidden = set()

    portal.before_search = show

    pages = list(walk(lanes, window=EVERYTHING, size=100))

    assert len(set(ids(pages))) == 5_999
    assert pages[-1].total == 6_000


@pytest.mark.parametrize(("count", "in_flight"), [(5_000, 8), (5_100, 1)])
def test_a_short_list_and_a_client_of_one_request_walk_the_list(
    server: ScriptedServer,
    gate: RecordingGate,
    portal: Portal,
    count: int,
    in_flight: int,
) -> None:
    portal.add(*range(1, count + 1))
    source = replace(HUBSPOT, in_flight=in_flight)
    client = build_client(source, base_url=server.base_url, token=TOKEN, gate=gate)

    pages = list(walk(client, window=EVERYTHING, size=100))

    client.close()
    assert len(ids(pages)) == count
    assert {(page.way, page.total) for page in pages} == {("list", None)}


@pytest.mark.parametrize(
    ("lane", "order", "first", "left", "middle"),
    [
        (Lane(read="200"), "number", "1", 1_000, "700"),
        (Lane(read="200", to="600"), "number", "1", 1_000, "400"),
        (Lane(read="200", to="201"), "number", "1", 1_000, None),
        (Lane(read="9" * 19), "number", "1", 1_000, None),
        (Lane(read="12"), "text", "10", 2_000, "220502512562814070"),
    ],
)
def test_where_a_lane_is_cut(
    lane: Lane[Any, Any], order: str, first: str, left: int, middle: str | None
) -> None:
    assert lane.middle(order, first, 200, left) == middle


@pytest.mark.parametrize(
    ("trip", "list_requests", "lanes_pay"),
    [(0.01, 1, False), (0.14, 1, False), (0.16, 1, True), (0.01, 2, True)],
)
def test_the_way_that_uses_the_quota_better(
    trip: float, list_requests: int, lanes_pay: bool
) -> None:
    in_lanes = Way(LANE_REQUESTS, at_once=8).pages_per_second(trip, HUBSPOT.quotas)
    as_list = Way(list_requests, at_once=1).pages_per_second(trip, HUBSPOT.quotas)

    assert (in_lanes > as_list) is lanes_pay


@pytest.mark.parametrize(
    ("trip", "list_requests", "lanes_pay"),
    [(0.001, 1, False), (0.25, 1, True), (0.001, 2, True)],
)
def test_without_quotas_the_own_work_is_the_limit(
    trip: float, list_requests: int, lanes_pay: bool
) -> None:
    in_lanes = Way(LANE_REQUESTS, at_once=8).pages_per_second(trip, ())
    as_list = Way(list_requests, at_once=1).pages_per_second(trip, ())

    assert (in_lanes > as_list) is lanes_pay
