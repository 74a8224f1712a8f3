"""Every record of a list by offset, whatever others do to it meanwhile."""

import dataclasses

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Paging
from tests.unit.clients.scripted_server import as_json

EVERYTHING = Window(None, None)
PAGING = Paging("offset", "offset", "limit", 10, 20)


class OffsetList:
    """Serves numbers by position.

    Args:
        ids: The records, in order.
        shows: What the envelope tells besides: ``total``, ``more``.
        cap: Most records of a page, whatever is asked.
    """

    def __init__(self, ids, shows=(), cap=1000):
        self.ids = list(ids)
        self.shows = shows
        self.cap = cap
        self.asked = []
        self.before = {}

    def __call__(self, request):
        begun, size = int(request.query["offset"]), int(request.query["limit"])
        self.asked.append((begun, size))
        self.before.get(len(self.asked), lambda: None)()
        size = min(size, self.cap)
        told = {"total": len(self.ids), "more": begun + size < len(self.ids)}
        records = [{"id": n} for n in self.ids[begun : begun + size]]
        return as_json({"data": records, **{key: told[key] for key in self.shows}})


@pytest.fixture
def walk(server, gate, source, entity):
    """Walks a list; an endless walk ends with the quota."""
    clients = []
    gate.quota = 400

    def run(script, *, paging=PAGING, checkpoint=None, size=10):
        server.run(script)
        changed = dataclasses.replace(source, paging=paging)
        client = build_client(changed, base_url=server.base_url, token="t", gate=gate)
        clients.append(client)
        return client.iter_pages(
            entity, EVERYTHING, checkpoint=checkpoint, page_size=size
        )

    yield run
    for client in clients:
        client.close()


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


MORE = dataclasses.replace(PAGING, more_path=("more",))


@pytest.mark.parametrize(
    ("shows", "paging", "asked"),
    [
        (("total",), PAGING, [0, 9, 18]),
        (("more",), MORE, [0, 9, 18]),
        ((), PAGING, [0, 9, 18, 24]),
    ],
)
def test_pages_overlap_by_a_record_that_comes_once(walk, shows, paging, asked):
    served = OffsetList(range(25), shows)
    pages = list(walk(served, paging=paging))
    assert ids(pages) == list(range(25))
    assert [begun for begun, _ in served.asked] == asked
    assert [page.requests for page in pages] == [1] * len(asked)


@pytest.mark.parametrize("shows", [("total",), ("more",), ()])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 19, 20])
def test_lists_of_any_length_end(walk, shows, count):
    paging = MORE if "more" in shows else PAGING
    assert ids(walk(OffsetList(range(count), shows), paging=paging)) == [*range(count)]


@pytest.mark.parametrize("shows", [("total",), ("more",), ()])
@pytest.mark.parametrize("gone", [[0], [9], [3, 4, 5], range(10), range(9, 12)])
def test_a_deletion_meanwhile_hides_no_other_record(walk, shows, gone):
    served = OffsetList(range(40), shows)
    served.before[2] = lambda: [served.ids.remove(n) for n in gone]
    paging = MORE if "more" in shows else PAGING
    came = ids(walk(served, paging=paging))
    assert set(came) >= set(range(40)) - set(gone)


def test_growth_at_the_beginning_is_no_end(walk):
    served = OffsetList(range(40))
    served.before[2] = lambda: served.ids.insert(0, 100)
    served.before[4] = lambda: served.ids.insert(0, 101)
    assert set(ids(walk(served))) >= set(range(40))


def test_a_source_that_caps_pages_in_silence_loses_nothing(walk):
    served = OffsetList(range(40), cap=7)
    assert ids(walk(served)) == list(range(40))
    assert [begun for begun, _ in served.asked][:3] == [0, 6, 12]


@pytest.mark.parametrize("count", [5, 10, 19, 200])
def test_a_source_that_ignores_the_offset_is_a_fault(walk, count):
    first = OffsetList(range(count), ("total",))

    def ignorant(request):
        request.query["offset"] = "0"
        return first(request)

    with pytest.raises(TransientSourceError, match="know the offset parameter"):
        list(walk(ignorant)) if count > 10 else list(walk(blind(count)))


def blind(count):
    """Always the same page, and no count."""
    return lambda _: as_json({"data": [{"id": n} for n in range(count)]})


@pytest.mark.parametrize("place", range(4))
def test_a_resumed_walk_goes_on_behind_any_page(walk, place):
    checkpoint = list(walk(OffsetList(range(35))))[place].checkpoint
    served = OffsetList(range(35))
    rest = ids(walk(served, checkpoint=checkpoint))
    begun = [9, 18, 27, 34][place]
    assert (served.asked[0], rest) == ((begun, 10), list(range(begun, 35)))


def test_a_resumed_walk_steps_back_over_what_was_deleted_meanwhile(walk):
    checkpoint = list(walk(OffsetList(range(40))))[1].checkpoint
    served = OffsetList(range(8, 40))
    assert set(ids(walk(served, checkpoint=checkpoint))) >= set(range(19, 40))
    assert [begun for begun, _ in served.asked][:2] == [18, 9]


def test_a_total_that_is_passed_is_no_end(walk):
    served = OffsetList(range(30))
    assert ids(walk(lambda request: counted(served(request), 15))) == list(range(30))


def counted(reply, total):
    return dataclasses.replace(reply, body=reply.body[:-1] + b', "total": %d}' % total)


@pytest.mark.parametrize("flag", [None, "true", 1])
def test_a_flag_that_is_not_there_is_no_end(walk, flag):
    body = {"data": [{"id": 1}], **({} if flag is None else {"more": flag})}
    with pytest.raises(TransientSourceError, match="no true or false at 'more'"):
        list(walk(lambda _: as_json(body), paging=MORE))


def test_a_total_in_another_place(walk):
    paging = dataclasses.replace(PAGING, total_path=("meta", "count"))
    served = OffsetList(range(10))

    def script(request):
        reply = served(request)
        meta = b', "meta": {"count": 10}}'
        return dataclasses.replace(reply, body=reply.body[:-1] + meta)

    (only,) = walk(script, paging=paging)
    assert only.total == 10
    with pytest.raises(TransientSourceError, match=r"no number at 'meta\.count'"):
        list(walk(OffsetList(range(10)), paging=paging))


def test_a_checkpoint_of_other_paging(walk):
    with pytest.raises(ConfigurationError, match="not one of offset pages"):
        list(walk(OffsetList([]), checkpoint={"cursor": "b"}))


def test_what_a_full_load_costs(server, gate, source, entity):
    server.run(OffsetList(range(25), ("total",)))
    changed = dataclasses.replace(source, paging=PAGING)
    client = build_client(changed, base_url=server.base_url, token="t", gate=gate)
    cost = client.cost(entity, 10, None)
    assert (cost.records, cost.requests) == (25, 3)
    assert len(list(client.iter_pages(
        entity, EVERYTHING, checkpoint=None, page_size=10
    ))) == 3  # fmt: skip
    client.close()
