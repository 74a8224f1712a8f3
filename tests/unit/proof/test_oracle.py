"""The oracle can say no: about a missing row, an extra one, a different one."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import SOURCES, House
from tests.proof.oracle import Difference, compare, compare_all


@pytest.fixture(scope="module")
def crms() -> Iterator[SandboxServer]:
    settings = Settings(prospects=40, sizes={"hubspot": 20}, quota=False)
    with SandboxServer(settings) as server:
        yield server


@pytest.fixture
def loaded(warehouse: str, crms: SandboxServer) -> Callable[[str, str], House]:
    """Load an entity of a system, and see that the oracle has nothing to say."""

    def loaded(system: str, *entities: str) -> House:
        house = House(warehouse, crms.crm(system), SOURCES[system])
        for entity in entities:
            house.sync(entity, "full")
            assert compare_all(warehouse, house.sandbox, entity) == {}
        return house

    return loaded


def _change(house: House, statement: str) -> str:
    """Run a statement that gives back the source id of the one row it changed."""
    with psycopg.connect(house.conninfo) as conn:
        ((source_id,),) = conn.execute(statement).fetchall()
    return str(source_id)


_ONE = "(SELECT max(id) FROM warehouse.contacts)"


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM warehouse.contacts WHERE id = {_ONE} RETURNING source_id",
        "UPDATE warehouse.contacts SET is_deleted = true, deleted_at = now()"
        f" WHERE id = {_ONE} RETURNING source_id",
    ],
    ids=["gone", "marked as deleted"],
)
def test_a_missing_row_is_seen(loaded: Callable[..., House], statement: str) -> None:
    house = loaded("genius", "prospects")
    gone = _change(house, statement)

    found = compare(house.conninfo, house.sandbox, "prospects")

    assert found == Difference(missing=[gone], extra=[], different=[])
    assert found


def test_an_extra_row_is_seen(loaded: Callable[..., House]) -> None:
    house = loaded("genius", "prospects")
    extra = _change(
        house,
        "INSERT INTO warehouse.contacts (source_system, source_id, sync_hash, job_id,"
        " observed_at) SELECT source_system, 'nobody', sync_hash, job_id, observed_at"
        f" FROM warehouse.contacts WHERE id = {_ONE} RETURNING source_id",
    )

    found = compare(house.conninfo, house.sandbox, "prospects")

    assert found == Difference(missing=[], extra=[extra], different=[])


def test_one_field_that_differs_is_seen(loaded: Callable[..., House]) -> None:
    house = loaded("genius", "prospects")
    other = _change(
        house,
        "UPDATE warehouse.contacts SET zip = zip || ' ' WHERE id ="
        " (SELECT max(id) FROM warehouse.contacts WHERE zip <> '') RETURNING source_id",
    )

    found = compare_all(house.conninfo, house.sandbox, "prospects")

    assert found == {"contacts": Difference(missing=[], extra=[], different=[other])}


def test_a_link_that_lacks_is_seen(loaded: Callable[..., House]) -> None:
    house = loaded("hubspot", "contacts", "deals")
    other = _change(
        house,
        "DELETE FROM warehouse.lead_contacts WHERE ctid ="
        " (SELECT max(ctid) FROM warehouse.lead_contacts) RETURNING lead_source_id",
    )

    found = compare_all(house.conninfo, house.sandbox, "deals")

    assert found == {"leads": Difference(missing=[], extra=[], different=[other])}
