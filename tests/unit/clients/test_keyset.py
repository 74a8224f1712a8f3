"""Lists in which the last record's id is the place of the next page."""

import dataclasses
import logging

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.engine.chunk import place_of
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Paging, Retry
from tests.unit.clients.scripted_server import Reply, as_json

EVERYTHING = Window(None, None)
PAGING = Paging("keyset", "after_id", "limit", 10, 20, next_path=("id",))


@pytest.fixture
def walk(server, gate, source, entity):
    """Walks a list; an endless walk ends with the quota."""
    clients = []
    gate.quota = 100
    impatient = dataclasses.replace(source, paging=PAGING, retry=Retry((0.1, 0.1)))

    def run(script=None, *, checkpoint=None, size=10, by=("id",)):
        if script:
            server.run(script)
        listed = dataclasses.replace(entity, id_path=by)
        client = build_client(impatient, base_url=server.base_url, token="t", gate=gate)
        clients.append(client)
        return client.iter_pages(
            listed, EVERYTHING, checkpoint=checkpoint, page_size=size
        )

    yield run
    for client in clients:
        client.close()


def listing(records):
    """Serves a list by the place that is asked for."""

    def reply(request):
        size = int(request.query["limit"])
        names = [record["id"] for record in records]
        after = request.query.get("after_id")
        begin = names.index(after) + 1 if after else 0
        return as_json(records[begin : begin + size])

    return reply


def records(count):
    return [{"id": f"{number:03}"} for number in range(count)]


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


@pytest.mark.parametrize("count", [1, 9, 10, 11, 20])
def test_every_record_once_and_the_end_asked_for_twice(walk, server, count):
    pages = list(walk(listing(records(count))))

    assert ids(pages) == [record["id"] for record in records(count)]
    full = -(-count // 10)
    assert [len(page.records) for page in pages[full:]] == [0, 0]
    places = [request.query.get("after_id") for request in server.requests]
    assert places == [None, *(p.checkpoint["keyset"]["last"] for p in pages[:-1])]
    assert sum(page.requests for page in pages) == len(server.requests) == full + 2


def test_an_empty_list_is_asked_for_twice(walk, server):
    pages = list(walk(listing([])))

    assert [page.records for page in pages] == [[], []]
    assert [page.checkpoint for page in pages] == [{"keyset": {"last": None}}] * 2
    assert [request.query for request in server.requests] == [{"limit": "10"}] * 2


def test_one_empty_page_ends_nothing(walk, server):
    serve, empty = listing(records(25)), iter([False, True])
    pages = list(
        walk(lambda request: as_json([]) if next(empty, False) else serve(request))
    )

    assert ids(pages) == [record["id"] for record in records(25)]
    assert len(server.requests) == 3 + 1 + 2


@pytest.mark.parametrize("kind", [str, int])
def test_short_pages_end_nothing(walk, kind):
    """Also where ids are whole numbers: a source may send less than was asked."""
    all_records = [{"id": kind(number)} for number in range(100, 125)]
    names = [str(record["id"]) for record in all_records]

    def short(request):
        after = request.query.get("after_id")
        begin = names.index(after) + 1 if after else 0
        return as_json(all_records[begin : begin + 3])

    pages = list(walk(short))

    assert ids(pages) == [record["id"] for record in all_records]
    assert pages[-1].checkpoint == {"keyset": {"last": "124"}}


def test_the_page_before_is_asked_for_again(walk, server):
    serve, seen = listing(records(25)), []

    def repeat(request):
        seen.append(request)
        before = {"limit": "10"} if len(seen) == 2 else request.query
        return serve(dataclasses.replace(request, query=before))

    assert ids(walk(repeat)) == [record["id"] for record in records(25)]
    assert len(server.requests) == 3 + 1 + 2


@pytest.mark.parametrize("period", [1, 2, 3])
def test_a_list_in_a_circle_ends_with_an_error(walk, server, period):
    pages = [records(30)[n * 10 : n * 10 + 10] for n in range(period)]

    with pytest.raises(TransientSourceError, match="repeats a page"):
        list(walk(lambda _: as_json(pages[(len(server.requests) - 1) % period])))


def test_records_without_an_id_are_kept_and_passed_over(walk):
    mixed = [{"id": "a"}, {"id": None}, {"id": "b"}, {"name": "x"}, "odd"]

    def serve(request):
        return as_json({None: mixed, "b": mixed[3:]}[request.query.get("after_id")])

    pages = list(walk(serve))
    assert [page.records for page in pages] == [mixed, mixed[3:], mixed[3:]]


def test_a_full_page_without_any_id_leads_nowhere(walk):
    with pytest.raises(TransientSourceError, match="has an id to go on from"):
        list(walk(lambda _: as_json([{"id": None}] * 10)))


def test_a_short_page_whose_places_are_missing_is_no_end(walk):
    """As where the file names the wrong place."""
    with pytest.raises(TransientSourceError, match="has an id to go on from"):
        list(walk(lambda _: as_json([{"name": "a"}, {"name": "b"}]), by=("name",)))


def test_a_resumed_list_goes_on_behind_the_last_record(walk, server):
    pages = list(walk(listing(records(25))))
    server.requests.clear()
    rest = list(walk(checkpoint=pages[1].checkpoint))

    assert ids(rest) == [record["id"] for record in records(25)[20:]]
    assert server.requests[0].query == {"limit": "10", "after_id": "019"}


@pytest.mark.parametrize("status", [400, 410])
def test_a_place_that_is_forgotten_begins_the_list_anew(walk, caplog, status):
    serve = listing(records(12))
    refused = iter([True])
    with caplog.at_level(logging.WARNING):
        pages = list(
            walk(
                lambda r: Reply(status) if next(refused, False) else serve(r),
                checkpoint={"keyset": {"last": "gone"}},
            )
        )

    assert ids(pages) == [record["id"] for record in records(12)]
    assert pages[0].requests == 2
    assert "the list begins anew" in caplog.text


def test_a_place_refused_later_stops_the_walk(walk):
    serve = listing(records(30))
    with pytest.raises(RequestRefusedError):
        list(walk(lambda r: Reply(400) if "after_id" in r.query else serve(r)))


@pytest.mark.parametrize(
    "checkpoint", [{}, {"cursor": "b"}, {"keyset": "b"}, {"keyset": {"last": 3}}]
)
def test_a_checkpoint_of_another_walk_is_refused(walk, checkpoint):
    with pytest.raises(ConfigurationError, match="--restart"):
        list(walk(listing([]), checkpoint=checkpoint))


def test_where_a_page_stands_in_words():
    checkpoint = {"keyset": {"last": "5fd4371e940df5a34a3888b2"}}
    words = place_of("/events", checkpoint)
    assert words == "/events, up to id 5fd4371e940df5a34a3888b2"
