"""What only shows on the wire: deadlines, caps, compression, proxies, cookies."""

import gzip
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.requests_transport import RequestsTransport
from crm_warehouse.errors import ConfigurationError, SourceError, TransientSourceError
from tests.unit.clients.scripted_server import Reply, ScriptedServer, as_json, raw_bytes

EVERYTHING = Window(None, None)


@pytest.fixture
def transport(server):
    made = RequestsTransport(
        server.base_url, timeout_seconds=20, max_body_bytes=100_000
    )
    yield made
    made.close()


@pytest.fixture
def hasty(server):
    made = RequestsTransport(
        server.base_url, timeout_seconds=0.3, max_body_bytes=100_000
    )
    yield made
    made.close()


def get(transport, server):
    return transport.get(server.base_url + "/prospects", {}, {})


def trickle(server: ScriptedServer, head: bytes) -> Reply:
    """A byte every twentieth of a second: no silence is ever long."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        while not server.stopping.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return Reply(wire=send)


def silence(server: ScriptedServer, head: bytes = b"") -> Reply:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        handler.wfile.flush()
        server.stopping.wait(5)
        handler.close_connection = True

    return Reply(wire=send)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"


def test_a_trickling_body_meets_the_deadline(hasty, server):
    server.answer(trickle(server, HEAD))
    started = time.monotonic()
    with pytest.raises(TransientSourceError, match=r"did not come within 0\.3 s"):
        get(hasty, server)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("head", "words"), [(b"", "no answer came"), (HEAD, "the body stopped coming")]
)
def test_silence_meets_the_timeout(hasty, server, head, words):
    server.answer(silence(server, head))
    with pytest.raises(TransientSourceError, match=words):
        get(hasty, server)


def test_a_slow_refusal_keeps_its_status(hasty, server):
    server.answer(silence(server, HEAD.replace(b"200 OK", b"503 Busy")))
    answer = get(hasty, server)
    assert (answer.status, answer.body) == (503, b"")


def test_body_up_to_the_cap(transport, server):
    server.answer(Reply(200, b"x" * 100_000), Reply(200, b"x" * 100_001))
    assert len(get(transport, server).body) == 100_000
    with pytest.raises(SourceError, match="lower batch_size") as caught:
        get(transport, server)
    assert not isinstance(caught.value, TransientSourceError)


def test_a_compression_bomb_meets_the_cap(transport, server):
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    server.answer(Reply(200, bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(SourceError, match="larger than 100000 bytes"):
        get(transport, server)


@pytest.mark.parametrize("status", [302, 500])
def test_an_endless_refusal_is_cut(transport, server, status):
    endless = Reply(status, b"x" * 10_000_000, {"Location": "/elsewhere"})
    server.answer(endless, Reply(200, b"[]"))
    answer = get(transport, server)
    assert (answer.status, answer.body) == (status, b"")
    assert get(transport, server).body == b"[]"
    assert len(server.connections) == 2


def test_compressed_body(transport, server):
    body = b'[{"id": 1}]' * 1000
    server.answer(Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"}))
    assert get(transport, server).body == body
    assert "gzip" in server.requests[0].headers["Accept-Encoding"]


def test_a_body_in_chunks(transport, server):
    server.answer(
        raw_bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
        )
    )
    assert get(transport, server).body == b"[1,2]"


def test_header_names_compare_without_case(transport, server):
    server.answer(Reply(200, b"[]", {"rEtRy-aFtEr": "5"}))
    assert get(transport, server).headers.get("Retry-After") == "5"


def test_nobody_listens():
    transport = RequestsTransport("http://127.0.0.1:1", timeout_seconds=1)
    with pytest.raises(TransientSourceError, match="refused or broke"):
        transport.get("http://127.0.0.1:1/v1", {}, {})


def test_tls_towards_a_server_without(server):
    url = server.base_url.replace("http://", "https://")
    with pytest.raises(TransientSourceError, match="TLS handshake"):
        RequestsTransport(url, timeout_seconds=5).get(url, {}, {})


def test_any_other_error_of_the_library_is_sorted_too(transport):
    with pytest.raises(TransientSourceError, match=r"failed \(InvalidURL\)"):
        transport.get("http://", {}, {})


def test_netrc_does_not_replace_our_credentials(
    server, source, gate, entity, tmp_path: Path, monkeypatch
):
    from crm_warehouse.clients.registry import build_client

    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.run(lambda _: as_json([]))
    requests.get(server.base_url, timeout=5)
    assert server.requests[0].headers["Authorization"].startswith("Basic")
    client = build_client(source, base_url=server.base_url, token="ours", gate=gate)
    list(client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=100))
    assert server.requests[1].headers["Authorization"] == "Bearer ours"
    client.close()


def test_the_environments_proxy_is_used_but_not_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.run(lambda _: as_json([]))
    remote = RequestsTransport("http://crm.example/v1", timeout_seconds=5)
    remote.get("http://crm.example/v1/prospects", {}, {})
    assert server.requests[0].target == "http://crm.example/v1/prospects"
    remote.close()
    with ScriptedServer().serving() as direct:
        direct.run(lambda _: as_json([]))
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{direct.port}/v1"
            local = RequestsTransport(url, timeout_seconds=5)
            local.get(url, {}, {})
            local.close()
        assert len(direct.requests) == 2
    assert len(server.requests) == 1


def test_the_environments_certificates_are_used(monkeypatch, server, tmp_path):
    url = server.base_url.replace("http://", "https://")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match=r"none\.pem do not exist"):
        RequestsTransport(url, timeout_seconds=5)
    garbage = tmp_path / "some.pem"
    garbage.write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(garbage))
    with pytest.raises(TransientSourceError, match="certificate"):
        RequestsTransport(url, timeout_seconds=5).get(url, {}, {})


def test_cookies_are_not_kept(transport, server):
    server.answer(
        Reply(200, b"[]", {"Set-Cookie": "session=eve; Path=/"}), Reply(200, b"[]")
    )
    get(transport, server)
    get(transport, server)
    assert "Cookie" not in server.requests[1].headers
