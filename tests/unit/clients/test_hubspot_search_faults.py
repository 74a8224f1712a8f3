"""Searches of HubSpot that mislead: faults, never the end of a window."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_warehouse.clients.interface import SourceClient
from crm_warehouse.errors import TransientSourceError
from tests.unit.clients import hubspot_portal
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.hubspot_portal import Portal, filters
from tests.unit.clients.recording_gate import START
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)
from tests.unit.clients.test_hubspot_search import ids, walk


def test_a_short_page_without_a_cursor_is_not_the_end(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 31))

    def cut(request: Request) -> Reply:
        reply = portal(request)
        if not request.path.endswith("search") or len(portal.asked("search")) > 1:
            return reply
        answer = json.loads(reply.body)
        return as_json({"total": 30, "results": answer["results"][:9]})

    server.run(cut)

    assert ids(walk(hubspot)) == [str(n) for n in range(1, 31)]


def test_an_empty_page_that_says_more_follows_is_asked_for_again(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1, 2)
    empty = {"total": 2, "results": [], "paging": {"next": {"after": "200"}}}
    once(server, portal, as_json(empty))

    assert ids(walk(hubspot)) == ["1", "2"]


@pytest.mark.parametrize("after", [200, "200"], ids=["number", "text"])
def test_an_empty_page_that_stays_is_gone_on_with_at_its_cursor(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, after: Any
) -> None:
    portal.add(*range(1, 301))

    def first_is_empty(request: Request) -> Reply:
        searches = request.path.endswith("search")
        if not searches or len(filters(request.json)) == 3:
            return portal(request)
        if request.json["limit"] == 1:
            return portal(request)
        if "after" not in request.json:
            paging = {"next": {"after": after}}
            return as_json({"total": 300, "results": [], "paging": paging})
        # What was hidden behind the empty page comes at its cursor.
        assert request.json["after"] == 200
        body = {**request.json, "after": 0}
        return portal(Request(request.path, {}, {}, "", body=json.dumps(body).encode()))

    server.run(first_is_empty)

    pages = walk(hubspot)

    assert ids(pages) == [str(n) for n in range(1, 301)]
    assert pages[-1].total == 300


def test_what_an_empty_page_passed_over_shows_in_the_total(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 301))

    def first_stays_empty(request: Request) -> Reply:
        reply = portal(request)
        body = request.json if request.path.endswith("search") else {"after": 0}
        if "after" in body or body["limit"] == 1:
            return reply
        return as_json({**json.loads(reply.body), "results": []})

    server.run(first_stays_empty)

    pages = walk(hubspot)

    assert (ids(pages), pages[-1].total) == ([str(n) for n in range(201, 301)], 300)


def test_empty_pages_without_end_are_given_up(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    def empty(request: Request) -> Reply:
        if not request.path.endswith("search"):
            return portal(request)
        after = request.json.get("after", 0) + 200
        paging = {"next": {"after": after}}
        return as_json({"total": 5, "results": [], "paging": paging})

    server.run(empty)

    with pytest.raises(TransientSourceError, match="10 empty pages"):
        walk(hubspot)


@pytest.mark.parametrize("after", ["abc", {}, -1, 1.5])
def test_a_cursor_that_is_no_number_is_a_fault(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, after: Any
) -> None:
    portal.add(1)
    paging = {"next": {"after": after}}
    record = {"id": "1", "properties": {}}
    once(server, portal, as_json({"total": 2, "results": [record], "paging": paging}))

    assert ids(walk(hubspot)) == ["1"]


def test_the_page_before_again_is_a_fault(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(*range(1, 301))

    def deaf_to_ids(request: Request) -> Reply:
        if not request.path.endswith("search"):
            return portal(request)
        deaf = {**request.json, "filterGroups": [{"filters": []}]}
        return portal(Request(request.path, {}, {}, "", body=json.dumps(deaf).encode()))

    server.run(deaf_to_ids)

    with pytest.raises(TransientSourceError, match="do not ascend"):
        walk(hubspot)


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(["3", "2"], id="descending"),
        pytest.param(["2", "2"], id="twice"),
        pytest.param(["2", "10", "3"], id="neither order"),
        pytest.param([None, None], id="no ids"),
        pytest.param(["x"], id="no number"),
    ],
)
def test_ids_that_do_not_ascend_are_a_fault(
    server: ScriptedServer,
    hubspot: SourceClient,
    portal: Portal,
    answered: list[str | None],
) -> None:
    portal.add(1)
    records: list[Any] = [{"id": each, "properties": {}} for each in answered]
    once(server, portal, as_json({"total": len(records), "results": records}))

    assert ids(walk(hubspot)) == ["1"]


def test_the_order_of_ids_stays_the_same(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    answers = {None: ["9", "10"], "10": ["100", "11"], "11": []}

    def changes_its_mind(request: Request) -> Reply:
        if not request.path.endswith("search"):
            return portal(request)
        rules = filters(request.json)
        named = answers[rules[2][2] if len(rules) == 3 else None]
        results = [{"id": each, "properties": {}} for each in named]
        return as_json({"total": 4, "results": results})

    server.run(changes_its_mind)

    with pytest.raises(TransientSourceError, match="do not ascend"):
        walk(hubspot)


def test_a_search_without_end_is_given_up(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal
) -> None:
    def endless(request: Request) -> Reply:
        if not request.path.endswith("search"):
            return portal(request)
        rules = filters(request.json)
        begin = int(rules[-1][2]) if len(rules) == 3 else 0
        results = [
            {"id": str(n), "properties": {}} for n in range(begin + 1, begin + 201)
        ]
        paging = {"next": {"after": "200"}}
        return as_json({"total": 500, "results": results, "paging": paging})

    server.run(endless)

    with pytest.raises(TransientSourceError, match="announced 500 records"):
        walk(hubspot)


@pytest.mark.parametrize("body", [[], {}, {"results": []}, {"total": 3}])
def test_a_body_that_is_no_page_is_never_the_end(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, body: Any
) -> None:
    portal.add(1)
    once(server, portal, as_json(body))

    assert ids(walk(hubspot)) == ["1"]


def once(server: ScriptedServer, portal: Portal, reply: Reply) -> None:
    """Answer the first search so, and everything else by the portal."""
    replies = iter([reply])

    def script(request: Request) -> Reply:
        if request.path.endswith("search"):
            return next(replies, None) or portal(request)
        return portal(request)

    server.run(script)


@pytest.mark.parametrize("form", ["Z", ".000Z", "+00:00", ".000000+00:00"])
@pytest.mark.parametrize("past_ms", [-1, 0, 1])
def test_a_change_at_the_edge_of_what_is_counted_raises_no_false_alarm(
    hubspot: SourceClient,
    portal: Portal,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    past_ms: int,
) -> None:
    """Some write no fraction where it is zero; as text that would sort elsewhere."""
    until = START.replace(microsecond=0)

    def written(moment: datetime) -> str:
        whole = moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return (
            whole.replace(".000", "") + form if whole.endswith(".000") else whole + "Z"
        )

    monkeypatch.setattr(hubspot_portal, "iso", written)
    portal.add(*range(1, 300), changed=until - timedelta(minutes=90))
    edge = until - HUBSPOT.overlap + timedelta(milliseconds=past_ms)
    portal.add(999, changed=edge)

    pages = walk(hubspot, until=until)

    assert len(set(ids(pages))) == 300
    assert pages[-1].total == 300


def test_pages_of_a_search_are_known_to_come_from_an_index(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)

    assert [page.indexed for page in walk(hubspot)] == [True]
