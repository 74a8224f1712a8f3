"""The whole source against the warehouse: what nobody announced is found and mended."""

from dataclasses import replace

import pytest
from reconciling import fields, found, run

from crm_warehouse.errors import ConfigurationError, GuardError, TransientSourceError
from include.sandbox.server import SandboxServer
from tests.proof.house import SOURCES, House, Open
from tests.proof.oracle import compare_all


@pytest.fixture
def house(warehouse: str, sandbox: SandboxServer) -> House:
    source = SOURCES["hubspot"]
    retry = replace(source.retry, delays=(0.01,) * 3)
    crm = sandbox.crm("hubspot")
    crm.configure(quota={"enabled": False}, search_quota={"enabled": False})
    return House(warehouse, crm, replace(source, quotas=(), retry=retry))


def live_ids(house: House, entity: str) -> set[str]:
    table = house.source.entities[entity].raw_table
    rows = house.rows(f"SELECT source_id FROM raw.{table} WHERE NOT is_deleted")
    return {row["source_id"] for row in rows}


@pytest.mark.parametrize("entity", ["contacts", "companies", "deals"])
def test_a_fresh_load_is_equal_and_its_proof_is_kept(house: House, entity: str) -> None:
    house.sync(entity, "full")

    result = run(house, entity)

    number = len(live_ids(house, entity))
    [row] = house.rows("SELECT * FROM ops.reconciliations")
    assert (result.status, result.verdict, result.differences) == (
        "success",
        "equal",
        0,
    )
    assert (result.in_source, result.in_raw, result.in_rows) == (number,) * 3
    assert (row["compared"], row["asked_again"], row["verdict"]) == (number, 0, "equal")
    assert (
        row["requests"]
        == result.requests
        == house.value(
            "SELECT requests FROM ops.sync_jobs WHERE id = %s", row["job_id"]
        )
    )
    assert (result.records_processed, result.records_unchanged) == (number, number)


def test_a_delete_that_nobody_announced_is_found(house: House) -> None:
    house.sync("contacts")
    gone = set(house.sandbox.move("contacts", "delete", 7))

    result = run(house, "contacts")

    assert (result.verdict, result.by_reason) == ("different", {"archived_there": 7})
    assert found(house, result) == {"archived_there": gone}
    assert gone <= live_ids(house, "contacts")

    repaired = run(house, "contacts", repair=True)

    assert (repaired.verdict, repaired.repaired) == ("equal", 7)
    assert repaired.records_deleted == 7
    assert not gone & live_ids(house, "contacts")
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
    assert run(house, "contacts").differences == 0


def test_what_was_never_loaded_is_found_and_merged(house: House) -> None:
    house.sync("deals")
    new = set(house.sandbox.move("deals", "create", 4))

    assert found(house, run(house, "deals")) == {"missing_here": new}
    result = run(house, "deals", repair=True)

    assert (result.verdict, result.repaired, result.records_created) == ("equal", 4, 4)
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


def test_a_change_is_told_by_the_names_of_its_fields_only(house: House) -> None:
    house.sync("contacts")
    changed = set(house.sandbox.move("contacts", "change", 9))

    result = run(house, "contacts")

    assert found(house, result) == {"fields_differ": changed}
    names = fields(house, result, "fields_differ")
    assert {"properties.lastmodifieddate", "updatedAt"} <= names
    assert all(name.split(".")[0] in ("properties", "updatedAt") for name in names)
    result = run(house, "contacts", repair=True)
    assert (result.verdict, result.records_updated) == ("equal", 9)
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}


def test_an_association_that_changed_alone_is_found(house: House) -> None:
    house.sync("contacts")
    house.sync("deals")
    house.sandbox.admin("POST", "/deals/relink", {"count": 25, "touch": False})

    listed = run(house, "deals")

    changed = found(house, listed)["fields_differ"]
    assert 0 < len(changed) <= 25
    assert fields(house, listed, "fields_differ") == {"associations.contacts"}
    assert set(found(house, listed)) == {"fields_differ", "link_missing", "link_extra"}
    assert run(house, "deals", repair=True).verdict == "equal"
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


def test_a_sweep_finds_them_without_reading_a_property(house: House) -> None:
    house.sync("contacts")
    house.sync("deals")
    live = len(live_ids(house, "deals"))
    house.sandbox.admin("POST", "/deals/relink", {"count": 25, "touch": False})
    house.sandbox.admin("DELETE", "/stats")

    result = run(house, "deals", extent="sweep", repair=True)

    assert (result.verdict, result.extent) == ("equal", "sweep")
    assert result.repaired == result.differences > 0
    assert result.records_updated == result.asked_again <= 25
    # A hundred records a request, the archive; then properties, the changed ones, their
    # associations.
    assert result.requests == -(-live // 100) + 4
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}
    again = run(house, "deals", extent="sweep", repair=True)
    # What the portal's records may have, and the archive, are asked for each time.
    assert (again.differences, again.requests) == (0, -(-live // 100) + 2)


#: What somebody does to one record -> the reason that names it.
TAMPERING = {
    "row_differs": "UPDATE warehouse.leads SET name = 'X' WHERE source_id = %s",
    "row_missing": "UPDATE warehouse.leads SET is_deleted = true,"
    " deleted_at = clock_timestamp() WHERE source_id = %s",
    "missing_here": "DELETE FROM raw.hubspot_deals WHERE source_id = %s",
    "deleted_here": "UPDATE raw.hubspot_deals SET is_deleted = true,"
    " deleted_at = clock_timestamp() WHERE source_id = %s",
    "fields_differ": "UPDATE raw.hubspot_deals SET payload_hash = 'x',"
    " payload = '{}' WHERE source_id = %s",
    "link_missing": "DELETE FROM warehouse.lead_contacts WHERE lead_source_id = %s",
    "link_extra": "INSERT INTO warehouse.lead_contacts (source_system, lead_id,"
    " lead_source_id, contact_source_id, type, position, job_id)"
    " SELECT source_system, id, source_id, '987', '', 9, 1 FROM warehouse.leads"
    " WHERE source_id = %s",
    "row_extra": "INSERT INTO warehouse.leads (source_system, source_id, sync_hash,"
    " observed_at, job_id) SELECT source_system, '9' || source_id, '', observed_at, 1"
    " FROM warehouse.leads WHERE source_id = %s",
}


def test_whatever_was_done_to_the_tables_is_found(house: House) -> None:
    house.sync("contacts")
    house.sync("deals")
    victims = house.rows(
        "SELECT DISTINCT lead_source_id AS id FROM warehouse.lead_contacts ORDER BY 1"
    )
    done = {reason: victims.pop()["id"] for reason in TAMPERING}
    for reason, victim in done.items():
        house.rows(TAMPERING[reason], victim)

    result = run(house, "deals")

    listed = found(house, result)
    extra = "9" + done.pop("row_extra")
    assert listed.pop("row_extra") == {
        extra,
        done["missing_here"],
        done["deleted_here"],
    }
    assert listed == {reason: {victim} for reason, victim in done.items()}
    assert fields(house, result, "row_differs") == {"leads.name"}
    repaired = run(house, "deals", repair=True)
    assert repaired.verdict == "equal", found(house, repaired)
    assert repaired.repaired == repaired.differences >= len(TAMPERING)
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}
    assert run(house, "deals").differences == 0


@pytest.mark.parametrize("extent", ["records", "sweep"])
def test_states_that_nobody_announced(house: House, extent: str) -> None:
    def act(word: str, **call: object) -> None:
        house.sandbox.admin("POST", f"/contacts/{word}", call)

    house.sync("contacts", "full")
    archived, restored, erased, loser, survivor, *_ = sorted(
        live_ids(house, "contacts")
    )
    act("archive", ids=[restored])
    assert run(house, "contacts", repair=True).records_deleted == 1
    act("archive", ids=[archived])
    act("restore", ids=[restored])
    act("erase", ids=[erased])
    act("merge", primary=survivor, merged=[loser])

    result = run(house, "contacts", extent=extent, repair=True)

    listed = found(house, result)
    assert listed["archived_there"] == {archived}
    assert listed["deleted_here"] == {restored}
    assert result.verdict == "equal"
    if extent == "records":  # the sweep sees nothing of these: nothing lists them
        assert listed["merged_there"] == {loser}
        assert listed["gone_there"] == {erased}
        assert listed["fields_differ"] == {survivor}
        assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
        assert run(house, "contacts").differences == 0


def test_open_rejects_are_explained_and_no_difference(house: House) -> None:
    spoilt = set(house.sandbox.move("contacts", "spoil", 6, kind="missing_id"))
    house.sync("contacts")
    rejects = house.value(
        "SELECT count(*) FROM ops.sync_errors WHERE severity = 'error' AND NOT resolved"
    )

    result = run(house, "contacts")

    assert spoilt
    assert (result.verdict, result.by_reason) == ("equal", {"quarantined": rejects})
    assert result.repaired == 0


def test_a_repair_that_would_delete_too_much_is_stopped(house: House) -> None:
    house.sync("deals")
    live = live_ids(house, "deals")
    house.sandbox.move("deals", "delete", len(live) // 2)

    assert run(house, "deals").by_reason == {"archived_there": len(live) // 2}
    with pytest.raises(
        GuardError, match="reconcile --repair with override mass_delete"
    ):
        run(house, "deals", repair=True)
    assert live_ids(house, "deals") == live

    result = run(house, "deals", repair=True, override=frozenset({"mass_delete"}))

    assert (result.verdict, result.records_deleted) == ("equal", len(live) // 2)
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


def test_an_override_without_repair_is_refused(house: House) -> None:
    with pytest.raises(ConfigurationError, match="goes with repair"):
        run(house, "deals", override=frozenset({"mass_delete"}))


def test_what_changes_while_the_list_is_read_is_asked_again(house: House) -> None:
    house.sync("contacts")
    some = sorted(live_ids(house, "contacts"))[:5]

    def open_stale(gate):
        client = open_client(gate)
        pages = client.iter_pages

        def stale(*arguments, **options):
            for page in pages(*arguments, **options):
                for record in page.records:
                    if record.get("id") in some:
                        record["properties"]["city"] = "as it was"
                yield page

        client.iter_pages = stale
        return client

    open_client, house.open_client = house.open_client, open_stale

    result = run(house, "contacts", repair=True)

    assert (result.verdict, result.differences, result.asked_again) == ("equal", 0, 5)
    assert (result.records_updated, result.records_unchanged) == (
        0,
        result.records_processed,
    )


@pytest.mark.parametrize("step", [2, 3])
def test_a_killed_one_goes_on(house: House, step: int) -> None:
    house.sync("contacts")
    gone = set(house.sandbox.move("contacts", "delete", 3))
    changed = set(house.sandbox.move("contacts", "change", 120))
    steps = iter(range(1, 100))

    def kill(_: object) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(house, "contacts", repair=True, progress=kill)

    result = run(house, "contacts", repair=True)

    assert house.value("SELECT count(*) FROM ops.reconciliations") == 1
    assert (result.verdict, result.repaired) == ("equal", 123)
    assert found(house, result) == {"archived_there": gone, "fields_differ": changed}
    assert (result.records_updated, result.records_deleted) == (120, 3)
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}


def test_a_fault_keeps_what_was_judged(house: House) -> None:
    house.sync("deals")
    house.sandbox.move("deals", "change", 150)
    path = "/crm/v3/objects/deals/batch/read"
    number = house.sandbox.fault("status", path=path, status=503, after=1)

    with pytest.raises(TransientSourceError):
        run(house, "deals", repair=True)
    house.sandbox.admin("DELETE", f"/faults/{number}")
    result = run(house, "deals", repair=True)

    assert (result.verdict, result.repaired) == ("equal", 150)
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


@pytest.mark.parametrize(
    ("system", "entity"),
    [
        ("genius", "prospects"),
        ("marketsharp", "leads"),
        ("activeprospect", "leads"),
        ("activeprospect", "events"),
    ],
)
def test_every_source_is_compared(open_house: Open, system: str, entity: str) -> None:
    house = open_house(system)
    house.sync(entity, "full")
    assert run(house, entity).verdict == "equal"
    lost = 0 if house.source.forgets else 3
    gone = {str(each) for each in house.sandbox.move(entity, "delete", lost)}
    changed = {str(each) for each in house.sandbox.move(entity, "change", 4)} - gone

    result = run(house, entity, repair=True)

    listed = found(house, result)
    assert listed.pop("gone_there", set()) == gone
    assert listed == {"fields_differ": changed}
    assert (result.verdict, result.repaired) == ("equal", len(gone | changed))
    assert compare_all(house.conninfo, house.sandbox, entity) == {}
