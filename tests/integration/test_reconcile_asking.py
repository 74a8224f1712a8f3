"""What a reconciliation asks again, and what it makes of the answers."""

import pytest
from reconciling import found, run

from crm_warehouse.errors import TransientSourceError
from tests.proof.house import House, Open
from tests.proof.oracle import compare_all

LIVE = "SELECT count(*) FROM warehouse.{} WHERE source_system = %s AND NOT is_deleted"


def live(house: House, table: str) -> int:
    number: int = house.value(LIVE.format(table), house.source.name)
    return number


def test_what_the_source_forgot_stays(open_house: Open) -> None:
    house = open_house("activeprospect")
    house.sync("leads", "full")
    before = live(house, "leads")
    forgotten = set(house.sandbox.move("leads", "delete", before // 2))
    changed = set(house.sandbox.move("leads", "change", 3)) - forgotten

    result = run(house, "leads", repair=True)

    assert found(house, result) == {
        "forgotten_there": forgotten,
        "fields_differ": changed,
    }
    assert (result.verdict, result.repaired) == ("equal", len(changed))
    assert (result.records_deleted, live(house, "leads")) == (0, before)
    # Whom the source does not list, nobody asks for.
    assert result.asked_again == len(changed)


def test_what_is_forgotten_while_it_is_judged_stays_too(open_house: Open) -> None:
    house = open_house("activeprospect")
    house.sync("events", "full")
    before = live(house, "lead_events")
    [lost] = house.sandbox.move("events", "change", 1)
    house.sandbox.fault("status", path=f"/events/{lost}", status=404)

    result = run(house, "events", repair=True)

    assert found(house, result) == {"forgotten_there": {lost}}
    assert (result.verdict, live(house, "lead_events")) == ("equal", before)


def test_what_has_no_address_is_read_once_more_whole(open_house: Open) -> None:
    house = open_house("hubspot")
    house.sync("pipelines", "full")
    gone = set(house.sandbox.move("pipelines", "delete", 2))
    new = set(house.sandbox.move("pipelines", "create", 1))
    changed = set(house.sandbox.move("pipelines", "change", 3)) - new

    listed = run(house, "pipelines")

    differences = {"gone_there": gone, "missing_here": new, "fields_differ": changed}
    assert found(house, listed) == differences
    assert (listed.verdict, listed.requests) == ("different", 2)
    result = run(house, "pipelines", repair=True)
    assert found(house, result) == differences
    assert (result.verdict, result.requests) == ("equal", 2)
    assert compare_all(house.conninfo, house.sandbox, "pipelines") == {}


def test_an_owner_who_left_is_found_by_id(open_house: Open) -> None:
    house = open_house("hubspot")
    house.sync("owners", "full")
    [left] = house.sandbox.move("owners", "delete", 1)

    result = run(house, "owners", repair=True)

    assert found(house, result) == {"fields_differ": {left}}
    assert result.verdict == "equal"
    assert compare_all(house.conninfo, house.sandbox, "owners") == {}


def test_one_who_was_erased_there_is_no_difference_of_a_sweep(
    open_house: Open,
) -> None:
    house = open_house("hubspot")
    house.sync("contacts", "full")
    victim = house.value("SELECT min(source_id) FROM raw.hubspot_contacts")
    house.sandbox.admin("POST", "/contacts/archive", {"ids": [victim]})
    assert run(house, "contacts", repair=True).records_deleted == 1
    house.sandbox.admin("POST", "/contacts/erase", {"ids": [victim]})

    result = run(house, "contacts", extent="sweep", repair=True)

    assert (result.asked_again, result.differences) == (1, 0)
    assert (result.verdict, result.in_source) == ("equal", None)


def test_many_are_judged_by_a_second_list_not_one_by_one(open_house: Open) -> None:
    house = open_house("marketsharp")
    once = house.sync("leads", "full").requests
    total = live(house, "leads")
    house.rows("DELETE FROM warehouse.leads")
    house.rows("DELETE FROM raw.marketsharp_leads")

    result = run(house, "leads")

    assert total > 200
    assert result.by_reason == {"missing_here": total}
    assert result.requests <= 2 * once
    # Nothing was merged, so nothing counts as right.
    assert (result.records_unchanged, result.records_processed) == (0, 0)
    assert run(house, "leads", repair=True).records_created == total
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}


def test_who_is_missing_twice_is_asked_for_by_id_all_the_same(
    open_house: Open,
) -> None:
    house = open_house("marketsharp")
    house.sync("leads", "full")
    gone = set(house.sandbox.move("leads", "delete", 3))
    changed = set(house.sandbox.move("leads", "change", 60)) - gone

    result = run(house, "leads", repair=True)

    assert found(house, result) == {"gone_there": gone, "fields_differ": changed}
    assert result.verdict == "equal"
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}


@pytest.mark.parametrize("pages", [2, 4])
def test_a_second_list_goes_on_where_it_was(open_house: Open, pages: int) -> None:
    house = open_house("marketsharp")
    once = house.sync("leads", "full").requests
    house.rows("DELETE FROM warehouse.leads")
    house.rows("DELETE FROM raw.marketsharp_leads")
    house.sandbox.admin("DELETE", "/stats")
    number = house.sandbox.fault(
        "status", path="/leads", status=503, after=once + pages
    )
    with pytest.raises(TransientSourceError):
        run(house, "leads", repair=True)
    house.sandbox.admin("DELETE", f"/faults/{number}")
    assert 0 < live(house, "leads") < 300

    result = run(house, "leads", repair=True)

    assert (result.verdict, result.repaired) == ("equal", 300)
    # Four tries failed; where a list is taken up, a page comes again.
    assert result.requests <= 2 * once + 4 + 1
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
