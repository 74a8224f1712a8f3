"""ActiveProspect: leads and events by cursor, from its source file to pages."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.source_files import load_source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import as_json

EVERYTHING = Window(None, None)
SOURCE = load_source(Path("include/sources/activeprospect.yaml"))
LEADS = SOURCE.entities["leads"]


@pytest.fixture(scope="module")
def process():
    settings = Settings(prospects=10, sizes={"activeprospect": 250}, quota=False)
    with SandboxServer(settings) as running:
        yield running.crm("activeprospect")


@pytest.fixture
def crm(process):
    process.clear_faults()
    return process


@pytest.fixture
def client(crm):
    gate = RecordingGate()
    built = build_client(SOURCE, base_url=crm.base_url, token=crm.token, gate=gate)
    yield built
    built.close()


def walk(client, entity=LEADS, checkpoint=None):
    return list(
        client.iter_pages(entity, EVERYTHING, checkpoint=checkpoint, page_size=100)
    )


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


def test_what_is_sent(server, gate):
    client = build_client(SOURCE, base_url=server.base_url, token="t0ken", gate=gate)
    server.answer(as_json({"data": [{"id": "a"}], "next_cursor": None}))
    since = Window(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), None)
    (page,) = client.iter_pages(LEADS, since, checkpoint=None, page_size=1000)
    client.close()
    (request,) = server.requests
    assert page.records == [{"id": "a"}]
    assert request.path == "/v1/leads"
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert request.query == {"limit": "100", "modified_since": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(("name", "count"), [("leads", 250), ("events", 750)])
def test_every_entity_of_the_sandbox(crm, client, name, count):
    entity = SOURCE.entities[name]
    pages = walk(client, entity)
    found = ids(pages)
    assert len(found) == count == len(set(found))
    assert set(found) == {row["source_id"] for row in crm.truth(name)}
    record = pages[0].records[0]
    assert client.fetch(entity, record["id"]) == record
    assert client.fetch(entity, "f" * 24) is None


def test_a_resumed_list_misses_nothing(client):
    pages = walk(client)
    assert len(pages) == 3
    for place, page in enumerate(pages):
        rest = ids(walk(client, checkpoint=page.checkpoint))
        assert rest == ids(pages)[min(place + 1, 2) * 100 :]


def test_a_list_in_a_circle_ends_with_an_error(crm, client):
    crm.fault("loop", path="/leads")
    with pytest.raises(TransientSourceError, match="repeats a cursor"):
        walk(client)


def test_one_record_makes_a_contact_and_a_lead():
    contact, lead = LEADS.views()
    assert (contact.into, lead.into) == ("contacts", "leads")
    assert {line.target: line.paths for line in lead.fields}["contact_source_id"] == (
        ("id",),
    )
    assert SOURCE.entities["events"].into == "lead_events"
