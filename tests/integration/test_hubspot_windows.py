"""Windows of HubSpot's changes: what shows late comes, and each proves itself."""

import json
from typing import Any

import pytest

from crm_warehouse.errors import IncompleteReadError
from tests.proof.house import House, Open
from tests.proof.meddler import meddler, with_body
from tests.proof.oracle import compare_all
from tests.unit.clients.scripted_server import Reply, Request

MINUTE = 60
WINDOWS = (
    "SELECT w.reading, w.way, w.announced, w.collected, w.state FROM ops.sync_windows"
    " AS w WHERE w.job_id = (SELECT max(id) FROM ops.sync_jobs) ORDER BY w.reading"
)


def windows(house: House) -> list[tuple[Any, ...]]:
    """Readings of the latest job's window."""
    return [tuple(row.values()) for row in house.rows(WINDOWS)]


def clock(house: House, minutes: float) -> None:
    """Set the source's clock, which ends windows, so far from ours."""
    house.sandbox.configure(clock_offset_seconds=minutes * MINUTE)


@pytest.fixture
def house(open_house: Open) -> House:
    house = open_house("hubspot")
    # The clock of a reset sandbox is ours; its index has no lag.
    house.sandbox.configure(clock_offset_seconds=0, index_lag_seconds=0)
    return house


def test_a_change_that_shows_half_an_hour_late_is_picked_up(house: House) -> None:
    house.sandbox.configure(index_lag_seconds=30 * MINUTE)
    clock(house, -110)
    house.sync("contacts")
    house.sandbox.move("contacts", "change", 25)
    changed = house.value("SELECT watermark FROM ops.watermarks")

    came = []
    for minutes in (-95, -81, -79):
        clock(house, minutes)
        came.append(house.sync("contacts").records_updated)

    assert came == [0, 0, 25]
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
    # The watermark is where windows ended, and not the newest change that was seen.
    passed = house.value("SELECT watermark FROM ops.watermarks") - changed
    assert 30 * MINUTE < passed.total_seconds() < 32 * MINUTE


def test_each_window_says_what_was_announced_and_what_came(house: House) -> None:
    clock(house, -180)
    house.sync("contacts")
    assert windows(house) == [(1, "list", None, 600, "uncounted")]
    house.sandbox.move("contacts", "change", 250)
    clock(house, 0)

    house.sync("contacts")

    changed = house.value("SELECT count(*) FROM raw.hubspot_contacts WHERE job_id = 2")
    assert windows(house) == [(1, "search", changed, changed, "complete")]


def forget_some(request: Request, reply: Reply) -> Reply:
    """A search that leaves some records out, and does not count them either."""
    if not request.path.endswith("search") or request.json["limit"] == 1:
        return reply
    page = json.loads(reply.body)
    kept = [each for each in page["results"] if int(each["id"]) % 40 != 3]
    page["total"] -= len(page["results"]) - len(kept)
    return with_body(reply, json.dumps({**page, "results": kept}).encode())


def test_a_search_that_leaves_records_out_is_red(house: House) -> None:
    clock(house, -180)
    house.sync("contacts")
    house.sandbox.move("contacts", "change", 250)
    clock(house, 0)

    with meddler(house) as crm:
        crm.meddling = forget_some
        with pytest.raises(IncompleteReadError, match="announces"):
            crm.house.sync("contacts")

    announced, collected = windows(house)[-1][2:4]
    assert windows(house) == [
        (1, "search", announced, collected, "short"),
        (2, "search", announced, collected, "short"),
    ]
    assert 0 < collected < announced
    assert house.sync("contacts").status == "success"
    assert windows(house)[2:] == [(3, "search", announced, announced, "complete")]
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
