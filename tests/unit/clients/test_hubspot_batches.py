"""Records that are put together from several answers are of one version each."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.clients.interface import SourceClient, Window
from crm_warehouse.errors import RequestRefusedError, TransientSourceError
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.recording_gate import START
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)

CONTACTS = HUBSPOT.entities["contacts"]
#: More than any address or search holds.
NAMES = [f"a_property_with_quite_a_long_name_of_its_own_{n:04}" for n in range(1_500)]


@pytest.fixture
def wide(portal: Portal) -> Portal:
    """A portal of 1,500 properties; contacts have the first and the last one."""
    portal.names = NAMES
    return portal


def add(portal: Portal, *ids: int, state: str = "old") -> None:
    changed = START - timedelta(minutes=90 if state == "old" else 70)
    portal.add(*ids, changed=changed, **{NAMES[0]: state, NAMES[-1]: state})


def at_most(server: ScriptedServer, portal: Portal, names: int, status: int) -> None:
    """Refuse batches that ask for more properties than so many."""

    def refuses(request: Request) -> Reply:
        if request.path.endswith("read") and len(request.json["properties"]) > names:
            return as_json({}, status)
        return portal(request)

    server.run(refuses)


def states(client: SourceClient, window: Window) -> dict[str, set[str]]:
    """The ends of each record, by its id."""
    pages = client.iter_pages(CONTACTS, window, checkpoint=None, page_size=100)
    return {
        record["id"]: {record["properties"][name] for name in (NAMES[0], NAMES[-1])}
        for page in pages
        for record in page.records
    }


EVERYTHING = Window(None, None)
CHANGES = Window(START - timedelta(hours=2), START)


@pytest.mark.parametrize("window", [EVERYTHING, CHANGES], ids=["list", "search"])
def test_fifteen_hundred_long_names_never_stand_in_an_address(
    server: ScriptedServer, hubspot: SourceClient, wide: Portal, window: Window
) -> None:
    add(wide, *range(1, 251))
    longest = []

    def measures(request: Request) -> Reply:
        longest.append(len(request.target))
        return wide(request)

    server.run(measures)

    assert states(hubspot, window) == {str(n): {"old"} for n in range(1, 251)}
    assert max(longest) < 200
    batches = [body for body in wide.asked("read") if "properties" in body]
    assert [len(body["inputs"]) for body in batches] == [100, 100, 50]
    assert {len(body["properties"]) for body in batches} == {1_502}


@pytest.mark.parametrize("status", [400, 413, 414])
def test_names_that_are_too_many_are_asked_for_in_parts(
    server: ScriptedServer, hubspot: SourceClient, wide: Portal, status: int
) -> None:
    add(wide, *range(1, 151))
    at_most(server, wide, 400, status)

    assert states(hubspot, EVERYTHING) == {str(n): {"old"} for n in range(1, 151)}
    # 1,502 and 751 are refused; then what was learnt holds: five parts of 375.
    widths = [len(body["properties"]) for body in wide.asked("read")]
    assert widths == [375, 375, 375, 375, 2] * 2


def test_a_refusal_of_few_names_has_another_reason(
    server: ScriptedServer, hubspot: SourceClient, wide: Portal
) -> None:
    add(wide, 1)
    at_most(server, wide, 0, 400)

    with pytest.raises(RequestRefusedError, match="400"):
        states(hubspot, EVERYTHING)


def test_a_record_that_changes_between_its_parts_is_asked_for_again(
    server: ScriptedServer, hubspot: SourceClient, wide: Portal
) -> None:
    add(wide, *range(1, 101))
    at_most(server, wide, 1_000, 400)
    before = iter([None, lambda: add(wide, 7, 8, state="new")])

    def someone_edits(_: list[int]) -> None:
        if edit := next(before, None):
            edit()

    wide.before_read = someone_edits

    found = states(hubspot, EVERYTHING)

    assert found.pop("7") == found.pop("8") == {"new"}
    assert set(map(str, found.values())) == {"{'old'}"}
    asked = [[each["id"] for each in body["inputs"]] for body in wide.asked("read")]
    assert [len(ids) for ids in asked] == [100, 100, 2, 2]


def test_a_record_that_vanishes_between_its_parts_is_left_out(
    server: ScriptedServer, hubspot: SourceClient, wide: Portal
) -> None:
    add(wide, 1, 2)
    at_most(server, wide, 1_000, 400)
    before = iter([None, lambda: wide.records.pop(2)])

    def someone_archives(_: list[int]) -> None:
        if archive := next(before, None):
            archive()

    wide.before_read = someone_archives

    assert states(hubspot, EVERYTHING) == {"1": {"old"}}


def test_a_record_that_keeps_changing_is_left_to_the_next_window(
    server: ScriptedServer,
    hubspot: SourceClient,
    wide: Portal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(wide, 1, 2)
    at_most(server, wide, 1_000, 400)
    moments = (START + timedelta(seconds=n) for n in range(100))
    wide.before_read = lambda _: wide.add(2, changed=next(moments))

    with caplog.at_level(logging.WARNING):
        assert states(hubspot, EVERYTHING) == {"1": {"old"}}

    assert "1 records change while they are read" in caplog.text
    assert len(wide.asked("read")) == 6
    # Who asks for it by its id must not take it for deleted.
    with pytest.raises(TransientSourceError, match="change while"):
        hubspot.fetch_many(CONTACTS, ["1", "2"])


def test_what_changes_between_page_and_batch_comes_whole(
    hubspot: SourceClient, wide: Portal
) -> None:
    add(wide, 1)
    wide.before_read = lambda _: add(wide, 1, state="new")

    pages = hubspot.iter_pages(CONTACTS, CHANGES, checkpoint=None, page_size=100)
    (record,) = next(iter(pages)).records

    assert {record["properties"][name] for name in (NAMES[0], NAMES[-1])} == {"new"}
    assert record["updatedAt"] == record["properties"]["lastmodifieddate"]
    assert json.loads(json.dumps(record)) == record


def test_no_histories_are_asked_for(hubspot: SourceClient, wide: Portal) -> None:
    """So no record without a history can hide those of others, and 100 fit a batch."""
    add(wide, *range(1, 101))

    states(hubspot, EVERYTHING)
    hubspot.fetch_many(CONTACTS, ["1"])

    asked: list[Any] = [what for _, what in wide.requests]
    assert not [what for what in asked if "propertiesWithHistory" in what]
