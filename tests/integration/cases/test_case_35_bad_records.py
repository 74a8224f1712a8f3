"""Case 35: one record in a hundred is bad; the rules are mended, and none is lost.

Of type, length, encoding and without an id. The load is partial, its counters add up,
and nothing but the bad records is missing. Once rule and source are mended, a
reprocessing and a full load empty the quarantine, and the warehouse equals the source.
"""

import pytest

from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.reprocess import ReprocessRequest, reprocess
from tests.proof.house import House, Open
from tests.proof.oracle import compare

BAD = {"bad_created_date": 2, "huge_text": 1, "nul": 1, "missing_id": 2}
RULES = """
INSERT INTO ops.sync_validation_rules
    (name, source_system, entity_type, field, rule_type, config)
VALUES
    ('known_since', 'genius', 'prospects', 'source_created_at', 'required', '{}'),
    ('short_address', 'genius', 'prospects', 'address', 'max_length',
        '{"length": 500}'),
    ('plain_name', 'genius', 'prospects', 'last_name', 'pattern',
        '{"pattern": "[\\\\w .''-]+"}')
"""
OPEN = (
    "SELECT rule, count(*) AS n FROM ops.sync_errors"
    " WHERE NOT resolved AND severity = 'error' GROUP BY rule ORDER BY rule"
)


@pytest.fixture
def house(open_house: Open) -> House:
    house = open_house("genius")
    for kind, count in BAD.items():
        house.sandbox.move("prospects", "spoil", count, kind=kind)
    return house


def adds_up(result: SyncResult) -> bool:
    outcomes = (
        result.records_created
        + result.records_updated
        + result.records_unchanged
        + result.records_deleted
        + result.records_failed
    )
    processed = result.records_processed
    return (
        processed == outcomes
        and result.records_received == processed + result.records_repeated
    )


def test_one_percent_is_set_aside_and_comes_back_when_the_rule_is_mended(
    house: House,
) -> None:
    house.rows(RULES)

    first = house.sync("prospects", "full")

    assert (first.status, first.records_failed) == ("partial", sum(BAD.values()))
    assert first.records_created == 600 - first.records_failed
    assert adds_up(first)
    assert {row["rule"]: row["n"] for row in house.rows(OPEN)} == {
        "built-in:id": 2,
        "known_since": 2,
        "plain_name": 1,
        "short_address": 1,
    }
    missing = compare(house.conninfo, house.sandbox, "prospects")
    assert (len(missing.missing), missing.extra, missing.different) == (4, [], [])

    house.rows("UPDATE ops.sync_validation_rules SET is_active = false")
    entity = house.source.entities["prospects"]
    second = reprocess(
        ReprocessRequest(house.source, entity, "genius"), conninfo=house.conninfo
    )

    assert (second.status, second.requests) == ("success", 0)
    assert (second.records_created, second.records_failed) == (4, 2)
    assert adds_up(second)
    assert house.rows(OPEN) == [{"rule": "built-in:id", "n": 2}]
    assert not compare(house.conninfo, house.sandbox, "prospects")

    house.sandbox.admin("POST", "/prospects/mend")
    third = house.sync("prospects", "full")

    assert third.status == "success"
    assert (third.records_created, third.records_failed) == (2, 0)
    assert adds_up(third)
    assert house.rows(OPEN) == []
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_loads_in_between_change_nothing_about_the_outcome(house: House) -> None:
    """An incremental load that meets the rejects again does not count them as new."""
    house.rows(RULES)
    house.sync("prospects", "full")

    again = house.sync("prospects", "full")
    house.rows("DELETE FROM ops.sync_validation_rules")
    healed = house.sync("prospects", "full")

    assert (again.status, again.records_failed) == ("success", 6)
    assert (healed.records_created, healed.records_failed) == (4, 2)
    assert not compare(house.conninfo, house.sandbox, "prospects")
