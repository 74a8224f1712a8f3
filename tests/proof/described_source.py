"""What every source must keep, against a sandbox that a JSON file describes.

``new-source`` drafts a test that inherits it: the source file, the migration and the
description beside it are all that such a test needs.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crm_warehouse.engine.migrations import migrate
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import Source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import House
from tests.proof.oracle import FILLED, compare_all

RECORDS = 120
#: Records asked for per request, so that every list has several pages.
PAGE = 25


class DescribedHouse(House):
    """A house that sees each row that is written."""

    def written(self) -> list[dict[str, Any]]:
        """Where every row lies and who wrote it: moves when a row is written."""
        tables = {f"raw.{each.raw_table}" for each in self.source.entities.values()}
        for each in self.source.entities.values():
            tables |= {f"warehouse.{into}" for into in (each.into, *each.also)}
        parts = (
            f"SELECT '{t}' AS t, xmin::text AS x, ctid::text AS c FROM {t}"
            for t in sorted(tables)
        )
        return self.rows(f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3")


class DescribedSource:
    """Full load, increment, deletions, bad records, and nothing new.

    Class attributes:
        source_file: The source.
        described_by: What describes its sandbox.
        own_migrations: Folder of its migration, unless it is the repository's.
    """

    source_file: ClassVar[Path]
    described_by: ClassVar[Path]
    own_migrations: ClassVar[Path | None] = None

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[SandboxServer]:
        """The sandbox, with this system besides."""
        source = load_source(cls.source_file)
        settings = Settings(
            prospects=1,
            sizes={source.name: RECORDS},
            quota=False,
            described=(cls.described_by,),
        )
        with SandboxServer(settings, source.name) as server:
            yield server

    @pytest.fixture
    def house(
        self,
        running: SandboxServer,
        warehouse: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> DescribedHouse:
        """The source as its file has it, without quotas and pauses."""
        running.reset()
        migrate(warehouse, own=self.own_migrations)
        source = load_source(self.source_file)
        monkeypatch.setitem(FILLED, source.name, filled_by(source))
        retry = replace(source.retry, delays=(0.01,) * 3)
        return DescribedHouse(
            warehouse, running, replace(source, quotas=(), retry=retry)
        )

    def test_a_full_load_equals_the_truth(self, house: DescribedHouse) -> None:
        for entity in house.source.entities:
            result = house.sync(entity, "full", batch_size=PAGE)

            told = len(house.sandbox.truth(entity))
            assert (result.status, result.records_failed) == ("success", 0)
            assert result.records_created == told > 0
            # Fewer would mean that the source does not know the size's parameter.
            assert result.requests >= told / PAGE
        assert differences(house) == {}

    def test_nothing_new_writes_nothing(self, house: DescribedHouse) -> None:
        load_all(house)
        before = house.written()

        for mode in ("incremental", "full", "replay"):
            for entity in house.source.entities:
                result = house.sync(entity, mode)

                assert (result.status, result.records_created) == ("success", 0)
                assert (result.records_updated, result.records_deleted) == (0, 0)
        assert house.written() == before

    def test_an_increment_brings_what_changed(self, house: DescribedHouse) -> None:
        load_all(house)
        for name, entity in house.source.entities.items():
            changed = house.sandbox.move(name, "change", 8)
            created = house.sandbox.move(name, "create", 3)

            result = house.sync(name)

            assert result.records_updated == len(changed)
            assert result.records_created == len(created)
            if entity.since_param:
                assert result.records_received < RECORDS
        assert differences(house) == {}

    def test_a_full_load_marks_what_was_deleted(self, house: DescribedHouse) -> None:
        load_all(house)
        for name, entity in house.source.entities.items():
            gone = sorted(map(str, house.sandbox.move(name, "delete", 4)))

            deleted = house.sync(name, "full").records_deleted
            if entity.deletes.confirm_path is None:
                # Nobody can be asked: two full loads must miss a record.
                assert deleted == 0
                deleted = house.sync(name, "full").records_deleted

            marked = house.rows(
                f"SELECT source_id FROM raw.{entity.raw_table} WHERE is_deleted"
                " ORDER BY 1"
            )
            assert [row["source_id"] for row in marked] == gone
            assert deleted == len(gone)
        assert differences(house) == {}

    def test_a_bad_record_is_set_aside(self, house: DescribedHouse) -> None:
        for entity in house.source.entities:
            house.sandbox.move(entity, "spoil", 5)
            lines = house.sandbox.truth(entity)
            rejected = [line for line in lines if line["expect"] == "reject"]

            result = house.sync(entity)

            assert result.records_failed == len(rejected)
            assert result.records_created == len(lines) - len(rejected)
        assert differences(house) == {}


def filled_by(source: Source) -> dict[str, tuple[str, ...]]:
    """Entity -> the unified tables that its records fill, its own first."""
    return {name: (each.into, *each.also) for name, each in source.entities.items()}


def load_all(house: DescribedHouse) -> None:
    """Load every entity of the source."""
    for entity in house.source.entities:
        assert house.sync(entity).status == "success"


def differences(house: DescribedHouse) -> dict[str, Any]:
    """What does not agree, by entity; empty when all does."""
    found: dict[str, Any] = {}
    for entity in house.source.entities:
        if wrong := compare_all(house.conninfo, house.sandbox, entity):
            found[entity] = wrong
    return found
