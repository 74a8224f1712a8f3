"""Case 31: lists that repeat, run in circles, move and lie while they are read.

Each ends, either equal to the source or failed and to be resumed; never silently short.
"""

import json
from typing import Any

import pytest

from crm_warehouse.errors import IncompleteReadError, TransientSourceError
from tests.integration.cases.conftest import Between
from tests.proof.house import House, Open
from tests.proof.meddler import MAIN, with_body
from tests.proof.oracle import compare, compare_all
from tests.unit.clients.scripted_server import Reply, Request

#: Minutes together with its kind: part of the slow proofs.
pytestmark = pytest.mark.proof

#: A list would go on for ever if more than this were asked for.
MANY = 600


def equal(house: House) -> bool:
    return compare_all(house.conninfo, house.sandbox, MAIN[house.source.name]) == {}


def missed(house: House) -> tuple[list[str], list[str]]:
    """What lives at the source and is not here, or is here otherwise."""
    entity = MAIN[house.source.name]
    difference = compare(house.conninfo, house.sandbox, entity)
    return difference.missing, difference.different


@pytest.mark.parametrize("system", MAIN)
def test_a_page_that_comes_twice_costs_a_request(open_house: Open, system: str) -> None:
    house = open_house(system)
    house.sandbox.fault("repeat_page", after=2, count=1)

    result = house.sync(MAIN[system], "full", batch_size=50)

    assert result.status == "success"
    assert result.records_created == len(house.sandbox.truth(MAIN[system]))
    assert equal(house)


@pytest.mark.parametrize("system", MAIN)
def test_a_circle_ends_and_the_job_goes_on_later(open_house: Open, system: str) -> None:
    house = open_house(system)
    house.sandbox.fault("loop", page=2, after=2)

    with pytest.raises(TransientSourceError):
        house.sync(MAIN[system], batch_size=50)

    assert house.sandbox.stats()["requests"] < MANY
    assert house.value("SELECT count(*) FROM ops.watermarks") == 0
    (failed,) = house.rows("SELECT id, status FROM ops.sync_jobs")
    assert failed["status"] == "failed"
    house.sandbox.clear_faults()

    result = house.sync(MAIN[system], batch_size=50)

    assert (result.job_id, result.status) == (failed["id"], "success")
    assert equal(house)


@pytest.mark.parametrize("mode", ["incremental", "full"])
@pytest.mark.parametrize("system", MAIN)
def test_deletions_between_pages_hide_nothing(
    open_house: Open, system: str, mode: str
) -> None:
    house = open_house(system)
    entity = MAIN[system]
    house.sandbox.fault("page_shift", path=house.source.entities[entity].path, count=4)

    house.sync(entity, mode, batch_size=50)

    assert missed(house) == ([], [])
    house.sync(entity, "full")
    assert equal(house)


@pytest.mark.parametrize("mode", ["incremental", "full"])
@pytest.mark.parametrize("system", MAIN)
def test_rows_edited_created_and_deleted_while_pages_are_read(
    between: Between, system: str, mode: str
) -> None:
    """Whatever a page showed too early comes with the next window."""
    crm = between(system)
    house, entity = crm.house, MAIN[system]
    house.sync(entity, "full")
    house.sandbox.move(entity, "change", 130)

    def move(_: Request, reply: Reply) -> Reply:
        for action, count in (("change", 9), ("create", 4), ("delete", 2)):
            house.sandbox.move(entity, action, count)
        return reply

    struck = crm.strike(1, move, times=5)

    house.sync(entity, mode, batch_size=50)
    assert len(struck) >= 3
    crm.meddling = None
    house.sync(entity, batch_size=50)

    assert missed(house) == ([], [])
    house.sync(entity, "full")
    assert equal(house)


def _without_cursor(_: Request, reply: Reply) -> Reply:
    page: dict[str, Any] = json.loads(reply.body)
    page.pop("paging", None)
    page.pop("next_cursor", None)
    return with_body(reply, json.dumps(page).encode())


def test_a_search_page_without_after_is_not_the_end(between: Between) -> None:
    crm = between("hubspot")
    crm.house.sync("contacts", "full")
    crm.house.sandbox.move("contacts", "change", 160)
    struck = crm.strike(2, _without_cursor)

    result = crm.house.sync("contacts", batch_size=50)

    assert len(struck) == 1
    assert (result.status, result.records_updated) == ("success", 160)
    assert equal(crm.house)


@pytest.mark.parametrize(("system", "page"), [("hubspot", 10), ("activeprospect", 5)])
def test_a_list_that_loses_its_cursor_deletes_nothing(
    between: Between, system: str, page: int
) -> None:
    """No count contradicts such an end; the records' ids do."""
    crm = between(system)
    house, entity = crm.house, MAIN[system]
    house.sync(entity, "full")
    struck = crm.strike(page, _without_cursor)

    first = house.sync(entity, "full", batch_size=50)
    second = house.sync(entity, "full", batch_size=50)

    assert len(struck) == 1
    assert first.records_deleted == second.records_deleted == 0
    assert equal(house)


@pytest.mark.parametrize("delta", [-60, -7, 7, 60])
@pytest.mark.parametrize("system", ["genius", "marketsharp"])
def test_a_list_whose_total_lies(open_house: Open, system: str, delta: int) -> None:
    """Too high is a failure that says so; too low is found out by the pages."""
    house = open_house(system)
    if system == "marketsharp":
        house.sandbox.configure(counted_lists=True)
    house.sandbox.fault("lying_total", delta=delta)

    if delta > 0:
        with pytest.raises(IncompleteReadError):
            house.sync(MAIN[system])
        assert house.value("SELECT count(*) FROM ops.watermarks") == 0
    else:
        assert house.sync(MAIN[system]).status == "success"
    assert house.sandbox.stats()["requests"] < MANY
    assert equal(house)


@pytest.mark.parametrize("delta", [-60, -7, 7, 60])
def test_a_search_whose_total_lies(open_house: Open, delta: int) -> None:
    house = open_house("hubspot")
    house.sync("contacts", "full")
    house.sandbox.move("contacts", "change", 160)
    watermark = house.value("SELECT max(watermark) FROM ops.watermarks")
    house.sandbox.fault("lying_total", delta=delta)

    # Which records the count is about depends on the second in which this happens: more
    # than came may have been announced. Then nothing may count as read.
    announces_more = delta > 0
    try:
        house.sync("contacts", batch_size=50)
    except IncompleteReadError:
        assert announces_more
        assert house.value("SELECT max(watermark) FROM ops.watermarks") == watermark
        house.sandbox.clear_faults()
        house.sync("contacts", batch_size=50)

    assert house.sandbox.stats()["requests"] < MANY
    assert equal(house)
