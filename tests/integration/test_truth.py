"""The warehouse equals the source, whatever moves, and proves it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crm_warehouse.engine import session
from crm_warehouse.errors import GuardError
from crm_warehouse.spec import FieldMap, Quota, Source
from tests.proof.house import House
from tests.proof.oracle import TABLES, compare


@pytest.mark.parametrize("entity", TABLES)
def test_first_load_equals_truth(house: House, entity: str) -> None:
    result = house.sync(entity)

    assert result.status == "success"
    assert result.records_created == result.records_processed > 0
    assert result.records_created == len(house.sandbox.truth(entity))
    assert not compare(house.conninfo, house.sandbox, entity)


@pytest.mark.parametrize("entity", TABLES)
def test_second_run_writes_no_row(house: House, entity: str) -> None:
    house.sync(entity)
    rows = f"SELECT xmin, ctid FROM warehouse.{TABLES[entity]} ORDER BY id"
    payloads = f"SELECT xmin, ctid FROM raw.genius_{entity} ORDER BY source_id"
    before = house.rows(rows), house.rows(payloads)

    for mode in ("incremental", "full", "replay"):
        result = house.sync(entity, mode)
        assert result.status == "success"
        assert result.records_created == result.records_updated == 0
    assert (house.rows(rows), house.rows(payloads)) == before


def test_incremental_moves_exactly_what_changed(house: House) -> None:
    house.sync("prospects")
    house.sandbox.move("prospects", "change", 500)
    house.sandbox.move("prospects", "create", 50)

    result = house.sync("prospects")

    assert result.records_updated == 500
    assert result.records_created == 50
    assert result.records_processed == 550
    assert result.requests == 6  # pages of what changed; the list has seven
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_full_load_marks_exactly_what_was_deleted(house: House) -> None:
    house.sync("prospects")
    gone = house.sandbox.move("prospects", "delete", 20)

    result = house.sync("prospects", "full")

    assert result.records_deleted == 20
    marked = house.rows("SELECT source_id FROM warehouse.contacts WHERE is_deleted")
    assert {row["source_id"] for row in marked} == {str(number) for number in gone}
    assert not compare(house.conninfo, house.sandbox, "prospects")
    assert house.sync("prospects", "full").records_deleted == 0


def test_without_an_id_endpoint_a_second_absence_deletes(house: House) -> None:
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 5)
    house.sandbox.fault("status", path="/prospects/*", status=404)

    assert house.sync("prospects", "full").records_deleted == 0
    assert (
        house.value(
            "SELECT count(*) FROM raw.genius_prospects WHERE absent_since IS NOT NULL"
        )
        == 5
    )
    assert house.sync("prospects", "full").records_deleted == 5


def test_long_confirmations_keep_the_session_alive(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends sessions that are silent for long: orphans, but not us."""
    monkeypatch.setattr(session, "SESSION_OPTIONS", "-c idle_session_timeout=1s")
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 5)
    house.sandbox.fault("latency", seconds=0.4, path="/prospects/*")

    assert house.sync("prospects", "full").records_deleted == 5


def test_confirmations_that_would_have_to_wait_are_left_to_the_next_load(
    make_house: Callable[[Source], House], genius: Source
) -> None:
    """A job that began them anew after each wait would never end."""
    house = make_house(genius)
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 60)
    scarce = make_house(replace(genius, quotas=(Quota("hourly", 40, 3600.0),)))

    result = scarce.sync("prospects", "full")

    # Six pages, an id that is there, and as many that are gone as the quota has left.
    assert (result.status, result.requests) == ("success", 40)
    assert result.records_deleted == 40 - 6 - 1
    # Nobody's share is kept for a job that has ended.
    assert house.value("SELECT count(*) FROM ops.api_quota_wants") == 0
    assert house.sync("prospects", "full").records_deleted == 27
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_a_pause_among_confirmations_ends_them(house: House) -> None:
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 5)
    house.sandbox.fault(
        "status", status=429, retry_after=600, path="/prospects/*", after=3
    )

    result = house.sync("prospects", "full")

    assert (result.status, result.records_deleted) == ("success", 2)


def test_record_that_the_list_missed_lives_on(house: House) -> None:
    """A page shift hides a live record from a full load; its id still answers."""
    house.sync("prospects")
    house.sandbox.fault("page_shift", path="/prospects", count=1)

    house.sync("prospects", "full")
    house.sandbox.clear_faults()
    house.sync("prospects", "full")

    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_mass_delete_stops_before_harm(house: House) -> None:
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 300)

    with pytest.raises(GuardError, match="300 of 600"):
        house.sync("prospects", "full")
    assert house.value("SELECT count(*) FROM warehouse.contacts WHERE is_deleted") == 0
    house.rows(
        "UPDATE ops.sync_configurations SET config = '{\"max_delete_share\": 0.6}'"
    )
    # More than are asked for by id: the rest needs a second absence.
    first = house.sync("prospects", "full").records_deleted
    assert first + house.sync("prospects", "full").records_deleted == 300


def test_an_empty_list_deletes_nothing_however_small_the_table(house: House) -> None:
    house.sync("divisions")
    house.sandbox.move("divisions", "delete", 8)

    with pytest.raises(GuardError, match="empty list, and 8 live records"):
        house.sync("divisions", "full")

    assert house.value("SELECT count(*) FROM warehouse.divisions WHERE is_deleted") == 0


def test_children_find_parents_in_either_order(house: House) -> None:
    house.sync("appointments")
    unlinked = "SELECT count(*) FROM warehouse.appointments WHERE contact_id IS NULL"
    assert house.value(unlinked) == house.value(
        "SELECT count(*) FROM warehouse.appointments"
    )

    house.sync("prospects")

    assert house.value(unlinked) == 0
    house.sync("users")
    wrong = house.value(
        "SELECT count(*) FROM warehouse.appointments a"
        " LEFT JOIN warehouse.contacts c ON c.id = a.contact_id"
        " LEFT JOIN warehouse.users u ON u.id = a.user_id"
        " WHERE c.source_id IS DISTINCT FROM a.contact_source_id"
        " OR u.source_id IS DISTINCT FROM a.user_source_id"
    )
    assert wrong == 0


def test_replay_applies_a_new_mapping_without_one_request(house: House) -> None:
    house.sync("prospects")
    entity = house.source.entities["prospects"]
    fields = tuple(
        FieldMap("city", (("state",),)) if line.target == "city" else line
        for line in entity.fields
    )
    changed = replace(entity, fields=fields)
    house.source = replace(house.source, entities={"prospects": changed})
    requests_before = house.sandbox.stats()["requests"]

    result = house.sync("prospects", "replay")

    assert result.status == "success"
    assert result.records_updated == 600
    assert house.sandbox.stats()["requests"] == requests_before
    assert (
        house.value("SELECT count(*) FROM warehouse.contacts WHERE city <> state") == 0
    )


def test_replay_follows_every_change_of_the_mapping(house: House) -> None:
    """Also after a full load wrote the rows later than their payloads came."""
    house.sync("divisions")
    for place in ("region", "timezone"):
        entity = house.source.entities["divisions"]
        fields = tuple(
            FieldMap("name", ((place,),)) if line.target == "name" else line
            for line in entity.fields
        )
        house.source = replace(
            house.source, entities={"divisions": replace(entity, fields=fields)}
        )
        house.sync("divisions", "full" if place == "region" else "replay")

    zones = house.rows(
        "SELECT w.name, r.payload ->> 'timezone' AS zone FROM warehouse.divisions w"
        " JOIN raw.genius_divisions r USING (source_system, source_id)"
    )
    assert zones
    assert all(row["name"] == row["zone"] for row in zones)


def test_one_id_that_the_source_will_not_answer_stops_nothing(house: House) -> None:
    house.sync("prospects")
    first, *_others = house.sandbox.move("prospects", "delete", 5)
    house.sandbox.fault("status", status=400, path=f"/prospects/{first}")

    assert house.sync("prospects", "full").records_deleted == 4
    assert house.sync("prospects", "full").records_deleted == 1
