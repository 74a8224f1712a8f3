"""MarketSharp: lists and records of XML, a key in a header, half a minute's pauses."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_warehouse.clients.auth import ApiKeyAuth
from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.listing import read_xml_listing
from crm_warehouse.clients.marketsharp import MarketSharpClient
from crm_warehouse.clients.registry import build_client
from crm_warehouse.clients.xml_decoding import decode_xml
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import Quota, Retry
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import Reply

EVERYTHING = Window(None, None)
SOURCE = load_source(Path("include/sources/marketsharp.yaml"))
CONTACTS = SOURCE.entities["contacts"]
KEY = "k3y-secret"
PATH = ("Contacts", "Contact")


@pytest.fixture
def client(server, gate):
    built = build_client(SOURCE, base_url=server.base_url, token=KEY, gate=gate)
    yield built
    built.close()


@pytest.fixture(scope="module")
def process():
    settings = Settings(prospects=10, sizes={"marketsharp": 120}, quota=False)
    with SandboxServer(settings) as running:
        yield running.crm("marketsharp")


@pytest.fixture
def crm(process):
    process.clear_faults()
    process.configure(counted_lists=False)
    return process


@pytest.fixture
def sandbox_client(crm):
    gate = RecordingGate()
    built = build_client(SOURCE, base_url=crm.base_url, token=crm.token, gate=gate)
    yield built
    built.close()


def as_xml(text):
    return Reply(200, text.encode(), {"Content-Type": "application/xml"})


def contacts(*numbers, attributes=""):
    inner = "".join(f"<Contact><ID>{n}</ID></Contact>" for n in numbers)
    return as_xml(f"<Contacts{attributes}>{inner}</Contacts>")


def walk(client, entity=CONTACTS, window=EVERYTHING, size=50):
    return list(client.iter_pages(entity, window, checkpoint=None, page_size=size))


def ids(pages):
    return [record["ID"] for page in pages for record in page.records]


def test_the_source_file():
    assert isinstance(
        build_client(SOURCE, base_url="https://x.example", token="t", gate=None),
        MarketSharpClient,
    )
    assert SOURCE.quotas == (Quota("hourly", 500, 3600.0),)
    assert SOURCE.retry == Retry((30.0, 30.0, 30.0))
    assert (SOURCE.paging.style, SOURCE.paging.size) == ("number", 50)
    assert {e.name: (e.into, e.path) for e in SOURCE.entities.values()} == {
        "contacts": ("contacts", "/contacts"),
        "leads": ("leads", "/leads"),
        "jobs": ("jobs", "/jobs"),
        "activities": ("activities", "/activities"),
    }


def test_what_is_sent(client, server):
    server.answer(contacts(1), contacts())
    since = Window(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), None)
    assert ids(walk(client, window=since, size=1000)) == ["1"]
    first, second = server.requests
    assert first.headers["X-API-Key"] == KEY
    assert "Authorization" not in first.headers
    assert first.headers["Content-Type"] == "application/xml"
    assert first.headers["Accept"] == "application/xml"
    modified = {"modified_since": "2026-01-02T03:04:05Z", "per_page": "50"}
    assert first.query == {"page": "1", **modified}
    assert second.query == {"page": "2", **modified}


def test_counts_of_the_root_end_a_list(client, server):
    counts = ' page="{}" per_page="2" total="3" total_pages="2"'
    server.answer(
        contacts(1, 2, attributes=counts.format(1)),
        contacts(3, attributes=counts.format(2)),
    )
    pages = walk(client)
    assert ids(pages) == ["1", "2", "3"]
    assert pages[-1].total == 3


@pytest.mark.parametrize(
    ("body", "records", "total"),
    [
        (b"<Contacts/>", [], None),
        (b"<Contacts>\n</Contacts>", [], None),
        (b'<Contacts total="0"/>', [], 0),
        (b'<Contacts total="0"> </Contacts>', [], 0),
        (b'<Contacts total="x"/>', [], None),
        (b"<Contacts><Contact><ID>1</ID></Contact></Contacts>", [{"ID": "1"}], None),
        (b"<Contacts><Contact/></Contacts>", [""], None),
        (b"<Contacts><Contact/><Contact/></Contacts>", ["", ""], None),
        (b"<Contacts><total>7</total><Contact/></Contacts>", [""], None),
        (b'<p:Contacts xmlns:p="u"><p:Contact>1</p:Contact></p:Contacts>', ["1"], None),
    ],
)
def test_a_list(body, records, total):
    listing = read_xml_listing(decode_xml(body), PATH)
    assert (listing.records, listing.total) == (records, total)


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Message>down</Message></Error>",
        b"<Leads><Lead><ID>1</ID></Lead></Leads>",
        b"<contacts/>",
        b"<Contact><ID>1</ID></Contact>",
        b"<Contacts>down</Contacts>",
        b'<Contacts page="1">down</Contacts>',
        b"<Contacts><Error>down</Error></Contacts>",
        b"<Contacts><Lead><ID>1</ID></Lead></Contacts>",
        b'<Contacts xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="1"/>',
    ],
)
def test_never_an_empty_list(client, server, body):
    server.run(lambda _: Reply(200, body))
    with pytest.raises(TransientSourceError, match=r"holds no .*gave up after 4"):
        walk(client)


def test_half_a_minute_between_repetitions(client, server, gate):
    server.answer(Reply(503), as_xml("<Contacts>"), contacts(1), contacts())
    assert ids(walk(client)) == ["1"]
    assert gate.pauses == [30.0, 30.0]


@pytest.mark.parametrize(
    "body",
    [
        "<Contact><ID>7</ID><Status>New</Status></Contact>",
        "<Contacts><Contact><ID>7</ID><Status>New</Status></Contact></Contacts>",
    ],
)
def test_one_record(client, server, body):
    server.answer(as_xml(body))
    assert client.fetch(CONTACTS, "7") == {"ID": "7", "Status": "New"}
    assert server.requests[0].target == "/v1/contacts/7"


def test_no_record(client, server):
    server.answer(Reply(404, b"<Error/>"))
    assert client.fetch(CONTACTS, "7") is None


@pytest.mark.parametrize("body", ["<Contact/>", "<Lead><ID>7</ID></Lead>", "<Error/>"])
def test_another_document_is_no_absence(client, server, body):
    server.run(lambda _: as_xml(body))
    with pytest.raises(TransientSourceError, match="no record with an id"):
        client.fetch(CONTACTS, "7")


def test_a_refused_key_is_not_shown(client, server):
    server.answer(Reply(401))
    with pytest.raises(AuthenticationError) as caught:
        walk(client)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "é"])
def test_a_key_that_no_header_can_hold(key):
    with pytest.raises(ConfigurationError, match="store the API key again"):
        ApiKeyAuth("https://api.example.com", key)


def test_the_key_goes_to_one_origin_only():
    auth = ApiKeyAuth("https://api.example.com", KEY)
    assert auth.headers_for("https://api.example.com:443/leads") == {"X-API-Key": KEY}
    for other in ("http://api.example.com/", "https://example.com/"):
        with pytest.raises(SourceError, match="refused to send"):
            auth.headers_for(other)


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("name", SOURCE.entities)
def test_every_entity_of_the_sandbox(crm, sandbox_client, name, counted):
    crm.configure(counted_lists=counted)
    entity = SOURCE.entities[name]
    pages = walk(sandbox_client, entity)
    expected = [row["source_id"] for row in crm.truth(name)]
    assert sorted(ids(pages)) == sorted(expected)
    assert pages[-1].total == (len(expected) if counted else None)
    record = pages[0].records[0]
    assert sandbox_client.fetch(entity, record["ID"]) == record


@pytest.mark.parametrize(
    ("form", "rule"),
    [
        ("external_entity", "document type"),
        ("entity_bomb", "document type"),
        ("doctype", "document type"),
        ("many_elements", "more than 200000 elements"),
        ("nul", "NUL"),
        ("utf16", "NUL"),
        ("deep_nesting", "nested too deeply"),
    ],
)
def test_an_attack_costs_a_request_or_the_job_and_no_record(
    crm, sandbox_client, form, rule
):
    crm.fault("xml_attack", form=form, query={"page": "2"}, count=1)
    pages = walk(sandbox_client)
    assert len(ids(pages)) == 120
    assert [page.requests for page in pages] == [1, 2, 1, 1]
    crm.fault("xml_attack", form=form, query={"page": "2"})
    reading = sandbox_client.iter_pages(
        CONTACTS, EVERYTHING, checkpoint=None, page_size=50
    )
    first = next(reading)
    with pytest.raises(TransientSourceError, match=f"{rule}.*gave up after 4"):
        next(reading)
    crm.clear_faults()
    rest = sandbox_client.iter_pages(
        CONTACTS, EVERYTHING, checkpoint=first.checkpoint, page_size=50
    )
    assert set(ids([first, *rest])) == set(ids(pages))


def test_one_bad_letter_blocks_nobody(client, server):
    server.answer(
        as_xml("<Contacts><Contact><ID>1</ID><City>\x01</City></Contact>"
               "<Contact><ID>2</ID></Contact></Contacts>"),
        contacts(),
    )  # fmt: skip
    (page, _) = walk(client)
    assert page.records == [{"ID": "1", "City": "\ufffd"}, {"ID": "2"}]


def test_a_source_with_other_elements_needs_no_code(client, server):
    deeper = dataclasses.replace(
        CONTACTS, records_path=("Response", "People", "Person"), id_path=("Key",)
    )
    people = "<Person><Key>1</Key></Person>"
    server.answer(
        as_xml(
            f'<Response><People total="1" total_pages="1">{people}</People></Response>'
        )
    )
    (page,) = walk(client, deeper)
    assert (page.records, page.total) == ([{"Key": "1"}], 1)
