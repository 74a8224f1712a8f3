"""The same truth, by the API and by the database."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from crm_warehouse.databases.factory import client_factory
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.errors import ConfigurationError
from include.local_stack.postgres import Postgres
from include.sandbox.genius.database import GeniusDatabase
from tests.proof.house import House
from tests.proof.oracle import TABLES, compare
from tests.proof.source_databases import OpenDatabase, SourceDatabase

#: Columns that say by which job and when a row was written, and numbers of rows.
OF_WRITING = {
    *("id", "contact_id", "user_id", "job_id"),
    *("created_at", "updated_at", "last_synced", "observed_at"),
}
#: Entities whose tables have no times, so that rows have none of the source's either.
TIMELESS = {"divisions", "marketing_sources"}
OF_SOURCE = {"source_created_at", "source_updated_at"}
#: Divisions first: appointments have their clocks.
ENTITIES = ("divisions", "marketing_sources", "users", "prospects", "appointments")


def records(house: House, entity: str) -> list[dict[str, Any]]:
    """Records as the API sent them to the warehouse."""
    rows = house.rows(f"SELECT payload FROM raw.genius_{entity}")
    return [row["payload"] for row in rows]


def sync(
    house: House, database: SourceDatabase, entity: str, mode: Any = "incremental"
) -> SyncResult:
    """One sync through the database."""
    request = SyncRequest(
        source=house.source,
        entity=house.source.entities[entity],
        source_system=house.source.name,
        mode=mode,
        via="database",
    )
    return run_sync(
        request,
        conninfo=house.conninfo,
        open_client=client_factory(house.source, database.connection),
    )


def rows(house: House, entity: str) -> list[dict[str, Any]]:
    """Rows of an entity without what is of their writing."""
    out = OF_WRITING | (OF_SOURCE if entity in TIMELESS else set())
    found = house.rows(f"SELECT * FROM warehouse.{TABLES[entity]} ORDER BY source_id")
    if entity in TIMELESS:
        out = out | {"sync_hash"}  # over the times, too
    return [{k: v for k, v in row.items() if k not in out} for row in found]


@pytest.fixture
def other_warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    """A second one, as empty as the first."""
    name = f"warehouse_{secrets.token_hex(6)}"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


def fill(house: House, database: SourceDatabase, *entities: str) -> GeniusDatabase:
    """The API's records in the warehouse, and in the database."""
    genius = GeniusDatabase(database.engine)
    genius.create()
    for entity in entities:
        house.sync(entity)
        assert genius.write(entity, records(house, entity)) > 0
    return genius


@pytest.fixture
def file(open_database: OpenDatabase) -> SourceDatabase:
    """A database where its kind does not matter."""
    return open_database("sqlite")


def test_the_database_gives_the_rows_that_the_api_gives(
    house: House, source_database: SourceDatabase, other_warehouse: str
) -> None:
    fill(house, source_database, *ENTITIES)
    other = House(other_warehouse, house.sandbox, house.source)

    for entity in ENTITIES:
        result = sync(other, source_database, entity)
        assert result.status == "success"
        assert result.records_created == result.records_received > 0
        assert rows(other, entity) == rows(house, entity)
        assert (entity in TIMELESS) or not compare(
            other_warehouse, house.sandbox, entity
        )
    raw = other.value("SELECT payload FROM raw.genius_appointments LIMIT 1")
    assert raw["scheduled_end"] > raw["scheduled_date"]
    flags = "SELECT DISTINCT payload -> 'is_dnc' FROM raw.genius_prospects"
    assert other.value(flags) == 0
    secret = "SELECT count(*) FROM raw.genius_users WHERE payload ? 'password'"
    assert other.value(secret) == 0


def test_after_the_api_the_database_finds_nothing_to_change(
    house: House, file: SourceDatabase
) -> None:
    fill(house, file, "divisions", "prospects", "appointments")

    for entity in ("prospects", "appointments"):
        result = sync(house, file, entity, "full")
        assert result.records_unchanged == result.records_received > 0


def test_changes_and_deletions_come_by_the_database(
    house: House, file: SourceDatabase
) -> None:
    genius = fill(house, file, "prospects")
    sync(house, file, "prospects")
    ids = house.sandbox.move("prospects", "change", 7)
    gone = house.sandbox.move("prospects", "delete", 3)
    changed = house.sync("prospects")
    assert changed.records_updated == len({*ids} - {*gone})
    genius.write("prospects", records(house, "prospects"))
    genius.delete("prospects", gone)
    # What the API brought is undone, for the database to bring it.
    house.rows("UPDATE warehouse.contacts SET sync_hash = 'x', status = 'x'")
    house.rows(
        "UPDATE warehouse.contacts SET source_updated_at = '2000-01-01'"
        " WHERE source_id = ANY(%s)",
        [str(each) for each in ids],
    )

    result = sync(house, file, "prospects")
    full = sync(house, file, "prospects", "full")

    assert result.records_received == changed.records_updated
    assert full.records_deleted == 3
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_a_way_in_has_its_own_watermark(house: House, file: SourceDatabase) -> None:
    fill(house, file, "prospects", "divisions")
    sync(house, file, "prospects")

    marks = house.rows(
        "SELECT via FROM ops.watermarks WHERE entity_type = 'prospects' ORDER BY via"
    )
    assert [row["via"] for row in marks] == ["api", "database"]
    assert sync(house, file, "prospects").records_received == 0


def test_a_table_without_times_is_read_whole_and_compared(
    house: House, file: SourceDatabase
) -> None:
    fill(house, file, "divisions")
    sync(house, file, "divisions")
    file.execute("UPDATE division SET label = 'Elsewhere' WHERE id = 3")

    result = sync(house, file, "divisions")

    counts = result.records_received, result.records_updated, result.records_unchanged
    assert counts == (8, 1, 7)


def test_a_table_that_is_not_there(house: House, file: SourceDatabase) -> None:
    with pytest.raises(
        ConfigurationError, match="genius_database: prospects: there is no table prosp"
    ):
        sync(house, file, "prospects")
