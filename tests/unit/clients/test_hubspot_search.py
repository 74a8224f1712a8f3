"""Changes of HubSpot's records: a window read by ascending ids, and proved complete."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_warehouse.clients.interface import Page, SourceClient, Window
from crm_warehouse.errors import ConfigurationError
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.hubspot_portal import (
    MAX_RESULTS,
    MAX_SEARCH_BODY,
    Portal,
    filters,
    utc,
)
from tests.unit.clients.recording_gate import START, RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
)

CONTACTS = HUBSPOT.entities["contacts"]
SINCE = START - timedelta(hours=2)
#: Changes after this moment may not have reached the index.
SETTLED = START - HUBSPOT.overlap


def walk(
    client: SourceClient,
    checkpoint: dict[str, Any] | None = None,
    *,
    since: datetime = SINCE,
    until: datetime | None = None,
    size: int = 100,
) -> list[Page]:
    pages = client.iter_pages(
        CONTACTS, Window(since, until), checkpoint=checkpoint, page_size=size
    )
    return list(pages)


def ids(pages: list[Page]) -> list[str]:
    return [record["id"] for page in pages for record in page.records]


def stamp(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def test_a_small_window_costs_one_search(hubspot: SourceClient, portal: Portal) -> None:
    portal.add(5, 12, 101)
    portal.add(7, changed=SINCE - timedelta(milliseconds=1))

    pages = walk(hubspot)

    assert ids(pages) == ["5", "12", "101"]
    assert [(p.total, p.requests) for p in pages] == [(3, 2)]
    assert pages[0].checkpoint == {"search": {"last": "101", "beside": 0}}


def test_the_question_is_a_closed_window_sorted_by_id(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 202))

    walk(hubspot)

    # The clock of the gate moves by a second with the request for the properties.
    window = [
        ("lastmodifieddate", "GTE", stamp(SINCE)),
        ("lastmodifieddate", "LTE", stamp(START)),
    ]
    first, second, count = portal.asked("search")
    assert filters(first) == window
    assert filters(second) == [*window, ("hs_object_id", "GT", "200")]
    assert filters(count) == [window[0], ("lastmodifieddate", "LTE", stamp(SETTLED))]
    assert [body["limit"] for body in (first, second, count)] == [200, 200, 1]
    for body in (first, second, count):
        assert body["sorts"] == [
            {"propertyName": "hs_object_id", "direction": "ASCENDING"}
        ]
        assert "after" not in body


def test_searches_are_counted_as_such(
    hubspot: SourceClient,
    portal: Portal,
    gate: RecordingGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portal.add(*range(1, 202))
    kinds: list[str] = []
    monkeypatch.setattr(gate, "take", lambda kind="": kinds.append(kind))

    walk(hubspot)

    assert kinds == ["", "search", "search", "search"]


@pytest.mark.parametrize("order", ["number", "text"])
def test_twelve_thousand_records_of_one_millisecond(
    hubspot: SourceClient, portal: Portal, order: str
) -> None:
    # From three digits to five, so that the two orders differ.
    portal.order = order
    portal.add(*range(900, 12_900))

    pages = walk(hubspot)

    assert sorted(map(int, ids(pages))) == list(range(900, 12_900))
    assert pages[-1].total == 12_000
    assert [page.total for page in pages[:-1]] == [None] * 60
    assert sum(page.requests for page in pages) == 62


def test_a_smaller_page_is_asked_for_as_it_is(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 26))

    pages = walk(hubspot, size=10)

    assert [len(page.records) for page in pages] == [10, 10, 5, 0]
    assert pages[-1].total == 25


def test_a_resumed_walk_goes_on_behind_the_last_id(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 501))
    kept = walk(hubspot)[0].checkpoint

    pages = walk(hubspot, kept, until=START)

    assert ids(pages) == [str(n) for n in range(201, 501)]
    assert pages[-1].total == 500


def test_a_walk_resumed_after_its_end_counts_again(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 251))
    kept = walk(hubspot)[-1].checkpoint

    pages = walk(hubspot, kept, until=START)

    assert [(len(page.records), page.total) for page in pages] == [(0, None), (0, 250)]


def test_the_window_ends_no_later_than_what_was_read(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)
    ahead = "Sun, 01 Mar 2026 12:00:30 GMT"

    def dated(request: Request) -> Reply:
        reply = portal(request)
        return Reply(reply.status, reply.body, {**reply.headers, "Date": ahead})

    server.run(dated)

    assert [page.source_time for page in walk(hubspot)] == [START]


def test_the_source_s_own_clock_ends_the_window_when_it_is_behind(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)
    behind = "Sun, 01 Mar 2026 11:59:30 GMT"

    def dated(request: Request) -> Reply:
        reply = portal(request)
        return Reply(reply.status, reply.body, {**reply.headers, "Date": behind})

    server.run(dated)

    assert [page.source_time for page in walk(hubspot)] == [utc("2026-03-01T11:59:30")]


def test_no_question_reaches_back_to_the_epoch(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)

    assert ids(walk(hubspot, since=utc("1970-01-01"))) == ["1"]
    assert filters(portal.asked("search")[0])[0][2] == stamp(utc("2006-01-01"))


def test_a_window_of_the_future_is_empty(hubspot: SourceClient, portal: Portal) -> None:
    portal.add(1)
    later = START + timedelta(days=1)

    assert ids(walk(hubspot, since=later)) == []
    assert filters(portal.asked("search")[0])[1][2] == stamp(later)


def test_records_that_leave_the_window_raise_no_alarm(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 601))

    def someone_edits(body: dict[str, Any]) -> None:
        if ("hs_object_id", "GT", "200") in filters(body):
            # One that was read, one that will not be read any more.
            portal.add(5, 555, changed=START + timedelta(seconds=3))

    portal.before_search = someone_edits

    pages = walk(hubspot)

    assert len(set(ids(pages))) == 599
    assert pages[-1].total == 598


def test_changes_that_reach_the_index_late_raise_no_alarm(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 501))
    portal.add(3, 7, changed=SETTLED + timedelta(seconds=1))
    portal.hidden = {3}

    def index_catches_up(body: dict[str, Any]) -> None:
        if ("hs_object_id", "GT", "400") in filters(body):
            portal.hidden = set()

    portal.before_search = index_catches_up

    pages = walk(hubspot)

    assert len(set(ids(pages))) == 499
    # 498 that the index must know, and 7, which came.
    assert pages[-1].total == 499


def test_a_record_the_walk_missed_shows_in_the_total(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 501))
    portal.hidden = {250}

    def lost_for_a_while(body: dict[str, Any]) -> None:
        if body["limit"] == 1:
            portal.hidden = set()

    portal.before_search = lost_for_a_while

    pages = walk(hubspot)

    assert (len(ids(pages)), pages[-1].total) == (499, 500)


def test_what_is_read_beside_the_count_outlives_an_interruption(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 401))
    portal.add(3, changed=SETTLED + timedelta(seconds=1))
    kept = walk(hubspot)[0].checkpoint

    assert kept == {"search": {"last": "200", "beside": 1}}
    assert walk(hubspot, kept, until=START)[-1].total == 400


def test_a_window_within_the_overlap_needs_no_proof(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 301), changed=START - timedelta(seconds=10))

    pages = walk(hubspot, since=START - timedelta(minutes=1))

    assert len(ids(pages)) == 300
    assert [page.total for page in pages] == [None, None]


def test_a_record_that_lost_its_id_does_not_stop_the_walk(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 202))
    portal.records[200]["id"] = None

    pages = walk(hubspot)

    assert ids(pages)[198:] == ["199", None, "201"]
    assert pages[-1].total == 201


def test_more_properties_than_a_question_holds_are_read_in_batches(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.names = [f"a_property_{n:04}" for n in range(200)]
    portal.add(*range(1, 251), a_property_0199="kept")

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 251)]
    assert {r["properties"]["a_property_0199"] for r in pages[0].records} == {"kept"}
    assert [page.requests for page in pages] == [4, 2, 1]
    assert portal.asked("search")[0]["properties"] == [
        "lastmodifieddate",
        "hs_object_id",
    ]


@pytest.mark.parametrize("letters", range(2_300, 2_501, 50))
def test_no_question_is_longer_than_allowed(
    hubspot: SourceClient, portal: Portal, letters: int
) -> None:
    portal.names = ["x" * letters]
    portal.add(10**18, changed=START - timedelta(hours=1))

    assert ids(walk(hubspot)) == [str(10**18)]
    longest = max(len(json.dumps(body)) for body in portal.asked("search"))
    assert longest < MAX_SEARCH_BODY


def test_who_vanishes_before_the_batch_is_not_expected(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.names = [f"a_property_{n:04}" for n in range(200)]
    portal.add(*range(1, 251))

    def archived(asked: list[int]) -> None:
        # The index still knows it when the walk ends.
        portal.merged[7] = 0

    portal.before_read = archived

    pages = walk(hubspot)

    assert (len(ids(pages)), pages[-1].total) == (249, 249)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("contacts", "hs_lastmodifieddate"),
        ("companies", "lastmodifieddate"),
        ("deals", "lastmodifieddate"),
    ],
)
@pytest.mark.parametrize("since", [None, SINCE], ids=["everything", "changes"])
def test_the_time_of_another_kind_of_object_is_refused_before_it_finds_nothing(
    hubspot: SourceClient,
    portal: Portal,
    name: str,
    wrong: str,
    since: datetime | None,
) -> None:
    entity = replace(HUBSPOT.entities[name], since_param=wrong)
    pages = hubspot.iter_pages(
        entity, Window(since, START), checkpoint=None, page_size=100
    )

    with pytest.raises(ConfigurationError, match=f"by {wrong} HubSpot's search"):
        list(pages)

    assert portal.requests == []


def test_a_record_whose_time_lies_outside_the_window_is_kept(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1, 2, 3)

    def shows_another_time(request: Request) -> Reply:
        reply = portal(request)
        text = reply.body.decode().replace("2026-03-01T10:30", "2026-03-02T10:30")
        return Reply(reply.status, text.encode(), reply.headers)

    server.run(shows_another_time)

    assert ids(walk(hubspot)) == ["1", "2", "3"]


@pytest.mark.parametrize("names", [2, 40, 200])
def test_questions_stay_within_the_limits_of_a_search(
    hubspot: SourceClient, portal: Portal, names: int
) -> None:
    portal.names = [f"a_property_with_quite_a_long_name_{n:04}" for n in range(names)]
    portal.add(*range(1, 451))

    assert len(ids(walk(hubspot))) == 450

    for body in portal.asked("search"):
        in_groups = [len(group["filters"]) for group in body["filterGroups"]]
        assert len(in_groups) <= 5
        assert max(in_groups) <= 6
        assert sum(in_groups) <= 18
        assert len(body["sorts"]) == 1
        assert len(json.dumps(body)) <= MAX_SEARCH_BODY
        assert body.get("after", 0) + body["limit"] <= MAX_RESULTS


def test_a_checkpoint_of_another_kind_is_refused(hubspot: SourceClient) -> None:
    with pytest.raises(ConfigurationError, match="--restart"):
        walk(hubspot, {"list": {"after": "c100"}})
