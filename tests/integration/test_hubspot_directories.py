"""Pipelines with their stages, and owners: what deals are read by."""

import pytest

from include.sandbox.server import SandboxServer
from tests.proof.house import House, Open
from tests.proof.oracle import compare_all

STAGES = """
SELECT l.source_id, s.pipeline_name, s.name FROM warehouse.leads AS l
JOIN warehouse.pipeline_stages AS s ON s.id = l.stage_id
"""
WAITING = "SELECT count(*) FROM warehouse.leads WHERE stage_id IS NULL"


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


def agrees(house: House, entity: str) -> bool:
    return compare_all(house.conninfo, house.sandbox, entity) == {}


def stage_names(house: House) -> dict[str, tuple[str, str]]:
    return {
        row["source_id"]: (row["pipeline_name"], row["name"])
        for row in house.rows(STAGES)
    }


def test_stages_equal_the_truth_and_cost_one_request(house: House) -> None:
    result = house.sync("pipelines", "full")

    assert (result.status, result.records_created, result.requests) == (
        "success",
        14,
        1,
    )
    assert agrees(house, "pipelines")
    won = "SELECT source_id FROM warehouse.pipeline_stages WHERE is_won ORDER BY 1"
    assert [row["source_id"] for row in house.rows(won)] == [
        "default:closedwon",
        "renovation:closedwon",
    ]


@pytest.mark.parametrize("order", [("deals", "pipelines"), ("pipelines", "deals")])
def test_a_deal_reads_its_stage_by_name_whichever_came_first(
    house: House, order: tuple[str, str]
) -> None:
    for entity in order:
        assert house.sync(entity, "full").status == "success"

    names, deals = stage_names(house), house.sandbox.truth("deals")
    truth = {row["source_id"]: row for row in house.sandbox.truth("pipelines")}
    assert house.value(WAITING) == 0
    for deal in deals:
        stage = truth[deal["stage_source_id"]]
        assert names[deal["source_id"]] == (stage["pipeline_name"], stage["name"])
    # The same id in two pipelines, and two names of it.
    named = {names[d["source_id"]] for d in deals if d["status"] == "contractsent"}
    assert named == {
        ("Sales pipeline", "Contract sent"),
        ("Renovation pipeline", "Contract with customer"),
    }


def test_a_renamed_stage_reads_otherwise_and_no_deal_is_touched(house: House) -> None:
    for entity in ("deals", "pipelines"):
        house.sync(entity, "full")
    written = (
        "SELECT max(xmin::text::bigint) AS x, max(last_synced) FROM warehouse.leads"
    )
    before, names = house.rows(written), stage_names(house)
    renamed = set(house.sandbox.move("pipelines", "change", 3))

    result = house.sync("pipelines", "full")

    assert (result.records_updated, result.records_unchanged) == (3, 11)
    assert house.rows(written) == before
    stage_of = {
        d["source_id"]: d["stage_source_id"] for d in house.sandbox.truth("deals")
    }
    now = stage_names(house)
    changed = {key for key in now if now[key] != names[key]}
    assert changed == {key for key, stage in stage_of.items() if stage in renamed}
    assert changed


def test_a_deleted_stage_is_marked_and_its_deals_still_read_it(house: House) -> None:
    for entity in ("pipelines", "deals"):
        house.sync(entity, "full")
    names = stage_names(house)
    gone = sorted(house.sandbox.move("pipelines", "delete", 2))
    added = house.sandbox.move("pipelines", "create", 1)

    first = house.sync("pipelines", "full")
    second = house.sync("pipelines", "full")

    assert (first.records_created, first.records_deleted) == (1, 0)
    assert (first.records_absent, second.records_deleted) == (2, 2)
    marked = (
        "SELECT source_id FROM warehouse.pipeline_stages WHERE is_deleted ORDER BY 1"
    )
    assert [row["source_id"] for row in house.rows(marked)] == gone
    assert added == ["default:90000014"]
    assert stage_names(house) == names
    assert agrees(house, "pipelines")


def test_owners_active_and_archived_are_users(house: House) -> None:
    assert house.sync("owners", "full").requests == 2
    house.sandbox.move("owners", "change", 2)
    [left] = house.sandbox.move("owners", "delete", 1)
    house.sandbox.move("owners", "create", 1)

    result = house.sync("owners", "full")

    assert (result.records_created, result.records_deleted) == (1, 0)
    assert agrees(house, "owners")
    archived = (
        "SELECT is_archived FROM warehouse.users"
        " WHERE source_system = 'hubspot' AND source_id = %s"
    )
    assert house.value(archived, left) is True


def test_owners_of_several_pages_are_all_read(house: House) -> None:
    result = house.sync("owners", "full", batch_size=4)

    # Ten active ones on three pages, two archived ones on one.
    assert (result.records_created, result.requests) == (12, 4)
    assert agrees(house, "owners")


def test_a_deal_names_its_owner(house: House) -> None:
    for entity in ("deals", "owners"):
        house.sync(entity, "full")

    wrong = house.value(
        "SELECT count(*) FROM warehouse.leads AS l"
        " LEFT JOIN warehouse.users AS u ON u.id = l.user_id"
        " WHERE u.source_id IS DISTINCT FROM l.user_source_id"
    )
    linked = house.value("SELECT count(user_id) FROM warehouse.leads")
    assert (wrong, linked > 100) == (0, True)


def test_both_amounts_and_the_currency_of_a_deal(house: House) -> None:
    house.sync("deals", "full")

    foreign = house.rows(
        "SELECT value, home_value FROM warehouse.leads"
        " WHERE currency = 'CAD' AND value IS NOT NULL"
    )
    assert foreign
    for row in foreign:
        assert row["home_value"] == round(row["value"] * 73 / 100, 2)
    assert agrees(house, "deals")


def test_what_is_no_pipeline_is_no_empty_one(
    house: House, sandbox: SandboxServer
) -> None:
    house.sync("pipelines", "full")
    house.sandbox.fault(
        "drop_field", path="/crm/v3/pipelines/deals", field="stages", count=1
    )

    result = house.sync("pipelines", "full")

    assert (result.status, result.records_unchanged) == ("success", 14)
    assert result.retries == 1
