"""Known keys of four systems against the truth: said, ended, linked, contradicted."""

from collections import defaultdict
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from tests.proof.house import House, Open

SAID = (
    "SELECT source_id, key_kind, key_value FROM identity.known_keys"
    " WHERE source_system = %s AND entity_type = %s AND said_until IS NULL"
)
LINKS = (
    "SELECT source_system, source_id, key_kind, linked_system, linked_source_id, state"
    " FROM identity.known_links"
)
CONFLICTS = (
    "SELECT conflict, source_system, source_ids, linked_system, linked_source_ids"
    " FROM identity.known_conflicts"
)
#: Whose records say something, and whose are named.
SPEAKERS = {"genius": "prospects", "hubspot": "contacts", "activeprospect": "leads"}
ENTITIES = {**SPEAKERS, "marketsharp": "contacts"}


class Named(NamedTuple):
    """That one record names another."""

    system: str
    source_id: str
    of: str
    named: str


@pytest.fixture
def houses(open_house: Open) -> dict[str, House]:
    return {name: open_house(name) for name in ENTITIES}


def said(house: House, entity: str) -> list[tuple[str, str, str]]:
    found = house.rows(SAID, house.source.name, entity)
    return sorted(
        (row["source_id"], row["key_kind"], row["key_value"]) for row in found
    )


def truth(house: House, entity: str) -> list[tuple[str, str, str]]:
    return sorted(house.sandbox.known_keys(entity))


def named_by(houses: dict[str, House]) -> list[Named]:
    return [
        Named(system, source_id, kind.split(".")[0], value)
        for system, entity in SPEAKERS.items()
        for source_id, kind, value in houses[system].sandbox.known_keys(entity)
        if kind != "certificate"
    ]


def pairs_by_certificate(houses: dict[str, House]) -> set[tuple[Any, ...]]:
    carried: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for system, entity in SPEAKERS.items():
        for source_id, kind, value in houses[system].sandbox.known_keys(entity):
            if kind == "certificate":
                carried[value].append((system, source_id))
    return {
        (*one, "certificate", *other, "linked")
        for carriers in carried.values()
        for one, other in combinations(sorted(carriers), 2)
    }


def contradictions(named: list[Named]) -> set[tuple[Any, ...]]:
    claims, names, says = defaultdict(set), defaultdict(set), defaultdict(set)
    for each in named:
        claims[each.system, each.of, each.named].add(each.source_id)
        names[each.system, each.source_id, each.of].add(each.named)
    says.update({(a, i, b): found for (a, i, b), found in names.items()})
    several = {
        ("claimed_by_several", system, tuple(sorted(ids)), of, (one,))
        for (system, of, one), ids in claims.items()
        if len(ids) > 1
    }
    several |= {
        ("names_several", system, (source_id,), of, tuple(sorted(ids)))
        for (system, source_id, of), ids in names.items()
        if len(ids) > 1
    }
    return several | {
        ("denied", n.system, (n.source_id, *sorted(back)), n.of, (n.named,))
        for n in named
        if (back := says[n.of, n.named, n.system]) and n.source_id not in back
    }


@pytest.mark.parametrize("system", SPEAKERS)
def test_what_records_say_is_the_truth_through_changes_and_deletions(
    houses: dict[str, House], system: str
) -> None:
    house, entity = houses[system], SPEAKERS[system]
    house.sync(entity, "full")
    assert len(truth(house, entity)) > 100
    assert said(house, entity) == truth(house, entity)

    for action in ("change", "delete", "create"):
        house.sandbox.move(entity, action, 20)
    house.sync(entity, "full")
    assert said(house, entity) == truth(house, entity)

    house.rows("TRUNCATE identity.known_keys")
    replay = house.sync(entity, "replay")
    assert said(house, entity) == truth(house, entity)
    assert (replay.requests, replay.records_updated) == (0, 0)


def test_links_and_contradictions_are_those_of_the_truth(
    houses: dict[str, House],
) -> None:
    live: dict[str, set[str]] = {}
    for system, entity in ENTITIES.items():
        houses[system].sync(entity, "full")
        lines = houses[system].sandbox.truth(entity)
        live[system] = {line["source_id"] for line in lines}
    named = named_by(houses)
    expected = {
        (
            *(n.system, n.source_id, f"{n.of}.{ENTITIES[n.of]}", n.of, n.named),
            "linked" if n.named in live[n.of] else "dangling",
        )
        for n in named
    }

    found = {tuple(row.values()) for row in houses["genius"].rows(LINKS)}
    assert found == expected | pairs_by_certificate(houses)
    states = [row[-1] for row in found]
    assert min(states.count("linked"), states.count("dangling")) > 5

    told = {
        tuple(tuple(v) if isinstance(v, list) else v for v in row.values())
        for row in houses["genius"].rows(CONFLICTS)
    }
    assert told == contradictions(named)
    assert {row[0] for row in told} == {"claimed_by_several", "names_several", "denied"}


def test_what_a_merge_leaves_is_said_for_the_survivor(
    houses: dict[str, House],
) -> None:
    house = houses["hubspot"]
    house.sync("contacts", "full")
    before = {source_id for source_id, _, _ in truth(house, "contacts")}
    merged = house.sandbox.admin(
        "POST", "/contacts/merge", {"primary": min(before), "merged": [max(before)]}
    )
    house.sync("contacts")

    assert said(house, "contacts") == truth(house, "contacts")
    rows = house.rows(
        "SELECT DISTINCT source_id FROM identity.said_keys WHERE said_by = %s",
        max(before),
    )
    assert rows == [{"source_id": merged["survivor"]}]
