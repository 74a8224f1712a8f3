"""The suite for a source without code: a JSON file describes its sandbox."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from crm_warehouse.engine.migrations import migrate
from crm_warehouse.source_files import load_source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance
from tests.proof.described_source import filled_by
from tests.proof.house import House, Open
from tests.proof.oracle import FILLED

RECORDS = 200


class DescribedConformance(Conformance):
    """What says which source it is; the rest is the suite's.

    Attributes:
        source_file: The source.
        described_by: What describes its sandbox.
        own_migrations: Folder of its migration, unless it is the repository's.
    """

    source_file: ClassVar[Path]
    described_by: ClassVar[Path]
    own_migrations: ClassVar[Path | None] = None
    attacks = attacks.JSON

    def __init_subclass__(cls) -> None:
        """Name and entities are in the file, and pytest asks for them early."""
        source = load_source(cls.source_file)
        cls.system, cls.entities = source.name, tuple(source.entities)

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[SandboxServer]:
        """A sandbox that speaks this system, too."""
        settings = Settings(
            prospects=1, sizes={cls.system: RECORDS}, described=(cls.described_by,)
        )
        with SandboxServer(settings) as server:
            yield server

    @pytest.fixture
    def open_house(
        self,
        running: SandboxServer,
        warehouse: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Open:
        """The source as its file has it, without quotas and pauses."""
        migrate(warehouse, own=self.own_migrations)
        source = load_source(self.source_file)
        monkeypatch.setitem(FILLED, source.name, filled_by(source))
        running.reset()
        crm = running.crm(source.name)
        crm.configure(quota={"enabled": False})
        retry = replace(source.retry, delays=(0.01,) * 3)
        house = House(warehouse, crm, replace(source, quotas=(), retry=retry))
        return lambda _system: house

    def test_an_increment_brings_exactly_what_changed(
        self, house: House, entity: str
    ) -> None:
        """Without a parameter for it every run reads all, and yet writes only that."""
        if house.source.entities[entity].since_param:
            super().test_an_increment_brings_exactly_what_changed(house, entity)
            return
        house.sync(entity)
        changed = house.sandbox.move(entity, "change", 30)

        assert house.sync(entity).records_updated == len(changed)
