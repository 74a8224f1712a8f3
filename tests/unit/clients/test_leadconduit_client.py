"""LeadConduit: what is sent, and what of its one list belongs to whom."""

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_warehouse.clients.auth import basic_token
from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.object_ids import second_of
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import (
    AuthenticationError,
    TransientSourceError,
)
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import with_profile
from tests.unit.clients.scripted_server import as_json

SOURCE = with_profile(
    load_source(Path("include/sources/activeprospect.yaml")), "leadconduit"
)
LEADS, EVENTS = SOURCE.entities["leads"], SOURCE.entities["events"]
EVERYTHING = Window(None, None)
KEY = "a-k3y"


@pytest.fixture
def client(server, gate):
    built = build_client(
        SOURCE, base_url=server.base_url, token=basic_token("API", KEY), gate=gate
    )
    yield built
    built.close()


def event(second, number=0, kind="source"):
    return {"id": f"{second:08x}{number:016x}", "type": kind}


def walk(client, entity, window=EVERYTHING):
    return list(client.iter_pages(entity, window, checkpoint=None, page_size=500))


def test_what_is_sent(server, client):
    server.answer(as_json([event(1)]), as_json([]), as_json([]))
    window = Window(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), None)
    walk(client, LEADS, window)

    assert {request.path for request in server.requests} == {"/v1/events"}
    sent = {request.headers["Authorization"] for request in server.requests}
    assert sent == {"Basic " + b64encode(f"API:{KEY}".encode()).decode()}
    assert {r.headers["Accept"] for r in server.requests} == {"application/json"}
    asked = {"start": "2026-01-02T03:04:05Z", "sort": "asc", "limit": "500"}
    after = {**asked, "after_id": event(1)["id"]}
    assert [request.query for request in server.requests] == [asked, after, after]


def test_leads_are_source_events_and_events_all(server, client):
    mixed = [
        event(1, kind="filter"),
        event(2, kind="source"),
        event(3, kind="feedback-received"),
        event(4, kind="a kind of tomorrow"),
        "odd",
    ]
    for entity, kept in ((LEADS, [mixed[1], "odd"]), (EVENTS, mixed)):
        server.answer(as_json(mixed), as_json([]), as_json([]))
        assert walk(client, entity)[0].records == kept


def test_a_page_of_steps_only_leads_on(server, client):
    steps = [event(n, kind="recipient") for n in range(500)]
    server.answer(as_json(steps), as_json([event(600)]), as_json([]), as_json([]))
    pages = walk(client, LEADS)

    assert [len(page.records) for page in pages] == [0, 1, 0, 0]
    assert server.requests[1].query["after_id"] == steps[-1]["id"]


def test_the_newest_first_is_a_fault(server, client):
    newest_first = [event(5_000), event(4_000), event(1_000)]
    server.run(lambda _: as_json(newest_first))

    with pytest.raises(TransientSourceError, match="sort: asc"):
        walk(client, EVENTS)


def test_clocks_of_several_machines_may_differ(server, client):
    server.answer(as_json([event(1_050), event(1_000)]), as_json([]), as_json([]))

    assert len(walk(client, EVENTS)[0].records) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_asked_for_once(server, client, status):
    server.run(lambda _: as_json({"message": "no"}, status=status))

    with pytest.raises(AuthenticationError) as raised:
        walk(client, LEADS)
    assert len(server.requests) == 1
    assert KEY not in str(raised.value)


def test_what_a_load_costs(server, client):
    server.run(lambda _: as_json([event(1)]))

    assert client.cost(LEADS, 500, 4_000).requests is None  # all events are read
    assert client.cost(EVENTS, 500, 4_000).requests == 8


@pytest.mark.parametrize(
    ("value", "second"),
    [
        ("5fd4371e940df5a34a3888b2", 0x5FD4371E),
        ("5FD4371E940DF5A34A3888B2", 0x5FD4371E),
        ("5fd4371e940df5a34a3888b", None),
        ("evt_7K9mHpQR3x2B5N8jL4wZ", None),
        (None, None),
        (5, None),
    ],
)
def test_an_id_holds_the_second_of_its_making(value, second):
    assert second_of(value) == second
