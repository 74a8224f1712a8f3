"""Every record once at least, whatever the list does meanwhile."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.listing import read_listing
from crm_warehouse.clients.position import MAX_EMPTY_PAGES, Position
from crm_warehouse.clients.rest import iso_seconds
from crm_warehouse.errors import (
    ConfigurationError,
    QuotaWaitError,
    TransientSourceError,
)
from tests.unit.clients.moving_list import MovingList, at_request
from tests.unit.clients.scripted_server import as_json

EVERYTHING = Window(None, None)
BARE = ()
COUNTED = ("per_page", "total", "total_pages")


@pytest.fixture
def walk(client, server, entity):
    """Walks a list and returns its pages."""

    def run(script, *, size=10, checkpoint=None, window=EVERYTHING, of=entity):
        server.run(script)
        pages = client.iter_pages(of, window, checkpoint=checkpoint, page_size=size)
        return list(pages)

    return run


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


def test_an_envelope_ends_with_its_last_page(walk):
    source = MovingList(range(25))
    pages = walk(source)
    assert ids(pages) == list(range(25))
    assert source.asked == [(1, 10), (2, 10), (3, 10)]
    assert [page.total for page in pages] == [25, 25, 25]
    place = {"size": 10, "told": True, "total": 25}
    assert [page.checkpoint for page in pages] == [
        {"page": 2, **place, "last": {"begun": 0, "ids": list(range(10))}},
        {"page": 3, **place, "last": {"begun": 10, "ids": list(range(10, 20))}},
        {"page": 3, **place, "last": {"begun": 20, "ids": list(range(20, 25))}},
    ]


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (5, 2), (20, 3), (25, 4)])
def test_without_a_page_count_only_an_empty_page_ends(walk, count, requests):
    source = MovingList(range(count), envelope=("total",))
    assert ids(walk(source)) == list(range(count))
    assert len(source.asked) == requests


def test_an_empty_list(walk):
    (page,) = walk(MovingList([]))
    assert (page.records, page.total) == ([], 0)


def test_short_and_empty_pages_do_not_end_the_list(walk):
    lengths = {1: 10, 2: 3, 3: 0, 4: 0, 5: 7}

    def script(request):
        page = int(request.query["page"])
        records = [{"id": page * 100 + n} for n in range(lengths[page])]
        return as_json({"data": records, "total_pages": 5})

    assert len(ids(walk(script))) == 20


def test_endless_empty_pages_end_with_an_error(walk, server):
    with pytest.raises(TransientSourceError, match="101 empty pages in a row"):
        walk(lambda _: as_json({"data": [], "total_pages": 10**9}))
    assert len(server.requests) == MAX_EMPTY_PAGES + 1


def test_counters_as_text_and_nonsense(walk):
    def script(request):
        page = int(request.query["page"])
        return as_json(
            {"data": [{"id": page}], "total_pages": "3", "total": -1, "per_page": True}
        )

    pages = walk(script)
    assert ids(pages) == [1, 2, 3]
    assert pages[-1].total is None


@pytest.mark.parametrize("total", ["9" * 30, "٣", 2.5, None, [3]])
def test_a_total_that_is_no_count_is_unknown(total):
    listing = read_listing({"data": [], "total": total}, ("data",))
    assert listing.total is None


def test_an_end_that_page_count_and_total_disagree_on_is_not_believed(walk):
    def script(request):
        page = int(request.query["page"])
        records = [{"id": page * 10 + n} for n in range(10)] if page <= 3 else []
        return as_json({"data": records, "total": 30, "total_pages": 1})

    assert len(ids(walk(script))) == 30


def test_a_total_that_is_too_high_costs_one_request(walk, server):
    def script(request):
        page = int(request.query["page"])
        records = [{"id": page}] if page <= 2 else []
        return as_json({"data": records, "total": 10**6, "total_pages": 2})

    pages = walk(script)
    assert ids(pages) == [1, 2]
    # What is missing is the engine's to judge: it needs the source's word.
    assert pages[-1].total == 10**6
    assert len(server.requests) == 3


def test_a_total_that_the_last_page_disproves_is_not_believed(walk):
    source = MovingList(range(100))

    def script(request):
        page, asked = int(request.query["page"]), int(request.query["per_page"])
        lie = {"total": 37, "total_pages": 4}
        return as_json({**source.page(page, asked), **lie})

    pages = walk(script)
    assert ids(pages) == list(range(100))
    # A page past the end may be an error: a resumed walk must begin before it.
    assert pages[4].checkpoint["page"] == 5


def test_an_honest_end_on_a_full_page_costs_no_request(walk):
    source = MovingList(range(30))
    walk(source)
    assert source.pages == [1, 2, 3]


def test_the_latest_total_counts_where_a_page_tells_none(walk):
    source = MovingList(range(25))

    def script(request):
        page, asked = int(request.query["page"]), int(request.query["per_page"])
        answer = source.page(page, asked)
        return as_json({**answer, "total": 25} if page == 1 else answer["data"])

    assert [page.total for page in walk(script)] == [25, 25, 25, 25]


def test_a_growing_list_is_read_to_its_new_end(walk):
    source = MovingList(
        range(20), change=at_request(2, lambda ids: ids.extend(range(20, 35)))
    )
    pages = walk(source)
    assert ids(pages) == list(range(35))
    assert [page.total for page in pages] == [20, 35, 35, 35]


@pytest.mark.parametrize(
    ("gone", "pages"),
    [(1, [1, 2, 3, 2, 3, 4, 5]), (10, [1, 2, 3, 2, 3, 4]), (11, [1, 2, 3, 1, 2, 3, 4])],
)
def test_a_shrinking_list_is_stepped_back(walk, gone, pages):
    def shrink(ids):
        del ids[:gone]

    source = MovingList(range(50), change=at_request(3, shrink))
    assert set(source.ids) <= set(ids(walk(source)))
    assert source.pages == pages


def test_shrinking_before_the_last_page_does_not_end_the_list(walk):
    # Page 3 is past the end by the time it is asked for; record 20 moved to page 2.
    def shrink(ids):
        del ids[:5]

    source = MovingList(range(21), change=at_request(3, shrink))
    pages = walk(source)
    assert set(source.ids) <= set(ids(pages))
    assert source.pages == [1, 2, 3, 2]
    assert pages[-1].total == 16


def test_a_source_that_hides_its_cap_is_stepped_back_far_enough(walk):
    def shrink(ids):
        del ids[:8]

    source = MovingList(
        range(40),
        cap=5,
        envelope=("total", "total_pages"),
        change=at_request(4, shrink),
    )
    assert set(source.ids) <= set(ids(walk(source)))
    assert source.pages[:6] == [1, 2, 3, 4, 2, 3]


def test_a_total_that_swings_forever_ends_with_an_error(walk, server):
    def script(request):
        page = int(request.query["page"])
        total = 4000 if len(server.requests) % 30 else 10
        return as_json({"data": [{"id": page}], "total": total, "total_pages": 400})

    with pytest.raises(TransientSourceError, match="changes faster than it can"):
        walk(script)
    assert len(server.requests) < 400


@pytest.mark.parametrize("cap", [1, 3, 4, 7, 9])
@pytest.mark.parametrize("envelope", [COUNTED, ("total", "total_pages")])
def test_a_capped_page_size_is_adopted(walk, cap, envelope):
    source = MovingList(range(25), cap=cap, envelope=envelope)
    assert ids(walk(source)) == list(range(25))
    assert len(source.asked) == -(-25 // cap)
    if envelope == COUNTED:
        assert set(source.asked[1:]) <= {(page, cap) for page in range(2, 26)}


def test_a_cap_that_comes_while_resuming(walk):
    source = MovingList(range(50), cap=4)
    pages = walk(source, checkpoint={"page": 3, "size": 10, "total": 50})
    # Asked for page 3 of 10, the source answered page 3 of 4: records 8 to 11.
    assert ids(pages) == [8, 9, 10, 11, *range(20, 50)]
    assert source.asked[1] == (6, 4)


@pytest.mark.parametrize("envelope", [COUNTED, ("per_page",)])
def test_a_source_with_larger_pages_than_asked(walk, envelope):
    source = MovingList(range(50), least=20, envelope=envelope)
    assert ids(walk(source)) == list(range(50))
    for page in (3, 4, 5):
        resumed = walk(source, checkpoint={"page": page, "size": 10, "total": 50})
        assert set(range((page - 1) * 10, 50)) <= set(ids(resumed))


@pytest.mark.parametrize(("told", "requests"), [(3, 5), (20, 4), (1000, 2)])
def test_a_page_size_that_is_told_wrongly(walk, server, told, requests):
    source = MovingList(range(45))

    def script(request):
        page, asked = int(request.query["page"]), int(request.query["per_page"])
        return as_json({**source.page(page, asked), "per_page": told})

    assert set(ids(walk(script))) == set(range(45))
    # Three was disproved by the first page; the others were worth one question.
    assert len(server.requests) == requests


def test_a_page_size_that_counts_the_page_itself(walk):
    source = MovingList(range(25))

    def script(request):
        page, asked = int(request.query["page"]), int(request.query["per_page"])
        answer = source.page(page, asked)
        return as_json({**answer, "per_page": len(answer["data"])})

    assert set(ids(walk(script))) == set(range(25))


@pytest.mark.parametrize("size", [1, 10, 17, 100, 5000])
def test_the_page_size_is_bounded_by_the_sources_maximum(walk, size):
    source = MovingList(range(120))
    assert ids(walk(source, size=size)) == list(range(120))
    assert source.asked[0] == (1, min(size, 100))


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_every_checkpoint_resumes_where_it_was_made(walk, kept):
    source = MovingList(range(45))
    before = walk(source)[:kept]
    after = walk(source, checkpoint=before[-1].checkpoint)
    # The page before is read again: it tells that nothing moved.
    assert ids(before[:-1]) + ids(after) == list(range(45))


@pytest.mark.parametrize("envelope", [COUNTED, BARE])
@pytest.mark.parametrize("gone", [1, 9, 10, 25, 30])
def test_deletions_balanced_by_creations_while_the_job_was_down(walk, gone, envelope):
    before = walk(MovingList(range(60), envelope=envelope))[:3]
    moved = [*range(gone, 60), *range(100, 100 + gone)]

    after = walk(MovingList(moved, envelope=envelope), checkpoint=before[-1].checkpoint)

    assert set(moved) <= set(ids(before)) | set(ids(after))


def test_the_last_checkpoint_reads_the_last_page_again(walk):
    # Beyond the last page many sources answer 404.
    source = MovingList(range(25))
    checkpoint = walk(source)[-1].checkpoint
    (page,) = walk(source, checkpoint=checkpoint)
    assert (ids([page]), page.total) == ([20, 21, 22, 23, 24], 25)


def test_a_list_that_shrank_while_the_job_was_down(walk):
    source = MovingList(range(13, 50))
    pages = walk(source, checkpoint={"page": 4, "size": 10, "total": 50})
    assert source.pages == [4, 2, 3, 4]
    assert set(range(30, 50)) <= set(ids(pages))


@pytest.mark.parametrize(
    ("size", "asked"), [(5, (5, 5)), (10, (3, 10)), (40, (3, 10)), (7, (3, 7))]
)
def test_a_checkpoint_of_another_page_size(walk, size, asked):
    source = MovingList(range(50))
    kept = {"page": 3, "size": 10, "told": True, "total": 50}
    pages = walk(source, size=size, checkpoint=kept)
    assert source.asked[0] == asked
    assert set(range(20, 50)) <= set(ids(pages))


def test_a_checkpoint_of_another_page_size_that_was_never_told(walk):
    # Two pages of 10 may have been pages of 5: only the beginning is sure.
    source = MovingList(range(50), cap=5, envelope=("total", "total_pages"))
    kept = {"page": 3, "size": 10, "told": False, "total": 50}
    assert ids(walk(source, size=7, checkpoint=kept)) == list(range(50))
    assert ids(walk(source, size=10, checkpoint=kept)) == list(range(10, 50))


@pytest.mark.parametrize(
    "checkpoint",
    [
        {},
        {"after": "abc"},
        {"page": 0, "size": 10, "total": 5},
        {"page": 1, "size": 0, "total": 5},
        {"page": "2", "size": 10, "total": 5},
        {"page": True, "size": 10, "total": 5},
        {"page": 2, "size": 10, "total": -1},
        {"page": 2, "size": 10, "total": "many"},
    ],
)
def test_a_foreign_checkpoint_is_refused(walk, server, checkpoint):
    with pytest.raises(ConfigurationError, match="begin anew with --restart"):
        walk(MovingList(range(5)), checkpoint=checkpoint)
    assert server.requests == []


def test_a_page_sent_twice_by_mistake_is_asked_for_again(walk, gate):
    source = MovingList(range(30))

    def script(request):
        reply = source(request)
        stale = len(source.asked) == 2
        return as_json(source.page(1, 10)) if stale else reply

    assert ids(walk(script)) == list(range(30))
    assert source.pages == [1, 2, 2, 3]
    assert gate.pauses == [1.0]
    assert gate.reasons[0].startswith("/prospects: the source repeats page 1 as page 2")


@pytest.mark.parametrize("id_path", [("id",), ("meta", "id"), ("missing",)])
def test_a_source_that_ignores_the_page_number(walk, server, entity, id_path):
    records = [{"id": n, "meta": {"id": n}} for n in range(10)]
    with pytest.raises(TransientSourceError, match="repeats page 1 as page 2"):
        walk(
            lambda _: as_json({"data": records, "total": 30}),
            of=dataclasses.replace(entity, id_path=id_path),
        )
    assert len(server.requests) == 6


def test_times_of_serving_do_not_hide_a_loop(walk, server):
    def script(_):
        served = len(server.requests)
        return as_json({"data": [{"id": 1, "served": served}], "total": 30})

    with pytest.raises(TransientSourceError, match="repeats page 1"):
        walk(script)


def test_a_page_pushed_down_by_new_records_is_no_loop(walk):
    def push(ids):
        ids[:0] = range(100, 110)

    source = MovingList(range(30), change=at_request(2, push))
    assert set(range(30)) <= set(ids(walk(source)))


def test_the_quota_may_end_in_the_middle_and_the_checkpoint_goes_on(
    client, server, gate, entity
):
    source = MovingList(range(45))
    server.run(source)
    gate.quota = 3
    pages = client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=10)
    kept = [next(pages) for _ in range(3)]
    with pytest.raises(QuotaWaitError):
        next(pages)
    gate.quota = None
    rest = client.iter_pages(
        entity, EVERYTHING, checkpoint=kept[-1].checkpoint, page_size=10
    )
    assert ids(kept[:-1]) + ids(rest) == list(range(45))
    assert source.pages == [1, 2, 3, 3, 4, 5]


@pytest.mark.parametrize(
    ("since", "sent"),
    [
        (datetime(2026, 3, 1, 12, 0, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        (
            datetime(2026, 3, 1, 12, 0, 5, 999999, tzinfo=UTC),
            "2026-03-01T12:00:05Z",
        ),
        (
            datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
            "2026-02-28T23:30:00Z",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_modified_since(walk, server, since, sent):
    walk(MovingList(range(15)), window=Window(since, None))
    assert [request.query["modified_since"] for request in server.requests] == [
        sent
    ] * 2


def test_modified_since_does_not_depend_on_this_machines_zone(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert iso_seconds(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_a_window_or_a_parameter_everything_is_read(walk, server, entity):
    walk(MovingList([]))
    no_parameter = dataclasses.replace(entity, since_param=None)
    walk(MovingList([]), of=no_parameter, window=Window(datetime.now(UTC), None))
    assert all("modified_since" not in request.query for request in server.requests)
    assert [request.path for request in server.requests] == ["/v1/prospects"] * 2


def test_a_list_deeper_in_its_envelope(walk, entity):
    deep = dataclasses.replace(entity, records_path=("result", 0, "items"))
    (page,) = walk(
        lambda _: as_json({"result": [{"items": [{"id": 1}]}], "total_pages": 1}),
        of=deep,
    )
    assert page.records == [{"id": 1}]


@given(
    count=st.integers(0, 60),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    cap=st.integers(1, 12),
    least=st.integers(1, 12),
    size_is_told=st.booleans(),
    deletions=st.lists(st.lists(st.integers(0, 59), max_size=8), max_size=30),
    stops=st.sets(st.integers(1, 30)),
)
def test_no_survivor_is_missed(
    count, sizes, cap, least, size_is_told, deletions, stops
):
    """Any deletions between any requests, with resumes anywhere in any page size."""
    source = MovingList(
        range(count),
        cap=cap,
        # Larger pages than asked cannot be noticed where the size is not told.
        least=least if size_is_told else 1,
        envelope=COUNTED if size_is_told else ("total", "total_pages"),
    )
    position, seen, requests = Position.start(None, sizes[0]), set(), 0
    ended = False
    while not ended:
        if requests < len(deletions):
            gone = set(deletions[requests])
            source.ids = [n for n in source.ids if n not in gone]
        requests += 1
        listing = read_listing(source.page(position.page, position.size), ("data",))
        seen.update(record["id"] for record in listing.records)
        ended = position.advance(listing)
        if requests in stops and not ended:
            size = sizes[requests % len(sizes)]
            position = Position.start(position.as_checkpoint(), size)
    assert set(source.ids) <= seen
