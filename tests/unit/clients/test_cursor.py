"""Every record of a cursor list, whatever the cursors do."""

import dataclasses
import logging

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import (
    ConfigurationError,
    QuotaWaitError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Paging, Retry
from tests.unit.clients.scripted_server import Reply, as_json

EVERYTHING = Window(None, None)
PAGING = Paging("cursor", "after", "limit", 10, 20, next_path=("next",))


@pytest.fixture
def cursor_source(source):
    return dataclasses.replace(source, paging=PAGING)


@pytest.fixture
def walk(server, gate, cursor_source, entity):
    """Walks a list and returns its pages; an endless walk ends with the quota."""
    clients = []
    gate.quota = 300

    def run(script=None, *, checkpoint=None, size=10, source=cursor_source):
        if script:
            server.run(script)
        client = build_client(source, base_url=server.base_url, token="t", gate=gate)
        clients.append(client)
        return client.iter_pages(
            entity, EVERYTHING, checkpoint=checkpoint, page_size=size
        )

    yield run
    for client in clients:
        client.close()


def page(first, count, following, **more):
    records = [{"id": n} for n in range(first, first + count)]
    return {"data": records, "next": following, **more}


def chain(pages):
    """Serves pages by the cursor that is asked for."""
    return lambda request: as_json(pages[request.query.get("after")])


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


THREE = {
    None: page(0, 10, "b", total=25),
    "b": page(10, 10, "c", total=25),
    "c": page(20, 5, None, total=25),
}


def test_from_the_first_page_to_the_last(walk, server):
    pages = list(walk(chain(THREE)))
    assert ids(pages) == list(range(25))
    assert [request.query for request in server.requests] == [
        {"limit": "10"},
        {"limit": "10", "after": "b"},
        {"limit": "10", "after": "c"},
    ]
    assert [p.checkpoint for p in pages] == [
        {"cursor": "b"},
        {"cursor": "c"},
        {"cursor": "c"},
    ]
    assert [(p.total, p.requests) for p in pages] == [(25, 1)] * 3


@pytest.mark.parametrize("end", [{"next": None}, {"next": ""}, {}])
def test_what_ends_a_list(walk, end):
    (only,) = walk(lambda _: as_json({"data": [{"id": 1}], **end}))
    assert only.checkpoint == {"cursor": None}
    assert only.total is None


@pytest.mark.parametrize("place", range(3))
def test_a_resumed_walk_goes_on_behind_any_page(walk, server, place):
    checkpoint = list(walk(chain(THREE)))[place].checkpoint
    server.requests.clear()
    rest = list(walk(checkpoint=checkpoint))
    assert ids(rest) == list(range(25))[[10, 20, 20][place] :]
    assert server.requests[0].query["after"] == checkpoint["cursor"]


def test_a_list_of_one_page_is_resumed_from_its_beginning(walk, server):
    script = chain({None: page(0, 3, None)})
    (only,) = walk(script)
    assert ids(walk(script, checkpoint=only.checkpoint)) == [0, 1, 2]
    assert server.requests[1].query == {"limit": "10"}


def test_short_and_empty_pages_go_on(walk):
    lengths = [10, 3, 0, 0, 7]
    pages = {
        None if n == 0 else str(n): page(n * 10, length, str(n + 1) if n < 4 else None)
        for n, length in enumerate(lengths)
    }
    assert len(ids(walk(chain(pages)))) == 20


def test_endless_empty_pages_end_with_an_error(walk, server):
    with pytest.raises(TransientSourceError, match="101 empty pages in a row"):
        list(walk(lambda _: as_json(page(0, 0, len(server.requests)))))
    assert len(server.requests) == 101


def test_whole_numbers_are_cursors_too(walk, server):
    pages = list(
        walk(chain({None: page(0, 1, 10), "10": page(1, 1, 0), "0": page(2, 1, None)}))
    )
    assert ids(pages) == [0, 1, 2]
    assert pages[0].checkpoint == {"cursor": "10"}


@pytest.mark.parametrize("following", [True, 1.5, ["b"], {"b": 1}, "\ud800", "b\n"])
def test_no_cursor_is_a_fault_and_not_the_end(walk, server, following):
    with pytest.raises(TransientSourceError, match="neither text nor a whole number"):
        list(walk(lambda _: as_json(page(0, 1, following))))
    assert len(server.requests) == 5


def test_a_bare_list_is_a_fault_and_not_the_end(walk):
    with pytest.raises(TransientSourceError, match="no place for a cursor"):
        list(walk(lambda _: as_json([{"id": 1}])))


def test_an_answer_without_a_list_is_a_fault(walk):
    with pytest.raises(TransientSourceError, match="no list at 'data'"):
        list(walk(lambda _: as_json({"next": None})))


@pytest.mark.parametrize("back_to", ["b", "c"])
def test_a_cursor_that_comes_again_ends_with_an_error(walk, server, back_to):
    pages = {**THREE, "c": page(20, 5, back_to)}
    with pytest.raises(TransientSourceError, match="repeats a cursor"):
        list(walk(chain(pages)))
    assert len(server.requests) == 7


def test_a_cursor_that_comes_again_once_is_asked_for_again(walk, server):
    stale = iter([True])

    def script(request):
        cursor = request.query.get("after")
        if cursor == "b" and next(stale, False):
            return as_json(page(0, 10, "b"))
        return as_json(THREE[cursor])

    pages = list(walk(script))
    assert ids(pages) == list(range(25))
    assert [p.requests for p in pages] == [1, 2, 1]


@pytest.mark.parametrize("status", [400, 410])
def test_a_checkpoint_that_has_grown_old_begins_the_list_anew(walk, status, caplog):
    def script(request):
        cursor = request.query.get("after")
        return Reply(status) if cursor == "old-secret" else as_json(THREE[cursor])

    with caplog.at_level(logging.WARNING):
        pages = list(walk(script, checkpoint={"cursor": "old-secret"}))
    assert ids(pages) == list(range(25))
    assert [p.requests for p in pages] == [2, 1, 1]
    assert f"status {status}" in caplog.text
    assert "old-secret" not in caplog.text


@pytest.mark.parametrize(
    ("checkpoint", "asked"),
    [(None, [None]), (None, [None, "b"]), ({"cursor": "b"}, ["b", "c"])],
)
def test_any_other_refusal_stops(walk, server, checkpoint, asked):
    def script(request):
        cursor = request.query.get("after")
        return Reply(400) if cursor == asked[-1] else as_json(THREE[cursor])

    with pytest.raises(RequestRefusedError, match="status 400"):
        list(walk(script, checkpoint=checkpoint))
    assert [request.query.get("after") for request in server.requests] == asked


def test_a_source_that_refuses_every_list_is_asked_twice(walk, server):
    with pytest.raises(RequestRefusedError):
        list(walk(lambda _: Reply(400), checkpoint={"cursor": "b"}))
    assert len(server.requests) == 2


def test_faults_and_quota(walk, server, gate):
    server.answer(Reply(503), as_json(THREE[None]))
    gate.quota = 2
    pages = walk()
    first = next(pages)
    assert (first.requests, gate.pauses) == (2, [1.0])
    with pytest.raises(QuotaWaitError):
        next(pages)
    gate.quota = None
    assert ids(walk(chain(THREE), checkpoint=first.checkpoint)) == list(range(10, 25))


@pytest.mark.parametrize(("asked", "sent"), [(0, "1"), (7, "7"), (500, "20")])
def test_the_page_size_is_bounded(walk, server, asked, sent):
    list(walk(chain({None: page(0, 1, None)}), size=asked))
    assert server.requests[0].query == {"limit": sent}


@pytest.mark.parametrize("checkpoint", [{"page": 2, "size": 10}, {"cursor": 7}, {}])
def test_a_checkpoint_of_other_paging(walk, checkpoint):
    with pytest.raises(ConfigurationError, match="not one of cursor pages"):
        list(walk(checkpoint=checkpoint))


def test_without_repetitions_the_fault_is_named(walk, cursor_source):
    hurried = dataclasses.replace(cursor_source, retry=Retry(()))
    with pytest.raises(TransientSourceError, match="gave up after 1 request"):
        list(walk(lambda _: Reply(200, b"<html>"), source=hurried))
