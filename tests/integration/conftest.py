"""A sandbox CRM, and syncs against it through the whole engine."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from crm_warehouse.spec import Source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import GENIUS, SOURCES, House, Open


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxServer]:
    """One process for all tests of the folder."""
    with SandboxServer(Settings(prospects=600)) as server:
        yield server


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> SandboxServer:
    """The sandbox as it was at its start; quotas off."""
    shared_sandbox.reset()
    shared_sandbox.configure(quota={"enabled": False})
    return shared_sandbox


@pytest.fixture
def genius() -> Source:
    """Genius without quotas and pauses, so that tests wait for nothing."""
    retry = replace(GENIUS.retry, delays=(0.01,) * 4)
    return replace(GENIUS, quotas=(), retry=retry)


@pytest.fixture
def house(warehouse: str, sandbox: SandboxServer, genius: Source) -> House:
    return House(warehouse, sandbox, genius)


@pytest.fixture
def make_house(warehouse: str, sandbox: SandboxServer) -> Callable[[Source], House]:
    """For tests that change the definition."""
    return lambda source: House(warehouse, sandbox, source)


@pytest.fixture
def open_house(warehouse: str, sandbox: SandboxServer) -> Open:
    """A house of any system; quotas off, no pauses."""

    def open_house(system: str) -> House:
        source = SOURCES[system]
        retry = replace(source.retry, delays=(0.01,) * 3)
        crm = sandbox.crm(system)
        crm.configure(quota={"enabled": False})
        if system == "hubspot":
            crm.configure(search_quota={"enabled": False})
        return House(warehouse, crm, replace(source, quotas=(), retry=retry))

    return open_house
