"""What a repair must not do: harm a row, be in a load's way, or find no end."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from reconciling import found, run

from crm_warehouse.engine.queries import query
from crm_warehouse.engine.retention import delete_old
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import SOURCES, House
from tests.proof.oracle import compare_all

#: Patience with a stalling machine.
_SECONDS = 60


@pytest.fixture(scope="module")
def small() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(prospects=60, quota=False), "hubspot") as server:
        yield server


@pytest.fixture
def house(warehouse: str, small: SandboxServer) -> House:
    """Contacts and deals of a small portal, loaded."""
    small.reset()
    source = SOURCES["hubspot"]
    retry = replace(source.retry, delays=(0.01,) * 3)
    house = House(
        warehouse, small.crm("hubspot"), replace(source, quotas=(), retry=retry)
    )
    for entity in ("contacts", "deals"):
        assert house.sync(entity, "full").status == "success"
    return house


def forbid_city(house: House, city: str) -> set[str]:
    """A new rule that rejects contacts of a city; returns the ids of them."""
    house.rows(
        "INSERT INTO ops.sync_validation_rules (name, source_system, entity_type,"
        " field, rule_type, config, on_error)"
        " VALUES ('city', 'hubspot', 'contacts', 'city', 'not_one_of', %s, 'reject')",
        json.dumps({"values": [city]}),
    )
    rows = house.rows("SELECT source_id FROM warehouse.contacts WHERE city = %s", city)
    return {row["source_id"] for row in rows}


def test_a_row_whose_record_a_rule_rejects_stays_as_it_is(house: House) -> None:
    city = house.value(
        "SELECT city FROM warehouse.contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    rejected = forbid_city(house, city)
    everything = "SELECT * FROM warehouse.contacts ORDER BY source_id"
    before = house.rows(everything)

    result = run(house, "contacts", repair=True)

    assert rejected
    assert house.rows(everything) == before
    assert found(house, result) == {
        "reject_missing": rejected,
        "quarantined": rejected,
    }
    assert (result.verdict, result.repaired) == ("equal", len(rejected))
    assert result.records_failed == len(rejected)
    again = run(house, "contacts", repair=True)
    assert (again.verdict, again.by_reason) == ("equal", {"quarantined": len(rejected)})


def test_a_repair_holds_no_row_while_it_waits_for_links(house: House) -> None:
    victim = house.value("SELECT min(source_id) FROM warehouse.leads")
    tamper = "UPDATE warehouse.leads SET name = 'X' WHERE source_id = %s"
    house.rows(tamper, victim)
    results = []
    repair = threading.Thread(
        target=lambda: results.append(run(house, "deals", repair=True))
    )
    with psycopg.connect(house.conninfo) as other:
        # As a load of contacts does whose chunk has redirects.
        other.execute(query("lock_links"), {"table": "leads"})
        repair.start()
        _wait_for_lock(house)
        other.execute("SET LOCAL lock_timeout = '500ms'")
        other.execute(tamper, (victim,))
    repair.join(_SECONDS)

    [result] = results
    assert (result.verdict, found(house, result)) == (
        "equal",
        {"row_differs": {victim}},
    )
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


def _wait_for_lock(house: House) -> None:
    waits = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname ="
        " current_database())"
    )
    deadline = time.monotonic() + _SECONDS
    while not house.value(waits):
        assert time.monotonic() < deadline, "the repair does not wait for the links"
        time.sleep(0.02)


@pytest.mark.parametrize("loaded_since", [True, False])
def test_a_property_that_was_removed_is_no_difference(
    house: House, loaded_since: bool
) -> None:
    cities = "SELECT source_id, city FROM warehouse.contacts ORDER BY 1"
    before = house.rows(cities)
    house.sandbox.admin("POST", "/properties/contacts", {"remove": ["city"]})
    if loaded_since:
        house.sync("contacts", "full")
    else:
        assert run(house, "contacts", repair=True).verdict == "equal"

    result = run(house, "contacts", repair=True)

    assert (result.verdict, result.by_reason) == ("equal", {})
    assert result.records_updated == 0
    assert house.rows(cities) == before


def test_a_parent_that_was_merged_is_no_difference(house: House) -> None:
    """The source goes on listing the lost id, and the survivor is linked."""
    [several] = house.rows(
        "SELECT lead_source_id AS deal, array_agg(contact_source_id ORDER BY position)"
        " AS contacts FROM warehouse.lead_contacts GROUP BY 1"
        " HAVING count(DISTINCT contact_source_id) > 1 ORDER BY 1 LIMIT 1"
    )
    deal, (loser, survivor, *_) = several["deal"], several["contacts"]
    house.rows(
        "INSERT INTO warehouse.merged_records (source_system, unified_table,"
        " source_id, survivor_source_id, job_id)"
        " VALUES ('hubspot', 'contacts', %s, %s, 1)",
        loser,
        survivor,
    )
    # The deals come again, and their rows and links are written with the survivor.
    house.rows("UPDATE warehouse.leads SET sync_hash = ''")
    house.sync("deals", "replay")
    named = "SELECT contact_source_id FROM warehouse.leads WHERE source_id = %s"
    assert house.value(named, deal) == survivor

    result = run(house, "deals")

    assert (result.verdict, result.by_reason) == ("equal", {})
    house.rows(
        "UPDATE warehouse.leads SET contact_source_id = %s WHERE source_id = %s",
        loser,
        deal,
    )
    assert found(house, run(house, "deals")) == {"row_differs": {deal}}
    assert run(house, "deals", repair=True).verdict == "equal"
    assert house.value(named, deal) == survivor


def test_old_comparisons_go_but_those_of_jobs_that_may_go_on(house: House) -> None:
    house.sandbox.move("contacts", "delete", 2)
    old, waiting, new = (run(house, "contacts") for _ in range(3))

    def age(days: int) -> dict[str, int]:
        """Let the first two be so old; returns what was deleted."""
        house.rows(
            "UPDATE ops.reconciliations SET started_at = now() - make_interval(days =>"
            " %s) WHERE job_id <> %s",
            days,
            new.job_id,
        )
        with psycopg.connect(house.conninfo, autocommit=True) as conn:
            deleted = delete_old(conn)
        return {name: deleted[name] for name in deleted if "reconcil" in name}

    house.rows(
        "UPDATE ops.sync_jobs SET status = 'waiting' WHERE id = %s", waiting.job_id
    )

    assert (old.differences, new.differences) == (2, 2)
    assert age(89) == {"reconciliation_differences": 0, "reconciliations": 0}
    assert age(91) == {"reconciliation_differences": 2, "reconciliations": 0}
    assert age(366) == {"reconciliation_differences": 0, "reconciliations": 1}
    left = house.rows("SELECT job_id FROM ops.reconciliations ORDER BY 1")
    assert [row["job_id"] for row in left] == [waiting.job_id, new.job_id]
