"""Lists without counts: whatever moves between two pages, every survivor comes."""

import dataclasses
import tracemalloc
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.listing import read_listing
from crm_warehouse.clients.overlap import (
    MAX_STALLS,
    MAX_STEPS_BACK,
    walk_overlapping,
    window_behind,
)
from crm_warehouse.clients.registry import build_client
from crm_warehouse.clients.request_path import Answer
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.source_files import default_directory, load_source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.unit.clients.moving_list import MovingList, at_request
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import Reply, as_json

EVERYTHING = Window(None, None)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
MARKETSHARP = load_source(default_directory() / "marketsharp.yaml")
CONTACTS = MARKETSHARP.entities["contacts"]
SCHEDULES = 1500
#: A list that grows faster than it is read has no end.
_MOST_ROWS = 120


class BareList:
    """A list by position in memory; an element is ``(id, version)``.

    Args:
        rows: The elements.
        change: Called with them before each request, and its number from 1.
        size_of: From the size asked to the size that the source works with.
        shows: Ids that a page shows; the others are cut out of the page that is theirs.
    """

    def __init__(self, rows, *, change=None, size_of=lambda s: s, shows=None):
        self.rows = list(rows)
        self.asked = []
        self._change, self._size_of, self._shows = change, size_of, shows

    def __call__(self, page, size):
        self.asked.append((page, size))
        self.move(len(self.asked))
        size = self._size_of(size)
        part = self.rows[(page - 1) * size : page * size]
        records = [
            {"id": number, "modified_date": version}
            for number, version in part
            if self._shows is None or self._shows(number)
        ]
        return Answer(read_listing(records, ("data",)), 200, NOW, None, 1)

    def move(self, request=0):
        if self._change:
            self._change(self.rows, request)


def rows(count):
    return [(n, 0) for n in range(count)]


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


@pytest.fixture
def read(entity):
    """Walks a list in memory, through JSON checkpoints at the pages of ``stops``."""

    def run(source, size=10, stops=frozenset()):
        pages, kept = [], None
        while True:
            for page in walk_overlapping(source, entity, size, checkpoint=kept):
                pages.append(page)
                kept = page.checkpoint
                if len(pages) in stops:
                    break
            else:
                return pages
            source.move()

    return run


def churn(seed, *, moves, calm):
    """Random changes before every ``calm``-th request, and which ids they deleted."""
    rng = Random(seed)
    touched = set()
    fresh = iter(range(10**6, 2 * 10**6))

    def change(rows, request):
        for _ in range(0 if request % calm else rng.choice((0, 0, 1, 1, 2, 5))):
            move = rng.choice(moves)
            at = rng.choice((0, len(rows), rng.randint(0, len(rows))))
            many = rng.choice((1, 1, 1, 2, 3, 12))
            if move == "delete":
                touched.update(number for number, _ in rows[at : at + many])
                del rows[at : at + many]
            elif move == "insert" and len(rows) < _MOST_ROWS:
                rows[at:at] = [(next(fresh), 0) for _ in range(many)]
            elif move == "balance" and rows:
                at = rng.randrange(len(rows))
                touched.add(rows.pop(at)[0])
                rows.insert(rng.randint(0, len(rows)), (next(fresh), 0))
            elif move == "update" and rows:
                number, version = rows.pop(rng.randrange(len(rows)))
                rows.append((number, version + 1))

    return change, touched


@pytest.mark.parametrize(
    "moves",
    [
        ("delete",),
        ("delete", "insert", "balance"),
        ("balance",),
        ("update",),
        ("delete", "update"),
    ],
    ids=" ".join,
)
def test_no_survivor_is_missed(read, moves):
    """Any changes between any requests, and while the walk is interrupted."""
    gave_up = 0
    for seed in range(SCHEDULES):
        rng = Random(seed)
        change, touched = churn(seed, moves=moves, calm=rng.choice((1, 2, 5, 20)))
        source = BareList(rows(rng.randint(0, 90)), change=change)
        born = {number for number, _ in source.rows}
        stops = {n for n in range(1, 40) if rng.random() < 0.1}
        try:
            pages = read(source, size=rng.choice((9, 10, 11, 13)), stops=stops)
        except TransientSourceError:
            gave_up += 1
            continue
        assert born - touched <= set(ids(pages)), seed
        assert sum(page.requests for page in pages) == len(source.asked)
    # Up to sixty changes between any two requests for ten records.
    assert gave_up <= SCHEDULES // 500


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sizes_whose_pages_cannot_overlap_miss_no_survivor_of_deletions(read, size):
    """All sizes up to 4 divide 12: no page holds both record 12 and record 13."""
    assert window_behind(12, 4).reached == 12
    for seed in range(300):
        change, touched = churn(seed, moves=("delete",), calm=9)
        pages = read(BareList(rows(60), change=change), size=size, stops={3, 8})
        assert set(range(60)) - touched <= set(ids(pages)), seed


OWN_SIZES = {
    "always 10": lambda size: 10,
    "always 25": lambda size: 25,
    "at most 7": lambda size: min(size, 7),
    "at least 12": lambda size: max(size, 12),
    "5 or 10": lambda size: 10 if size > 5 else 5,
    "as asked": lambda size: size,
}


@pytest.mark.parametrize("name", OWN_SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 9, 10, 11, 19, 20, 21, 25, 26, 50, 68])
def test_a_source_with_page_sizes_of_its_own(read, name, count):
    source = BareList(rows(count), size_of=OWN_SIZES[name])
    assert ids(read(source)) == list(range(count))


def test_a_page_longer_than_asked_shows_at_once_that_sizes_do_not_count(read):
    source = BareList(rows(60), size_of=lambda size: 25)
    assert ids(read(source)) == list(range(60))
    assert [page for page, _ in source.asked] == [1, 1, 2, 1, 3, 2, 4, 3]
    assert {size for _, size in source.asked} == {10}


@pytest.mark.parametrize("name", OWN_SIZES)
@pytest.mark.parametrize("moves", [("delete",), ("insert",), ("update",)], ids=" ".join)
def test_page_sizes_of_its_own_in_a_moving_list(read, name, moves):
    for seed in range(300):
        rng = Random(seed)
        change, touched = churn(seed, moves=moves, calm=rng.choice((3, 7)))
        source = BareList(
            rows(rng.randint(0, 90)), size_of=OWN_SIZES[name], change=change
        )
        born = {number for number, _ in source.rows}
        stops = {n for n in range(1, 40) if rng.random() < 0.1}
        pages = read(source, stops=stops)
        assert born - touched <= set(ids(pages)), seed


@pytest.mark.parametrize("own", [lambda size: size, lambda size: 10])
def test_pages_that_are_filtered_after_they_were_cut(read, own):
    """One record in three is shown, but every page has one."""
    source = BareList(rows(100), size_of=own, shows=lambda n: n % 3 == 0 or n < 30)
    shown = [n for n in range(100) if n % 3 == 0 or n < 30]
    assert sorted(set(ids(read(source)))) == shown
    assert sorted(set(ids(read(source, stops={1, 4, 6})))) == shown


@pytest.mark.parametrize("kept", range(1, 8))
@pytest.mark.parametrize("gone", [0, 1, 9, 10, 25, 30])
def test_every_checkpoint_resumes(read, entity, kept, gone):
    before = read(BareList(rows(60)))[:kept]
    moved = [*rows(60)[gone:], *((n, 0) for n in range(100, 100 + gone))]

    after = walk_overlapping(
        BareList(moved), entity, 10, checkpoint=before[-1].checkpoint
    )

    came = set(ids(before)) | set(ids(after))
    assert {n for n, _ in moved} <= came


@pytest.mark.parametrize("size", [3, 10, 40])
def test_a_checkpoint_goes_on_in_any_page_size(read, entity, size):
    kept = read(BareList(rows(200)), size=20)[4].checkpoint
    assert kept["overlap"]["end"] == 80
    pages = walk_overlapping(BareList(rows(200)), entity, size, checkpoint=kept)
    came = ids(pages)
    assert 70 <= came[0] < 80
    assert set(range(kept["overlap"]["end"], 200)) <= set(came)


@pytest.mark.parametrize(("size", "begins"), [(10, 10), (40, 10), (7, 0)])
def test_a_checkpoint_of_pages_that_cannot_overlap(read, entity, size, begins):
    def source():
        return BareList(rows(95), size_of=lambda size: 10)

    kept = read(source())[2].checkpoint
    assert kept["overlap"]["page"] == 2
    came = ids(walk_overlapping(source(), entity, size, checkpoint=kept))
    assert set(came) == set(range(begins, 95))


@pytest.mark.parametrize(
    ("count", "requests"), [(0, 1), (5, 2), (10, 3), (20, 4), (25, 5)]
)
def test_what_it_costs(read, count, requests):
    source = BareList(rows(count))
    assert ids(read(source)) == list(range(count))
    assert len(source.asked) == requests


def test_what_it_costs_at_fifty(read):
    source = BareList(rows(5000))
    assert ids(read(source, size=50)) == list(range(5000))
    assert len(source.asked) == 123
    assert source.asked[:4] == [(1, 50), (2, 49), (3, 48), (4, 47)]


def test_a_long_list_takes_no_more_memory_than_a_short_one(entity):
    pages = walk_overlapping(BareList(rows(30_000)), entity, 100)
    next(pages)
    tracemalloc.start()
    try:
        seen = sum(len(page.records) for page in pages)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen >= 29_900
    assert most < 1_000_000


def test_records_without_ids(read, entity):
    nameless = dataclasses.replace(entity, id_path=("missing",))
    source = BareList(rows(45))
    assert ids(walk_overlapping(source, nameless, 10)) == list(range(45))

    def odd(page, size):
        part = [None, 7, "x", {"id": None}, *({"id": n} for n in range(40))]
        part = part[(page - 1) * size : page * size]
        return Answer(read_listing(part or [], ("data",)), 200, NOW, None, 1)

    pages = list(walk_overlapping(odd, entity, 10))
    assert sum(len(page.records) for page in pages) == 44


def test_duplicates_in_the_list(read):
    source = BareList([(n // 3, 0) for n in range(90)])
    assert set(ids(read(source))) == set(range(30))


def test_a_changed_record_of_the_overlap_comes_again(read):
    def change(rows, request):
        if request == 2:
            rows[8], rows[9] = (8, 1), (9, 1)

    pages = read(BareList(rows(30), change=change))
    came = [(r["id"], r["modified_date"]) for p in pages for r in p.records]
    assert {(9, 0), (9, 1)} <= set(came)
    assert {number for number, _ in came} == set(range(30))


def test_a_record_that_changed_without_a_version_comes_again(entity):
    def change(rows, request):
        if request == 2:
            rows[9] = (9, "other")

    unversioned = dataclasses.replace(entity, version_path=None)
    pages = walk_overlapping(BareList(rows(30), change=change), unversioned, 10)
    came = [(r["id"], r["modified_date"]) for p in pages for r in p.records]
    assert sorted(came, key=str) == sorted([*rows(30), (9, "other")], key=str)


def test_when_every_record_changed_the_list_begins_anew(read):
    def change(rows, request):
        if request == 50:
            rows[:] = [(number, 1) for number, _ in rows]

    source = BareList(rows(600), change=change)
    pages = read(source)
    assert source.asked.index((1, 10), 1) == 50 + MAX_STEPS_BACK
    came = {(r["id"], r["modified_date"]) for p in pages for r in p.records}
    assert {(n, 1) for n in range(600)} <= came


@pytest.mark.parametrize("shown", [1, 10])
def test_a_source_that_ignores_the_page_number(client, server, entity, shown):
    records = [{"id": n} for n in range(shown)]
    server.run(lambda _: as_json(records))
    with pytest.raises(TransientSourceError, match="know the page parameter"):
        list(client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=10))
    assert len(server.requests) <= MAX_STALLS + 5


def test_a_source_that_loops(read):
    def loop(page, size):
        return BareList(rows(500))(min(page, 3), size)

    with pytest.raises(TransientSourceError, match="know the page parameter"):
        read(loop)


def test_a_list_that_runs_in_a_circle(read):
    asked = []

    def circle(page, size):
        asked.append(page)
        assert len(asked) < 200
        records = [{"id": n % 60} for n in range((page - 1) * size, page * size)]
        return Answer(read_listing(records, ("data",)), 200, NOW, None, 1)

    with pytest.raises(TransientSourceError, match="runs in a circle"):
        read(circle)


@pytest.mark.parametrize("full", [True, False])
def test_a_source_without_end_in_which_nothing_stays(read, full):
    asked = []

    def script(page, size):
        asked.append(page)
        held = size if full else 1 + size // 2
        records = [{"id": len(asked) * 1000 + n} for n in range(held)]
        return Answer(read_listing(records, ("data",)), 200, NOW, None, 1)

    with pytest.raises(TransientSourceError, match="changes faster than it can"):
        read(script)
    assert len(asked) < 400


def test_a_stale_page_is_not_believed_twice(read):
    source = BareList(rows(60))

    def script(page, size):
        return source(1, size) if len(source.asked) == 2 else source(page, size)

    assert set(ids(read(script))) == set(range(60))


def test_a_checkpoint_of_pages_that_did_not_overlap_begins_anew(client, server, entity):
    source = MovingList(range(45), envelope=())
    server.run(source)
    kept = {
        "page": 4,
        "size": 10,
        "told": False,
        "total": None,
        "last": {"begun": 20, "ids": list(range(20, 30))},
    }
    pages = list(client.iter_pages(entity, EVERYTHING, checkpoint=kept, page_size=10))
    assert ids(pages) == list(range(45))
    assert source.pages[:2] == [3, 1]
    assert sum(page.requests for page in pages) == len(source.asked)


@pytest.mark.parametrize("request_number", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("gone", [1, 2, 10, 25])
@pytest.mark.parametrize("envelope", [(), ("per_page",)])
def test_a_deletion_between_any_two_pages(
    client, server, entity, request_number, gone, envelope
):
    def shrink(ids):
        del ids[:gone]

    change = at_request(request_number, shrink)
    source = MovingList(range(50), change=change, envelope=envelope)
    server.run(source)
    pages = client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=10)
    assert set(range(gone, 50)) <= set(ids(pages))


def marketsharp(base_url, token, gate):
    return build_client(MARKETSHARP, base_url=base_url, token=token, gate=gate)


def numbers(pages):
    return {record["ID"] for page in pages for record in page.records}


@pytest.mark.parametrize("own_size", [None, 50])
@pytest.mark.parametrize("at", [2, 3])
def test_marketsharp_with_a_deletion_between_pages(server, gate, own_size, at):
    people = list(range(1, 131))

    def answer(request):
        page, size = int(request.query["page"]), int(request.query["per_page"])
        size = own_size or size
        if len(server.requests) == at:
            people.remove(3)
        part = people[(page - 1) * size : page * size]
        inner = "".join(f"<Contact><ID>{n}</ID></Contact>" for n in part)
        return Reply(body=f"<Contacts>{inner}</Contacts>".encode())

    server.run(answer)
    client = marketsharp(server.base_url, "k", gate)
    since = Window(NOW - timedelta(hours=1), None)
    pages = list(client.iter_pages(CONTACTS, since, checkpoint=None, page_size=50))
    client.close()
    assert set(map(str, people)) <= numbers(pages)


@pytest.mark.parametrize("strikes", [1, 3])
@pytest.mark.parametrize("moves", [False, True])
def test_the_sandboxes_page_shift(strikes, moves):
    settings = Settings(prospects=10, sizes={"marketsharp": 220}, quota=False)
    with SandboxServer(settings) as running:
        crm = running.crm("marketsharp")
        crm.configure(counted_lists=False)
        crm.fault("page_shift", path="/contacts", count=strikes)
        client = marketsharp(crm.base_url, crm.token, RecordingGate())
        pages = []
        for page in client.iter_pages(
            CONTACTS, EVERYTHING, checkpoint=None, page_size=50
        ):
            pages.append(page)
            if moves and len(pages) < 4:
                crm.move("contacts", "create", 2)
                crm.move("contacts", "delete", 2)
        client.close()
        live = {row["source_id"] for row in crm.truth("contacts")}
    assert live <= numbers(pages)
