"""Every entity of HubSpot, MarketSharp and ActiveProspect equals its source's truth.

Genius' own tests are in ``test_truth.py``; these are the same promises for the others.
"""

import itertools
from typing import Any

import pytest

from tests.proof.house import House, Open
from tests.proof.oracle import FILLED, compare_all

SYSTEMS = ("hubspot", "marketsharp", "activeprospect")
ENTITIES = [(system, entity) for system in SYSTEMS for entity in FILLED[system]]
#: System -> [child's table, its column, the parent's table].
PARENTS = {
    "hubspot": [
        ("leads", "contact_id", "contacts"),
        ("lead_contacts", "contact_id", "contacts"),
        ("company_contacts", "contact_id", "contacts"),
    ],
    "marketsharp": [
        ("leads", "contact_id", "contacts"),
        ("jobs", "contact_id", "contacts"),
        ("activities", "contact_id", "contacts"),
    ],
    "activeprospect": [
        ("leads", "contact_id", "contacts"),
        ("lead_events", "lead_id", "leads"),
    ],
}


def marks(house: House) -> list[dict[str, Any]]:
    """Where every row lies and who wrote it: moves when a row is written."""
    tables = [
        *(f"raw.{each.raw_table}" for each in house.source.entities.values()),
        *(
            f"warehouse.{table}"
            for tables in FILLED[house.source.name].values()
            for table in tables
        ),
        "warehouse.lead_contacts",
        "warehouse.company_contacts",
    ]
    parts = (
        f"SELECT '{t}' AS t, xmin::text AS x, ctid::text AS c FROM {t}" for t in tables
    )
    return house.rows(f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3")


@pytest.mark.parametrize(("system", "entity"), ENTITIES)
def test_a_full_load_equals_the_truth(
    open_house: Open, system: str, entity: str
) -> None:
    house = open_house(system)

    result = house.sync(entity, "full")

    assert (result.status, result.records_failed) == ("success", 0)
    assert result.records_created == len(house.sandbox.truth(entity))
    assert compare_all(house.conninfo, house.sandbox, entity) == {}


@pytest.mark.parametrize(("system", "entity"), ENTITIES)
def test_nothing_new_writes_no_row(open_house: Open, system: str, entity: str) -> None:
    house = open_house(system)
    house.sync(entity)
    before = marks(house)

    for mode in ("incremental", "full", "replay"):
        result = house.sync(entity, mode)

        assert (result.status, result.records_created) == ("success", 0)
        assert (result.records_updated, result.records_deleted) == (0, 0)
        assert marks(house) == before


@pytest.mark.parametrize(("system", "entity"), ENTITIES)
def test_an_increment_brings_exactly_what_changed(
    open_house: Open, system: str, entity: str
) -> None:
    house = open_house(system)
    house.sync(entity)
    house.sandbox.move(entity, "change", 30)
    house.sandbox.move(entity, "create", 7)

    result = house.sync(entity)

    assert (result.records_updated, result.records_created) == (30, 7)
    assert result.records_received == 37
    assert compare_all(house.conninfo, house.sandbox, entity) == {}


@pytest.mark.parametrize(("system", "entity"), ENTITIES)
def test_a_full_load_marks_exactly_what_was_deleted(
    open_house: Open, system: str, entity: str
) -> None:
    house = open_house(system)
    house.sync(entity)
    gone = sorted(map(str, house.sandbox.move(entity, "delete", 9)))

    result = house.sync(entity, "full")

    assert result.records_deleted == 9
    for table in FILLED[system][entity]:
        marked = house.rows(
            f"SELECT source_id FROM warehouse.{table} WHERE is_deleted ORDER BY 1"
        )
        assert [row["source_id"] for row in marked] == gone
    assert compare_all(house.conninfo, house.sandbox, entity) == {}


@pytest.mark.parametrize(
    ("system", "order"),
    [
        (system, order)
        for system in SYSTEMS
        for order in itertools.permutations(FILLED[system])
    ][::3],
)
def test_children_find_their_parents_in_any_order(
    open_house: Open, system: str, order: tuple[str, ...]
) -> None:
    house = open_house(system)

    for entity in order:
        assert house.sync(entity).status == "success"

    for child, column, parent in PARENTS[system]:
        named = column.replace("_id", "_source_id")
        wrong = house.value(
            f"SELECT count(*) FROM warehouse.{child} AS c"
            f" LEFT JOIN warehouse.{parent} AS p ON p.id = c.{column}"
            f" WHERE p.source_id IS DISTINCT FROM c.{named}"
        )
        linked = f"SELECT count(*) FROM warehouse.{child} WHERE {column} IS NOT NULL"
        assert (wrong, house.value(linked) > 0) == (0, True)


def test_all_systems_live_in_the_same_tables(open_house: Open) -> None:
    for system in SYSTEMS:
        house = open_house(system)
        for entity in house.source.entities:
            house.sync(entity)

    for system in SYSTEMS:
        house = open_house(system)
        for entity in house.source.entities:
            assert compare_all(house.conninfo, house.sandbox, entity) == {}


@pytest.mark.parametrize(("system", "entity"), ENTITIES)
def test_dirty_records_are_set_aside_or_kept_with_a_warning(
    open_house: Open, system: str, entity: str
) -> None:
    house = open_house(system)
    house.sandbox.move(entity, "spoil", 40)
    lines = house.sandbox.truth(entity)
    rejected = [line for line in lines if line["expect"] == "reject"]

    result = house.sync(entity)

    assert result.records_failed == len(rejected)
    assert result.records_created == len(lines) - len(rejected)
    reasons = house.rows(
        "SELECT error_type AS reason FROM ops.sync_errors WHERE severity = 'error'"
    )
    assert sorted(row["reason"] for row in reasons) == sorted(
        line["reason"] for line in rejected
    )
    assert compare_all(house.conninfo, house.sandbox, entity) == {}
    warned = {
        (row["source_id"], row["field"])
        for row in house.rows(
            "SELECT source_id, field FROM ops.sync_errors WHERE severity = 'warning'"
        )
    }
    due = {
        (line["source_id"], field)
        for line in lines
        if line["expect"] == "keep"
        for field in line["warnings"]
    }
    assert due <= {(key, field.rpartition(".")[2]) for key, field in warned}
