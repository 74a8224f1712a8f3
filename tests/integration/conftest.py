"""A sandbox CRM, and syncs against it through the whole engine."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crm_warehouse.spec import Source
from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.commit_proxy import CommitProxy
from tests.proof.house import GENIUS, SOURCES, House, Open
from tests.proof.stage import Stage, small_settings


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


@pytest.fixture(scope="module")
def small_crms() -> Iterator[SandboxServer]:
    with SandboxServer(small_settings()) as server:
        yield server


@pytest.fixture
def stage(
    postgres: Postgres, small_crms: SandboxServer, tmp_path: Path
) -> Iterator[Stage]:
    """CRMs and a database, whose every commit can be struck."""
    small_crms.reset()
    with CommitProxy(lambda: postgres.port) as proxy:
        stage = Stage(postgres, small_crms, tmp_path, proxy)
        yield stage
        stage.sweep()
