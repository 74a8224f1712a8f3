"""What only HubSpot does to a load: search, its index, its caps, its associations."""

from dataclasses import replace

import pytest

from crm_warehouse.errors import TransientSourceError
from include.sandbox.server import SandboxServer
from tests.proof.house import SOURCES, House
from tests.proof.oracle import compare_all

#: Settings of the sandbox that tests change, and that a reset keeps.
DEFAULTS = {
    "quota": {"enabled": False},
    "search_quota": {"enabled": False},
    "id_order": "number",
    "index_lag_seconds": 0,
    "clock_offset_seconds": 0,
}


@pytest.fixture
def house(warehouse: str, sandbox: SandboxServer) -> House:
    source = SOURCES["hubspot"]
    retry = replace(source.retry, delays=(0.01,) * 3)
    crm = sandbox.crm("hubspot")
    crm.configure(**DEFAULTS)
    return House(warehouse, crm, replace(source, quotas=(), retry=retry))


def agrees(house: House, entity: str) -> bool:
    return compare_all(house.conninfo, house.sandbox, entity) == {}


@pytest.mark.parametrize("order", ["number", "text"])
def test_a_bulk_edit_of_one_millisecond(house: House, order: str) -> None:
    house.sandbox.configure(id_order=order)
    house.sync("contacts")
    house.sandbox.admin("POST", "/contacts/stamp", {"count": 550})

    result = house.sync("contacts")

    assert (result.status, result.records_updated) == ("success", 550)
    # Properties, three pages of 200, and the closing count.
    assert result.requests == 5
    assert agrees(house, "contacts")


def test_an_interrupted_search_goes_on_behind_its_last_id(house: House) -> None:
    house.sync("deals")
    # Not within the second that ends the window: they would come with the next one.
    house.sandbox.configure(clock_offset_seconds=-30)
    house.sandbox.move("deals", "change", 290)
    house.sandbox.configure(clock_offset_seconds=0)
    number = house.sandbox.fault(
        "status", path="/crm/v3/objects/deals/search", status=503, after=1
    )
    with pytest.raises(TransientSourceError):
        house.sync("deals")
    house.sandbox.admin("DELETE", f"/faults/{number}")

    result = house.sync("deals")

    assert (result.status, result.records_received) == ("success", 290)
    assert (result.records_updated, result.records_repeated) == (290, 0)
    assert agrees(house, "deals")


def test_what_the_index_shows_late_comes_with_the_next_window(house: House) -> None:
    house.sync("contacts")
    house.sandbox.configure(index_lag_seconds=60)
    house.sandbox.move("contacts", "change", 40)
    assert house.sync("contacts").records_updated == 0

    house.sandbox.configure(clock_offset_seconds=61)

    assert house.sync("contacts").records_updated == 40
    assert agrees(house, "contacts")


@pytest.mark.parametrize("kind", ["short_page", "empty_page", "lying_total", "loop"])
def test_a_search_that_misleads_loses_nothing(house: House, kind: str) -> None:
    house.sync("contacts")
    house.sandbox.move("contacts", "change", 450)
    path = "/crm/v3/objects/contacts/search"
    house.sandbox.fault(kind, path=path, count=1, after=1)

    result = house.sync("contacts")

    assert (result.status, result.records_updated) == ("success", 450)
    assert agrees(house, "contacts")


def test_changes_of_associations_alone_are_found_by_a_full_load(house: House) -> None:
    house.sync("contacts")
    house.sync("deals")
    house.sandbox.admin("POST", "/deals/relink", {"count": 25, "touch": False})

    assert house.sync("deals").records_processed == 0
    assert house.sync("deals", "full").status == "success"

    assert agrees(house, "deals")


def test_all_pages_of_associations_are_loaded(house: House) -> None:
    house.sandbox.configure(associations_page=3, associations_inputs=7)
    try:
        house.sync("companies")

        assert agrees(house, "companies")
    finally:
        house.sandbox.configure(associations_page=500, associations_inputs=100)
