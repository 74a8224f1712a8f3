"""A scripted server, a gate that lets no time pass, and a Genius client between."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_warehouse.clients.interface import SourceClient
from crm_warehouse.clients.registry import build_client
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Deletes, Entity, Paging, Quota, Retry, Source
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import ScriptedServer

TOKEN = "t0p-secret-key"
#: One request after the other: what is in flight together comes in any order.
HUBSPOT = dataclasses.replace(
    load_source(default_directory() / "hubspot.yaml"), in_flight=1
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer().serving() as running:
        yield running


@pytest.fixture
def gate() -> RecordingGate:
    return RecordingGate()


@pytest.fixture
def entity() -> Entity:
    return Entity(
        source="genius",
        name="prospects",
        aliases=("contacts",),
        into="contacts",
        path="/prospects",
        records_path=("data",),
        id_path=("id",),
        version_path=("modified_date",),
        since_param="modified_since",
        fields=(),
        schedule=None,
        full_schedule=None,
        deletes=Deletes(confirm_path="/prospects/{id}", max_share=0.2),
    )


@pytest.fixture
def source(entity: Entity) -> Source:
    return Source(
        name="genius",
        title="Genius CRM",
        owner="sales-ops",
        client="genius",
        connection="genius_default",
        base_url="https://api.genius.example/v1",
        quotas=(Quota("hourly", 1000, 3600.0),),
        retry=Retry((1.0, 2.0, 4.0, 8.0)),
        paging=Paging("number", "page", "per_page", 100, 100),
        timeout_seconds=30.0,
        lag=timedelta(minutes=1),
        clock_skew=timedelta(minutes=1),
        max_concurrent=3,
        region="US",
        entities={entity.name: entity},
    )


@pytest.fixture
def client(
    server: ScriptedServer, gate: RecordingGate, source: Source
) -> Iterator[SourceClient]:
    built = build_client(source, base_url=server.base_url, token=TOKEN, gate=gate)
    yield built
    built.close()


@pytest.fixture
def impatient_client(
    server: ScriptedServer, gate: RecordingGate, source: Source
) -> Iterator[SourceClient]:
    """Waits a fifth of a second for an answer, and repeats nothing."""
    hurried = dataclasses.replace(source, timeout_seconds=0.2, retry=Retry(()))
    built = build_client(hurried, base_url=server.base_url, token=TOKEN, gate=gate)
    yield built
    built.close()


@pytest.fixture
def portal(server: ScriptedServer) -> Portal:
    """The HubSpot account that the server answers for: contacts."""
    account = Portal()
    server.run(account)
    return account


@pytest.fixture
def hubspot(
    server: ScriptedServer, gate: RecordingGate, portal: Portal
) -> Iterator[SourceClient]:
    built = build_client(HUBSPOT, base_url=server.base_url, token=TOKEN, gate=gate)
    yield built
    built.close()
