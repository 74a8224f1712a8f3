"""Files of the sandbox's truth against loads of its API: the same rows."""

from pathlib import Path
from typing import Any

import pytest

from tests.proof.house import House, Open
from tests.proof.oracle import compare

GENIUS = ("prospects", "appointments", "users", "divisions", "marketing_sources")
MARKETSHARP = ("contacts", "leads", "jobs", "activities")


def export(house: House, entity: str, folder: Path) -> Path:
    path = folder / f"{entity}.csv"
    path.write_bytes(house.sandbox.csv(entity))
    return path


@pytest.mark.parametrize("entity", GENIUS)
def test_genius_rows_are_those_of_the_api(
    house: House, tmp_path: Path, entity: str
) -> None:
    by_file = house.import_file(entity, export(house, entity, tmp_path))

    assert by_file.status == "success"
    assert not compare(house.conninfo, house.sandbox, entity)
    by_api = house.sync(entity, "full")
    assert by_api.records_unchanged == by_api.records_processed
    assert by_api.records_processed == by_file.records_created


@pytest.mark.parametrize("entity", MARKETSHARP)
def test_marketsharp_rows_are_those_of_the_api(
    open_house: Open, tmp_path: Path, entity: str
) -> None:
    """XML tells an element that is not there from an empty one; a cell is empty."""
    house = open_house("marketsharp")
    path = export(house, entity, tmp_path)
    by_file = house.import_file(entity, path)
    rows = rows_of(house, entity)

    by_api = house.sync(entity, "full")

    assert by_api.records_created == 0
    assert by_api.records_processed == by_file.records_created
    assert rows == rows_of(house, entity)


@pytest.mark.parametrize("system", ["genius", "marketsharp"])
def test_a_file_changes_nothing_of_what_the_api_brought(
    open_house: Open, tmp_path: Path, system: str
) -> None:
    house = open_house(system)
    for entity in GENIUS if system == "genius" else MARKETSHARP:
        by_api = house.sync(entity)

        by_file = house.import_file(entity, export(house, entity, tmp_path))

        assert by_file.records_unchanged == by_api.records_created, entity


def rows_of(house: House, entity: str) -> list[dict[str, Any]]:
    """Rows by what they say, where no text and no value are the same."""
    table = house.source.entities[entity].into
    rows = house.rows(
        f"SELECT * FROM warehouse.{table} WHERE source_system = %s ORDER BY source_id",
        house.source.name,
    )
    ours = ("id", "sync_hash", "created_at", "updated_at", "last_synced", "job_id")
    return [
        {
            key: _said(value)
            for key, value in row.items()
            if key not in (*ours, "observed_at")
        }
        for row in rows
    ]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if each not in ("", None)}
    return None if value == "" else value
