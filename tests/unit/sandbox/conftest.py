"""One sandbox process for all tests here, begun anew before each."""

from collections.abc import Iterator

import pytest
from hubspot_client import HubSpotApi
from sandbox_client import Api

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings


@pytest.fixture(scope="package")
def process() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(prospects=250)) as server:
        yield server


@pytest.fixture
def sandbox(process: SandboxServer) -> SandboxServer:
    process.reset()
    return process


@pytest.fixture
def api(sandbox: SandboxServer) -> Iterator[Api]:
    client = Api(sandbox)
    yield client
    client.session.close()


@pytest.fixture
def hubspot(sandbox: SandboxServer) -> Iterator[HubSpotApi]:
    """HubSpot without quotas: tests of those switch them on."""
    crm = sandbox.crm("hubspot")
    off = {"enabled": False}
    crm.configure(quota=off, search_quota=off, daily_quota=off)
    client = HubSpotApi(crm)
    yield client
    client.session.close()
