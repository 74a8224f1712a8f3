"""MarketSharp's real API: every entity equals its truth, in any order of loads."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.integration.odata_house import MARKETSHARP, SETS, ODataHouse, quick
from tests.proof.house import House

ENTITIES = list(SETS)


def turns(*entities: str) -> list[tuple[str, ...]]:
    """Orders of which each ends with another one."""
    return [entities[at:] + entities[:at] for at in range(len(entities))]


@pytest.fixture(scope="module")
def small_sandbox() -> Iterator[SandboxServer]:
    """100 contacts, 75 inquiries, 37 appointments."""
    with SandboxServer(Settings(prospects=150), "marketsharp") as server:
        yield server


@pytest.fixture
def crm(small_sandbox: SandboxServer) -> Crm:
    small_sandbox.reset()
    small_sandbox.configure(quota={"enabled": False})
    return small_sandbox


@pytest.fixture
def odata(warehouse: str, crm: Crm) -> ODataHouse:
    return ODataHouse(warehouse, crm)


def marks(house: House) -> list[dict[str, Any]]:
    """Where every row lies: moves when a row is written."""
    tables = sorted({f"warehouse.{table}" for _, table in SETS.values()})
    tables += [f"raw.{each.raw_table}" for each in house.source.entities.values()]
    parts = (
        f"SELECT '{t}' AS t, xmin::text AS x, ctid::text AS c FROM {t}" for t in tables
    )
    return house.rows(f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3")


def test_every_entity_equals_the_truth_and_nothing_new_writes_nothing(
    odata: ODataHouse,
) -> None:
    for entity in ENTITIES:
        result = odata.sync(entity, "full")
        truth = odata.truth(entity)
        assert (result.status, result.records_created) == ("success", len(truth))
        assert odata.held(entity) == truth
    before = marks(odata)

    for entity in ENTITIES:
        for mode in ("incremental", "full", "replay"):
            result = odata.sync(entity, mode)
            assert (result.status, result.records_updated) == ("success", 0)
            assert (result.records_created, result.records_deleted) == (0, 0)
    assert marks(odata) == before


def test_an_increment_brings_what_changed(odata: ODataHouse, crm: Crm) -> None:
    odata.sync("contacts")
    crm.move("contacts", "change", 7)
    crm.move("contacts", "create", 5)

    result = odata.sync("contacts")

    # A changed status is no column of this API's contacts, but the time is.
    assert (result.records_created, result.records_updated) == (5, 7)
    assert odata.held("contacts") == odata.truth("contacts")


def test_more_equal_timestamps_than_a_page_holds(odata: ODataHouse, crm: Crm) -> None:
    odata.sync("contacts")
    # One import: all of them changed in the same second.
    crm.move("contacts", "create", 130)

    result = odata.sync("contacts")

    assert (result.status, result.records_created) == ("success", 130)
    assert result.requests >= 3
    assert odata.held("contacts") == odata.truth("contacts")


def test_what_becomes_inactive_is_deleted_and_comes_back(
    odata: ODataHouse, crm: Crm
) -> None:
    odata.sync("contacts")
    crm.move("contacts", "delete", 6)

    result = odata.sync("contacts")

    assert (result.records_deleted, result.records_updated) == (6, 0)
    assert odata.held("contacts") == odata.truth("contacts")
    assert (
        odata.value(
            "SELECT count(*) FROM raw.marketsharp_contacts WHERE is_deleted"
            " AND payload ->> 'isActive' = 'false'"
        )
        == 6
    )
    before = marks(odata)
    again = odata.sync("contacts", "full")
    assert (again.records_deleted, again.records_unchanged) == (0, 100)
    assert marks(odata) == before


def test_a_record_that_was_inactive_before_we_came_makes_no_row(
    odata: ODataHouse, crm: Crm
) -> None:
    crm.move("leads", "delete", 4)

    result = odata.sync("leads", "full")

    assert (result.records_created, result.records_unchanged) == (71, 4)
    assert odata.held("leads") == odata.truth("leads")
    raw = "SELECT count(*) FROM raw.marketsharp_leads"
    assert odata.value(raw) == 75
    assert odata.value(f"{raw} WHERE is_deleted") == 4


CONTACTS = """
SELECT c.source_id, c.phone, c.address, c.city, c.state, c.zip, c.phone_e164
FROM warehouse.contacts AS c WHERE NOT c.is_deleted ORDER BY c.source_id COLLATE "C"
"""


@pytest.mark.parametrize("order", turns("contacts", "contact_phones", "addresses"))
def test_a_contact_has_its_number_and_address_whichever_comes_last(
    odata: ODataHouse, order: tuple[str, ...]
) -> None:
    for entity in order:
        odata.sync(entity)

    phones = {row["contact_source_id"]: row for row in odata.truth("contact_phones")}
    places = {row["contact_source_id"]: row for row in odata.truth("addresses")}
    rows = odata.rows(CONTACTS)
    assert len(rows) == 100
    for row in rows:
        place = places[row["source_id"]]
        assert row["phone"] == phones[row["source_id"]]["phone"]
        assert [row[name] for name in ("address", "city", "state", "zip")] == [
            place[name] for name in ("address", "city", "state", "zip")
        ]
    assert sum(row["phone_e164"] is not None for row in rows) > 75


@pytest.mark.parametrize("order", turns("contacts", "leads", "appointments"))
def test_an_appointment_has_its_leads_contact_whichever_comes_last(
    odata: ODataHouse, order: tuple[str, ...]
) -> None:
    for entity in order:
        odata.sync(entity)

    found = odata.rows(
        "SELECT a.contact_source_id, a.contact_id, a.contact_from, a.lead_source_id,"
        " l.contact_source_id AS of_lead, c.id AS of_contact"
        " FROM warehouse.appointments AS a"
        " JOIN warehouse.leads AS l ON l.id = a.lead_id"
        " LEFT JOIN warehouse.contacts AS c ON c.source_id = l.contact_source_id"
    )
    assert len(found) == 37
    for row in found:
        assert row["contact_source_id"] == row["of_lead"] is not None
        assert row["contact_id"] == row["of_contact"] is not None
        assert row["contact_from"] == row["lead_source_id"]


def test_what_a_row_took_goes_and_changes_with_the_other(
    odata: ODataHouse, crm: Crm
) -> None:
    for entity in ("contacts", "contact_phones", "addresses", "leads", "appointments"):
        odata.sync(entity)
    lead = odata.rows("SELECT id, contact_id FROM warehouse.leads LIMIT 1")[0]
    other = odata.rows(
        "SELECT id, source_id FROM warehouse.contacts WHERE id <> %s LIMIT 1",
        lead["contact_id"],
    )[0]
    odata.rows(
        "UPDATE warehouse.leads SET contact_id = %s, contact_source_id = %s"
        " WHERE id IN (SELECT lead_id FROM warehouse.appointments)",
        *other.values(),
    )
    odata.rows("UPDATE warehouse.addresses SET is_deleted = true, city = 'Nowhere'")
    odata.rows("UPDATE warehouse.contact_phones SET phone = 'new'")

    odata.sync("leads")
    odata.sync("addresses", "replay")
    odata.sync("contacts")

    appointments = odata.rows(
        "SELECT DISTINCT contact_id AS id, contact_source_id AS source_id"
        " FROM warehouse.appointments"
    )
    assert appointments == [other]
    contacts = odata.rows(
        "SELECT DISTINCT address, city, address_from, phone FROM warehouse.contacts"
    )
    assert contacts == [
        {"address": None, "city": None, "address_from": None, "phone": "new"}
    ]


def test_both_profiles_make_the_same_people(
    odata: ODataHouse, warehouse: str, crm: Crm, make_other: Callable[[], str]
) -> None:
    for entity in ("contacts", "contact_phones", "addresses", "leads"):
        odata.sync(entity)
    specified = House(make_other(), crm, quick(MARKETSHARP))
    for entity in ("contacts", "leads"):
        specified.sync(entity)
    people = (
        "SELECT first_name, last_name, email, phone_e164, address, city, state, zip,"
        " source_created_at FROM warehouse.contacts ORDER BY 9, 2, 1, 3"
    )
    enquiries = (
        "SELECT l.notes, l.source_created_at, c.last_name FROM warehouse.leads AS l"
        " JOIN warehouse.contacts AS c ON c.id = l.contact_id ORDER BY 2, 1, 3"
    )

    for statement in (people, enquiries):
        assert odata.rows(statement) == specified.rows(statement)


@pytest.fixture
def make_other(postgres: Any, warehouse_template: str) -> Iterator[Callable[[], str]]:
    """Another warehouse."""
    name = "warehouse_of_the_other_profile"

    def make() -> str:
        postgres.create_database(name, "crm_warehouse", template=warehouse_template)
        conninfo: str = postgres.conninfo(name, "crm_warehouse")
        return conninfo

    yield make
    postgres.drop_database(name)


def test_a_comparison_of_what_was_loaded_finds_nothing(
    odata: ODataHouse, crm: Crm
) -> None:
    from crm_warehouse.engine.reconcile import ReconcileRequest, reconcile

    crm.move("contacts", "delete", 3)
    odata.sync("contacts", "full")
    crm.move("contacts", "delete", 2)
    entity = odata.source.entities["contacts"]

    def compare(*, repair: bool) -> Any:
        request = ReconcileRequest(
            odata.source, entity, odata.source.name, repair=repair
        )
        return reconcile(
            request, conninfo=odata.conninfo, open_client=odata.open_client
        )

    assert (compare(repair=False).verdict, compare(repair=True).repaired) == (
        "different",
        2,
    )
    assert compare(repair=False).verdict == "equal"
    assert odata.held("contacts") == odata.truth("contacts")
