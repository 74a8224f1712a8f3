"""All four systems beside each other in one warehouse."""

from tests.proof.house import Open
from tests.proof.oracle import FILLED, compare_all


def test_all_systems_live_in_the_same_tables(open_house: Open) -> None:
    houses = [open_house(system) for system in FILLED]
    for house in houses:
        for entity in house.source.entities:
            assert house.sync(entity).status == "success"

    for house in houses:
        for entity in house.source.entities:
            assert compare_all(house.conninfo, house.sandbox, entity) == {}
