"""The walk through HubSpot's archive ends, whatever the cursors say."""

from collections.abc import Iterator

import pytest

from crm_warehouse.clients.hubspot import HubSpotClient
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import TransientSourceError
from tests.unit.clients.conftest import HUBSPOT, TOKEN
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)

CONTACTS = HUBSPOT.entities["contacts"]
AT = "2026-01-01T00:00:00Z"
ENDLESS = pytest.raises(TransientSourceError, match="the archive does not end")


@pytest.fixture
def client(server: ScriptedServer, gate: RecordingGate) -> Iterator[HubSpotClient]:
    made = build_client(HUBSPOT, base_url=server.base_url, token=TOKEN, gate=gate)
    assert isinstance(made, HubSpotClient)
    yield made
    made.close()


def page(ids: list[str], after: object = None) -> Reply:
    results = [{"id": each, "archived": True, "archivedAt": AT} for each in ids]
    paging = {} if after is None else {"paging": {"next": {"after": after}}}
    return as_json({"results": results, **paging})


def asked(request: Request) -> int:
    return int(request.query.get("after", 0))


def following(request: Request) -> int | None:
    """Always another cursor; but a walk that goes on for ever fails its test."""
    return asked(request) + 1 if asked(request) < 200 else None


def test_two_cursors_in_a_circle_are_a_fault(
    client: HubSpotClient, server: ScriptedServer
) -> None:
    circle = [page(["1"], "b"), page(["2"], "a")] * 50
    server.answer(*circle, page([]))

    with ENDLESS:
        list(client.iter_archived(CONTACTS))

    assert len(server.requests) == 3


def test_empty_pages_without_end_are_a_fault(
    client: HubSpotClient, server: ScriptedServer
) -> None:
    server.run(lambda request: page([], following(request)))

    with ENDLESS:
        list(client.iter_archived(CONTACTS))

    assert len(server.requests) == 20


def test_records_in_a_circle_under_new_cursors_are_a_fault(
    client: HubSpotClient, server: ScriptedServer
) -> None:
    server.run(lambda each: page([str(asked(each) % 3)], following(each)))

    with ENDLESS:
        list(client.iter_archived(CONTACTS))

    assert len(server.requests) == 23


def test_some_empty_pages_and_a_record_that_moved_end_no_walk(
    client: HubSpotClient, server: ScriptedServer
) -> None:
    empty = [page([], number) for number in range(19)]
    server.answer(page(["1", "2"], 100), *empty, page(["2", "3"], 101), page(["4"]))

    pages = list(client.iter_archived(CONTACTS))

    assert [key for each in pages for key in each] == ["1", "2", "3", "4"]
