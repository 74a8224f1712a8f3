"""HubSpot's records are whole and look the same, whichever way they were read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.clients import hubspot_associations
from crm_warehouse.clients.interface import SourceClient, Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.engine import payload
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity
from tests.unit.clients.conftest import HUBSPOT, TOKEN
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.recording_gate import START, RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)

CONTACTS = HUBSPOT.entities["contacts"]
DEALS = HUBSPOT.entities["deals"]
EVERYTHING = Window(since=None, until=None)
CHANGES = Window(since=START - timedelta(hours=2), until=START)


def kind(type_id: int, label: str | None = None, by: str = "HUBSPOT") -> dict[str, Any]:
    return {"category": f"{by}_DEFINED", "typeId": type_id, "label": label}


def read(client: SourceClient, entity: Entity, window: Window) -> dict[str, Any]:
    pages = client.iter_pages(entity, window, checkpoint=None, page_size=100)
    return {record["id"]: record for page in pages for record in page.records}


@pytest.fixture
def deals(portal: Portal) -> Portal:
    portal.kind, portal.changed = "deals", "hs_lastmodifieddate"
    return portal


@pytest.mark.parametrize("width", [1, 200], ids=["few properties", "many properties"])
def test_every_way_gives_the_same_bytes(
    hubspot: SourceClient, deals: Portal, width: int
) -> None:
    deals.names = [
        "email",
        "note",
        *(f"a_property_number_{n:026}" for n in range(width)),
    ]
    deals.add(
        1, 2, email=None, note="", a_property_number_00000000000000000000000000="x"
    )
    deals.links = {1: [(9, [kind(3)])]}

    ways = [
        read(hubspot, DEALS, EVERYTHING),
        read(hubspot, DEALS, CHANGES),
        {
            record["id"]: record
            for record in hubspot.fetch_many(DEALS, ["1", "2"]).records
        },
        {number: hubspot.fetch(DEALS, number) for number in ("1", "2")},
    ]

    for number in ("1", "2"):
        assert len({payload.encode(way[number]).digest for way in ways}) == 1
    assert ways[0]["2"] == {
        "id": "2",
        "properties": {
            "hs_object_id": "2",
            "hs_lastmodifieddate": "2026-03-01T10:30:00.000Z",
            "note": "",
            "a_property_number_00000000000000000000000000": "x",
        },
        "createdAt": "2025-01-01T00:00:00.000Z",
        "updatedAt": "2026-03-01T10:30:00.000Z",
        "archived": False,
        "associations": {"contacts": {"results": []}},
    }


def test_unknown_fields_of_a_record_are_kept(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1)
    portal.records[1]["lifecycle"] = {"stage": None}

    assert read(hubspot, CONTACTS, EVERYTHING)["1"]["lifecycle"] == {"stage": None}


def test_the_primary_contact_comes_first(hubspot: SourceClient, deals: Portal) -> None:
    deals.add(1)
    deals.links = {
        1: [
            (20, [kind(3)]),
            (100, [kind(3), kind(51, "Primary", by="USER")]),
            (9, [kind(3), kind(1, "Old friend", by="USER")]),
        ]
    }

    record = read(hubspot, DEALS, EVERYTHING)["1"]

    found = record["associations"]["contacts"]["results"]
    assert [(each["id"], each["type_id"]) for each in found] == [
        ("100", 51),
        ("9", 1),
        ("9", 3),
        ("20", 3),
        ("100", 3),
    ]
    assert found[0] == {
        "id": "100",
        "type_id": 51,
        "category": "USER_DEFINED",
        "label": "Primary",
    }


def test_hubspot_s_own_primary_type_needs_no_label(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(1)
    deals.links = {1: [(8, [kind(280)]), (9, [kind(280), kind(2)])]}

    record = read(hubspot, DEALS, EVERYTHING)["1"]

    first = record["associations"]["contacts"]["results"][0]
    assert (first["id"], first["type_id"]) == ("9", 2)


def test_all_pages_of_associations_are_read(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(1, 2, 3)
    deals.links_page = 4
    deals.links = {
        1: [(n, [kind(3)]) for n in range(1, 11)],
        3: [(n, [kind(3)]) for n in range(1, 6)],
    }

    records = read(hubspot, DEALS, EVERYTHING)

    counts = {
        number: len(record["associations"]["contacts"]["results"])
        for number, record in records.items()
    }
    assert counts == {"1": 10, "2": 0, "3": 5}
    assert [[each["id"] for each in body["inputs"]] for body in links_asked(deals)] == [
        ["1", "2", "3"],
        ["1", "3"],
        ["1"],
    ]


def test_a_page_of_associations_costs_one_request_for_100_records(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(*range(1, 201))

    pages = hubspot.iter_pages(DEALS, CHANGES, checkpoint=None, page_size=100)

    assert [page.requests for page in pages] == [4]


def test_a_batch_that_is_too_large_is_halved(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(*range(1, 151))
    deals.links_inputs = 25
    deals.links = {n: [(n + 1_000, [kind(3)])] for n in range(1, 151)}

    pages = list(hubspot.iter_pages(DEALS, EVERYTHING, checkpoint=None, page_size=100))

    linked = {
        record["id"]: record["associations"]["contacts"]["results"][0]["id"]
        for page in pages
        for record in page.records
    }
    assert linked == {str(n): str(n + 1_000) for n in range(1, 151)}
    # Properties, list, two refusals, four batches; then what was learnt holds.
    assert [page.requests for page in pages] == [8, 3]


def test_a_batch_of_a_thousand_is_halved_until_it_fits(
    server: ScriptedServer,
    gate: RecordingGate,
    deals: Portal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubspot_associations, "_BATCH", 1_000)
    hubspot = build_client(HUBSPOT, base_url=server.base_url, token=TOKEN, gate=gate)
    deals.add(*range(1, 1_001))
    deals.links = {n: [(n + 5_000, [kind(3)])] for n in range(1, 1_001)}

    found = hubspot.fetch_many(DEALS, [str(n) for n in range(1, 1_001)])

    assert len(found.records) == 1_000
    assert {len(r["associations"]["contacts"]["results"]) for r in found.records} == {1}
    sizes = [len(body["inputs"]) for body in links_asked(deals)]
    assert sizes[:5] == [1_000, 500, 250, 125, 62]
    assert max(sizes[4:]) == 62


@pytest.mark.parametrize("number", [True, False], ids=["number", "text"])
def test_a_cursor_of_associations_may_be_a_number(
    server: ScriptedServer, hubspot: SourceClient, deals: Portal, number: bool
) -> None:
    deals.add(1)
    deals.links_page = 1
    deals.links = {1: [(n, [kind(3)]) for n in (8, 9)]}

    def numbers_its_pages(request: Request) -> Reply:
        reply = deals(request)
        if "/v4/" in request.path and number:
            text = reply.body.decode().replace('"after": "1"', '"after": 1')
            return Reply(reply.status, text.encode(), reply.headers)
        return reply

    server.run(numbers_its_pages)

    record = read(hubspot, DEALS, EVERYTHING)["1"]
    assert [r["id"] for r in record["associations"]["contacts"]["results"]] == [
        "8",
        "9",
    ]
    assert [body["inputs"][0].get("after") for body in links_asked(deals)] == [
        None,
        "1",
    ]


def test_another_version_of_the_api_is_a_matter_of_the_source_file(
    server: ScriptedServer, hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(1)
    deals.links = {1: [(9, [kind(3)])]}
    dated = "/crm/objects/2026-03/deals"
    entity = replace(
        DEALS,
        path=dated,
        endpoints={
            "search": f"{dated}/search",
            "read": f"{dated}/batch/read",
            "properties": "/crm/properties/2026-03/deals",
        },
        associations={"contacts": "/crm/associations/2026-03/deals/contacts/read"},
    )
    paths = []

    def of_march(request: Request) -> Reply:
        paths.append(request.path.removeprefix("/v1"))
        path = request.path.replace("crm/objects/2026-03", "crm/v3/objects")
        path = path.replace("crm/properties/2026-03", "crm/v3/properties")
        path = path.replace("crm/associations/2026-03", "crm/v4/associations")
        return deals(replace(request, path=path))

    server.run(of_march)

    for window in (EVERYTHING, CHANGES):
        record = read(hubspot, entity, window)["1"]
        assert record["associations"]["contacts"]["results"][0]["id"] == "9"
    assert hubspot.fetch_many(entity, ["1"]).missing == []
    assert len(paths) >= 6
    assert [path for path in paths if "/v3/" in path or "/v4/" in path] == []


def test_a_refusal_of_a_single_record_is_an_error(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(1)
    deals.links_inputs = 0

    with pytest.raises(RequestRefusedError, match="400"):
        read(hubspot, DEALS, EVERYTHING)


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [], "errors": [{"subCategory": "crm.associations.OTHER"}]},
        {"results": [], "errors": [{"category": "INTERNAL"}]},
        {"results": [], "numErrors": 1},
        {"results": [{"from": {"id": "77"}, "to": []}]},
        {"results": [{"from": {"id": "1"}}]},
        {"results": [{"from": {"id": "1"}, "to": [{"toObjectId": "x"}]}]},
        {"errors": []},
        [],
    ],
    ids=str,
)
def test_associations_that_could_not_be_read_are_not_taken_for_none(
    server: ScriptedServer, hubspot: SourceClient, deals: Portal, answer: Any
) -> None:
    deals.add(1)

    def fails(request: Request) -> Reply:
        return as_json(answer, 207) if "/v4/" in request.path else deals(request)

    server.run(fails)

    with pytest.raises(TransientSourceError, match="associations"):
        read(hubspot, DEALS, EVERYTHING)


def test_associations_in_a_circle_are_a_fault(
    server: ScriptedServer, hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(1)

    def turns(request: Request) -> Reply:
        if "/v4/" not in request.path:
            return deals(request)
        after = "b" if request.json["inputs"][0].get("after") == "a" else "a"
        result = {"from": {"id": "1"}, "to": [], "paging": {"next": {"after": after}}}
        return as_json({"results": [result]})

    server.run(turns)

    with pytest.raises(TransientSourceError, match="repeats a cursor"):
        read(hubspot, DEALS, EVERYTHING)


def test_fetch_knows_who_does_not_exist(hubspot: SourceClient, portal: Portal) -> None:
    portal.add(1)

    assert hubspot.fetch(CONTACTS, "2") is None
    found = hubspot.fetch(CONTACTS, "1")
    assert found is not None
    assert found["properties"]["firstname"] == "Person 1"


def test_a_merged_record_does_not_exist_but_its_survivor_does(
    hubspot: SourceClient, portal: Portal
) -> None:
    portal.add(1, 3)
    portal.merged = {2: 3}

    assert hubspot.fetch(CONTACTS, "2") is None
    found = hubspot.fetch_many(CONTACTS, ["1", "2", "3"])
    assert sorted(record["id"] for record in found.records) == ["1", "3"]


@pytest.mark.parametrize("odd", ["abc", "", "1/2", "-1", "٣", "9" * 20, "1?x=y"])
def test_what_is_no_id_of_hubspot_s_never_reaches_the_wire(
    hubspot: SourceClient, portal: Portal, odd: str
) -> None:
    assert hubspot.fetch(CONTACTS, odd) is None
    found = hubspot.fetch_many(CONTACTS, [odd])
    assert (found.records, found.requests) == ([], 0)
    assert portal.requests == []


def test_fetch_many_reads_a_hundred_at_once(
    hubspot: SourceClient, deals: Portal
) -> None:
    deals.add(*range(1, 251))
    deals.links = {3: [(30, [kind(3)])]}

    found = hubspot.fetch_many(DEALS, [str(n) for n in range(1, 300)] + ["1"])

    assert sorted(int(r["id"]) for r in found.records) == list(range(1, 251))
    # The properties, three batches, one among the archived for those that were not
    # found, three requests for associations.
    assert found.requests == 8
    assert found.observed_at == START
    third = next(r for r in found.records if r["id"] == "3")
    assert third["associations"]["contacts"]["results"][0]["id"] == "30"


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [], "errors": [{"category": "INTERNAL_ERROR"}]},
        {"status": "CANCELED", "results": []},
        {"results": [{"properties": {}}]},
        {"status": "COMPLETE"},
        [],
    ],
    ids=str,
)
def test_a_batch_that_failed_is_not_taken_for_deletions(
    server: ScriptedServer, hubspot: SourceClient, portal: Portal, answer: Any
) -> None:
    def fails(request: Request) -> Reply:
        if request.path.endswith("batch/read"):
            return as_json(answer, 207)
        return portal(request)

    server.run(fails)

    with pytest.raises(TransientSourceError, match="batch"):
        hubspot.fetch_many(CONTACTS, ["1"])


@pytest.mark.parametrize(
    "answer", [{"results": []}, {"results": [{}]}, [], {}], ids=str
)
def test_without_names_of_properties_nothing_is_read(
    server: ScriptedServer, hubspot: SourceClient, answer: Any
) -> None:
    server.run(lambda request: as_json(answer))

    with pytest.raises(TransientSourceError, match="properties"):
        read(hubspot, CONTACTS, EVERYTHING)


def test_the_source_file_must_name_the_endpoints(hubspot: SourceClient) -> None:
    named = {"properties": CONTACTS.endpoints["properties"]}

    with pytest.raises(ConfigurationError, match=r"endpoints\.search"):
        read(hubspot, replace(CONTACTS, endpoints=named), CHANGES)


def links_asked(portal: Portal) -> Iterator[Any]:
    return (body for body in portal.asked("read") if "properties" not in body)
