"""Keap keeps what every source keeps, without a line of code of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.engine.migrations import migrate
from crm_warehouse.source_files import load_source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance
from tests.proof.described_source import filled_by
from tests.proof.house import SOURCES, House
from tests.proof.meddler import MAIN
from tests.proof.oracle import FILLED

KEAP = Path(__file__).parents[3] / "examples" / "keap"
SOURCE = load_source(KEAP / "sources" / "keap.yaml")


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxServer]:
    """One process that speaks Keap, too."""
    settings = Settings(
        prospects=1, sizes={"keap": 200}, described=(KEAP / "sandbox.json",)
    )
    with SandboxServer(settings) as server:
        yield server


@pytest.fixture(autouse=True)
def known(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables, and where its records go."""
    migrate(warehouse, own=KEAP / "migrations")
    monkeypatch.setitem(SOURCES, "keap", SOURCE)
    monkeypatch.setitem(FILLED, "keap", filled_by(SOURCE))
    monkeypatch.setitem(MAIN, "keap", TestKeap.main)


class TestKeap(Conformance):
    system = "keap"
    main = "contacts"
    email = "email"
    entities = tuple(SOURCE.entities)
    parents = (("appointments", "contact_id", "contacts"),)
    attacks = attacks.JSON

    def test_an_increment_brings_exactly_what_changed(
        self, house: House, entity: str
    ) -> None:
        if SOURCE.entities[entity].since_param:
            super().test_an_increment_brings_exactly_what_changed(house, entity)
            return
        house.sync(entity)
        changed = house.sandbox.move(entity, "change", 30)

        # Every run reads everything, and yet writes what changed.
        assert house.sync(entity).records_updated == len(changed)
