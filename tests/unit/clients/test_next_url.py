"""Lists whose pages name the address of the next one; credentials stay at home."""

import dataclasses

import pytest

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.next_url import next_link
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Paging
from tests.unit.clients.scripted_server import as_json

EVERYTHING = Window(None, None)
IN_BODY = Paging("next_url", "", "limit", 10, 20, next_path=("links", "next"))
IN_HEADER = Paging("link", "", "limit", 10, 20)


@pytest.fixture
def walk(server, gate, source, entity):
    clients = []
    gate.quota = 100

    def run(script, paging=IN_BODY, checkpoint=None):
        server.run(script)
        entity_ = dataclasses.replace(entity, params={"sort": "id"})
        changed = dataclasses.replace(source, paging=paging)
        client = build_client(changed, base_url=server.base_url, token="t", gate=gate)
        clients.append(client)
        return client.iter_pages(
            entity_, EVERYTHING, checkpoint=checkpoint, page_size=10
        )

    yield run
    for client in clients:
        client.close()


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


def chain(server, addresses, paging):
    """Serves record n at page n; each names the next address."""

    def script(request):
        number = int(request.query.get("page", "0"))
        address = addresses[number].format(url=server.base_url)
        body = {"data": [{"id": number}]}
        if paging is IN_HEADER:
            link = f'<{server.base_url}/first>; rel="first", <{address}>; rel="next"'
            return as_json(body, Link=link) if address else as_json(body)
        return as_json({**body, "links": {"next": address or None}})

    return script


@pytest.mark.parametrize("paging", [IN_BODY, IN_HEADER])
@pytest.mark.parametrize(
    "form", ["{{url}}/prospects?{q}", "/v1/prospects?{q}", "?{q}", "prospects?{q}"]
)
def test_addresses_are_followed_in_any_form(walk, server, paging, form):
    query = "tag[]=a&tag[]=b%20c&page="
    addresses = [form.format(q=f"{query}{n}") for n in (1, 2)] + [""]
    pages = list(walk(chain(server, addresses, paging), paging))
    assert ids(pages) == [0, 1, 2]
    first, second, _ = server.requests
    assert first.query == {"sort": "id", "limit": "10"}
    assert second.target == "/v1/prospects?tag%5B%5D=a&tag%5B%5D=b+c&page=1"
    assert second.headers["Authorization"] == "Bearer t"
    kept = pages[0].checkpoint["cursor"]
    assert kept.startswith("/prospects?")
    assert ids(walk(server._script, paging, {"cursor": kept})) == [1, 2]


@pytest.mark.parametrize("paging", [IN_BODY, IN_HEADER])
@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/v1/prospects",
        "https://127.0.0.1:{port}/v1/prospects",
        "http://127.0.0.1:1/v1/prospects",
        "//evil.example/v1/prospects",
        "/other/prospects",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "http://127.0.0.1:{port}@evil.example/v1/prospects",
        "ftp://127.0.0.1/v1",
        "javascript:alert(1)",
    ],
)
def test_no_other_place_is_asked_and_the_list_does_not_end(
    walk, server, paging, address
):
    address = address.replace("{port}", str(server.port))
    with pytest.raises(TransientSourceError, match="not below the connection's host"):
        list(walk(chain(server, [address], paging), paging))
    assert {request.path for request in server.requests} == {"/v1/prospects"}


def test_an_address_that_leads_back_ends_with_an_error(walk, server):
    addresses = ["?page=1", "?page=1"]
    with pytest.raises(TransientSourceError, match="repeats a cursor"):
        list(walk(chain(server, addresses, IN_BODY)))


@pytest.mark.parametrize("value", [7, ["x"], "a b", "ü"])
def test_no_address_is_a_fault_and_not_the_end(walk, value):
    body = {"data": [{"id": 1}], "links": {"next": value}}
    with pytest.raises(TransientSourceError, match="is no address"):
        list(walk(lambda _: as_json(body)))


def test_a_bare_list_has_no_place_for_an_address(walk):
    with pytest.raises(TransientSourceError, match="no place for an address"):
        list(walk(lambda _: as_json([{"id": 1}])))


def test_a_flag_decides_where_addresses_are_always_named(walk, server):
    paging = dataclasses.replace(IN_BODY, more_path=("has_more",))

    def script(request):
        number = int(request.query.get("page", "0"))
        following = {"links": {"next": f"?page={number + 1}"}, "has_more": number < 2}
        return as_json({"data": [{"id": number}], **following})

    assert ids(walk(script, paging)) == [0, 1, 2]
    with pytest.raises(TransientSourceError, match="more follow, not where"):
        list(walk(lambda _: as_json({"data": [{"id": 1}], "has_more": True}), paging))


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("", None),
        ('</a>; rel="next"', "/a"),
        ("</a>; rel=next", "/a"),
        ('</p>; rel="prev", </a,b>; title="x, y"; REL="last next"', "/a,b"),
        ("</a>;rel=prev,</b>;rel=next", "/b"),
        ('</a>; rel="nextish"', None),
        ("</a>", None),
        ("garbage; rel=next", None),
    ],
)
def test_the_link_field_is_read_by_its_standard(field, address):
    assert next_link(field) == address
