"""Whole lists of HubSpot: cursors, their end, and resuming."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from crm_warehouse.clients.interface import Page, SourceClient, Window
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)

CONTACTS = HUBSPOT.entities["contacts"]
EVERYTHING = Window(since=None, until=None)


def walk(
    client: SourceClient, checkpoint: dict[str, Any] | None = None, size: int = 100
) -> list[Page]:
    pages = client.iter_pages(
        CONTACTS, EVERYTHING, checkpoint=checkpoint, page_size=size
    )
    return list(pages)


def ids(pages: list[Page]) -> list[str]:
    return [record["id"] for page in pages for record in page.records]


def test_a_list_is_read_to_its_end(hubspot: SourceClient, portal: Portal) -> None:
    portal.add(*range(1, 251))

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 251)]
    assert [len(page.records) for page in pages] == [100, 100, 50]
    assert [page.total for page in pages] == [None, None, None]
    # The names of the properties cost the first page one request more.
    assert [page.requests for page in pages] == [2, 1, 1]
    assert [page.checkpoint["list"]["after"] for page in pages] == [
        "c100",
        "c200",
        "c200",
    ]


def test_all_properties_are_asked_for_and_only_live_records(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.names = ["zeta", "alpha"]
    portal.add(1)

    walk(hubspot, size=7)

    query = portal.asked("contacts")[1]
    assert query == {
        "properties": "alpha,hs_object_id,lastmodifieddate,zeta",
        "limit": "7",
        "archived": "false",
    }


@pytest.mark.parametrize("after", [100, "100"], ids=["number", "text"])
def test_a_cursor_may_be_a_number(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, after: int | str
) -> None:
    portal.add(*range(1, 151))

    def numbers_its_pages(request: Request) -> Reply:
        if not request.path.endswith("objects/contacts"):
            return portal(request)
        query = dict(request.query)
        if "after" in query:
            query["after"] = "c" + query["after"]
        page = json.loads(portal(replace(request, query=query)).body)
        if "paging" in page:
            page["paging"] = {"next": {"after": after}}
        return as_json(page)

    server.run(numbers_its_pages)

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 151)]
    assert pages[-1].checkpoint == {"list": {"after": "100"}}


def test_an_empty_list_is_one_page(hubspot: SourceClient, portal: Portal) -> None:
    pages = walk(hubspot)

    assert [page.records for page in pages] == [[]]


@pytest.mark.parametrize("length", [0, 3], ids=["empty", "short"])
def test_a_page_that_names_a_next_one_is_not_the_last(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, length: int
) -> None:
    portal.add(*range(1, 11))

    def first_is_short(request: Request) -> Reply:
        if request.path.endswith("objects/contacts") and "after" not in request.query:
            results = [{"id": str(n), "properties": {}} for n in range(90, 90 + length)]
            return as_json({"results": results, "paging": {"next": {"after": "c0"}}})
        return portal(request)

    server.run(first_is_short)

    pages = walk(hubspot)

    assert [len(page.records) for page in pages] == [length, 10]


def test_a_resumed_walk_goes_on_where_it_was(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 251))

    assert ids(walk(hubspot, {"list": {"after": "c100"}})) == [
        str(n) for n in range(101, 251)
    ]
    assert ids(walk(hubspot, walk(hubspot)[-1].checkpoint)) == [
        str(n) for n in range(201, 251)
    ]


def test_a_cursor_that_is_too_old_begins_the_list_anew(
    server: ScriptedServer,
    hubspot: SourceClient,
    portal: Portal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    portal.add(*range(1, 151))

    def forgetful(request: Request) -> Reply:
        if request.query.get("after") == "old":
            return as_json({"message": "invalid cursor"}, 400)
        return portal(request)

    server.run(forgetful)

    with caplog.at_level(logging.WARNING):
        pages = walk(hubspot, {"list": {"after": "old"}})

    assert ids(pages) == [str(n) for n in range(1, 151)]
    assert "begins anew" in caplog.text


def test_a_cursor_refused_within_a_walk_is_an_error(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 151))

    def refuses_cursors(request: Request) -> Reply:
        return as_json({}, 400) if "after" in request.query else portal(request)

    server.run(refuses_cursors)

    with pytest.raises(RequestRefusedError, match="400"):
        walk(hubspot)


@pytest.mark.parametrize("circle", [1, 3])
def test_cursors_in_a_circle_are_a_fault(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, circle: int
) -> None:
    def turns(request: Request) -> Reply:
        if "properties/" in request.path:
            return portal(request)
        following = (int(request.query.get("after", 0)) + 1) % (circle + 1) or 1
        paging = {"next": {"after": str(following)}}
        return as_json({"results": [], "paging": paging})

    server.run(turns)

    with pytest.raises(TransientSourceError, match="repeats a cursor"):
        walk(hubspot)


def test_a_page_that_comes_twice_is_asked_for_again(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 251))
    stale = iter([True])

    def serves_from_its_cache(request: Request) -> Reply:
        if request.query.get("after") == "c100" and next(stale, False):
            fresh, first = json.loads(portal(request).body), dict(request.query)
            del first["after"]
            old = json.loads(portal(replace(request, query=first)).body)
            return as_json({**fresh, "results": old["results"]})
        return portal(request)

    server.run(serves_from_its_cache)

    assert ids(walk(hubspot)) == [str(n) for n in range(1, 251)]


@pytest.mark.parametrize("body", [[], {}, {"results": None}, {"results": {}}, "ok"])
def test_a_body_that_is_no_page_is_never_the_end(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, body: Any
) -> None:
    portal.add(1, 2)
    broken = iter([as_json(body)])

    def once_broken(request: Request) -> Reply:
        if request.path.endswith("objects/contacts"):
            return next(broken, None) or portal(request)
        return portal(request)

    server.run(once_broken)

    assert ids(walk(hubspot)) == ["1", "2"]


def test_more_properties_than_an_address_holds_are_read_in_batches(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.names = [f"a_property_with_a_long_name_{n:04}" for n in range(200)]
    portal.add(*range(1, 151), a_property_with_a_long_name_0150="kept")

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 151)]
    values = {
        r["properties"]["a_property_with_a_long_name_0150"] for r in pages[0].records
    }
    assert values == {"kept"}
    assert [page.requests for page in pages] == [3, 2]
    assert len(portal.asked("read")[0]["properties"]) == 202


def test_records_archived_between_page_and_batch_are_left_out(
    hubspot: SourceClient, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    portal.names = ["x" * 7_000]
    portal.add(*range(1, 51))
    portal.before_read = lambda asked: portal.records.pop(7)

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 51) if n != 7]
    assert "1 of 50 records could not be read by id" in caplog.text


def test_many_records_that_vanish_are_not_believed(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.names = ["x" * 7_000]
    portal.add(*range(1, 51))
    portal.before_read = lambda asked: (
        [portal.records.pop(n) for n in range(1, 12)] and None
    )

    with pytest.raises(TransientSourceError, match="11 of 50 records"):
        walk(hubspot)


def test_what_has_no_id_is_passed_on(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    odd = [{"properties": {}}, "text", {"id": "1", "properties": None}]

    def serves_odd(request: Request) -> Reply:
        if request.path.endswith("objects/contacts"):
            return as_json({"results": odd})
        return portal(request)

    server.run(serves_odd)

    assert walk(hubspot)[0].records == [
        {"properties": {}},
        "text",
        {"id": "1", "properties": None, "archived": False},
    ]


def test_a_checkpoint_of_another_kind_is_refused(hubspot: SourceClient) -> None:
    with pytest.raises(ConfigurationError, match="--restart"):
        walk(hubspot, {"page": 3})


def test_an_exhausted_day_waits_for_an_hour(
    server: ScriptedServer, gate: RecordingGate, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)
    refusals = iter([as_json({"errorType": "RATE_LIMIT", "policyName": "DAILY"}, 429)])

    def exhausted(request: Request) -> Reply:
        return next(refusals, None) or portal(request)

    server.run(exhausted)

    assert ids(walk(hubspot)) == ["1"]
    assert gate.pauses == [3600.0]


def test_a_burst_without_a_named_pause_waits_as_the_source_file_says(
    server: ScriptedServer, gate: RecordingGate, hubspot: SourceClient, portal: Portal
) -> None:
    refusals = iter(
        [as_json({"policyName": "TEN_SECONDLY_ROLLING"}, 429) for _ in range(3)]
    )

    def busy(request: Request) -> Reply:
        return next(refusals, None) or portal(request)

    server.run(busy)

    assert walk(hubspot)[0].requests == 5
    assert gate.pauses == [1.0, 2.0, 4.0]
