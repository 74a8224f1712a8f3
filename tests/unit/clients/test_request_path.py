"""Statuses, pauses and repetitions of one request."""

import itertools
import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.clients.auth import BearerAuth
from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.interface import SourceClient, Window
from crm_warehouse.clients.request_path import MAX_THROTTLES, RequestPath
from crm_warehouse.clients.requests_transport import RequestsTransport
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    QuotaWaitError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, Retry
from tests.unit.clients.conftest import TOKEN
from tests.unit.clients.recording_gate import START, RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    ScriptedServer,
    as_json,
    raw_bytes,
    reset,
)

EVERYTHING = Window(None, None)
RECORDS = [{"id": 1}, {"id": 2}]
GOOD = as_json({"data": RECORDS, "page": 1, "total": 2, "total_pages": 1})
PASSING = [408, 423, 425, 477, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 526]


def first_page(client: SourceClient, entity: Entity) -> Any:
    pages = client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=100)
    return next(iter(pages))


@pytest.mark.parametrize("status", [200, 201, 203, 206])
def test_any_success_is_read(client, server, entity, status):
    server.answer(as_json({"data": RECORDS, "total_pages": 1}, status))
    assert first_page(client, entity).records == RECORDS


@pytest.mark.parametrize("status", [401, 403, 530])
def test_refused_credentials_stop_at_once(client, server, gate, entity, status):
    server.answer(Reply(status))
    with pytest.raises(AuthenticationError, match=rf"^/prospects: .*{status}"):
        first_page(client, entity)
    assert (len(server.requests), gate.pauses) == (1, [])


@pytest.mark.parametrize("status", [304, 400, 402, 404, 405, 410, 414, 422, 451, 600])
def test_a_refused_request_is_not_repeated(client, server, gate, entity, status):
    server.answer(Reply(status))
    with pytest.raises(RequestRefusedError, match=r"^/prospects: ") as caught:
        first_page(client, entity)
    assert caught.value.status == status
    assert (len(server.requests), gate.pauses) == (1, [])


@pytest.mark.parametrize(
    ("status", "check"),
    [
        (302, "the connection's host"),
        (404, "the connection's host and the path in the source's file"),
        (400, "the parameters in the source's file with the vendor's pages"),
    ],
)
def test_a_refusal_says_what_to_check(client, server, entity, status, check):
    server.answer(Reply(status))
    with pytest.raises(RequestRefusedError) as caught:
        first_page(client, entity)
    said = f"/prospects: the source refuses the request (status {status})"
    assert str(caught.value) == f"{said}: check {check}"


@pytest.mark.parametrize("status", PASSING)
def test_a_passing_status_is_repeated(client, server, gate, entity, status):
    server.answer(Reply(status), Reply(status, b"<html>oops"), GOOD)
    page = first_page(client, entity)
    assert (page.records, page.requests) == (RECORDS, 3)
    # HubSpot wants a locked record left alone for two seconds.
    assert gate.pauses == ([2.0, 2.0] if status == 423 else [1.0, 2.0])
    assert gate.taken == 3


def test_repetitions_end_with_the_delays(client, server, gate, entity):
    server.run(lambda _: Reply(502))
    with pytest.raises(TransientSourceError) as caught:
        first_page(client, entity)
    assert (
        str(caught.value) == "/prospects: status 502; gave up after 5 requests in 19 s"
    )
    assert gate.pauses == [1.0, 2.0, 4.0, 8.0]
    assert gate.reasons[1] == "/prospects: status 502 (request 2)"


@pytest.mark.parametrize("status", [429, 503, 477])
@pytest.mark.parametrize(
    ("told", "paused"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1000000000", 86400.0),
        ("9" * 400, 86400.0),
        ("Sun, 01 Mar 2026 13:00:00 GMT", 3599.0),
        ("Sunday, 01-Mar-26 13:00:00 GMT", 3599.0),
        ("Tue, 01 Mar 2033 13:00:00 GMT", 86400.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1.0),
        ("0", 1.0),
        ("-5", 1.0),
        ("soon", 1.0),
        ("nan", 1.0),
        ("inf", 1.0),
        ("1e9", 1.0),
        ("٣", 1.0),
        ("", 1.0),
    ],
)
def test_retry_after_forms(client, server, gate, entity, status, told, paused):
    told_bytes = told.encode().decode("latin-1")
    server.answer(Reply(status, headers={"Retry-After": told_bytes}), GOOD)
    assert first_page(client, entity).requests == 2
    assert gate.pauses == [paused]


def test_retry_after_date_is_measured_by_the_sources_own_clock(
    client, server, gate, entity
):
    server.answer(
        as_json(
            {},
            429,
            Retry_After="Wed, 01 Jan 2020 00:00:30 GMT",
            Date="Wed, 01 Jan 2020 00:00:00 GMT",
        ),
        GOOD,
    )
    first_page(client, entity)
    assert gate.pauses == [30.0]


def test_a_refusal_without_retry_after_takes_the_policys_delays(
    client, server, gate, entity
):
    server.answer(*[Reply(429)] * 6, GOOD)
    assert first_page(client, entity).requests == 7
    assert gate.pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_pauses_the_source_asks_for_leave_the_repetitions_alone(
    client, server, gate, entity
):
    wait = Reply(429, headers={"Retry-After": "3"})
    fault = Reply(500)
    server.answer(wait, fault, wait, fault, fault, wait, fault, GOOD)
    assert first_page(client, entity).requests == 8
    assert gate.pauses == [3.0, 1.0, 3.0, 2.0, 4.0, 3.0, 8.0]


def test_endless_refusals_end(client, server, gate, entity):
    server.run(lambda _: Reply(429, headers={"Retry-After": "60"}))
    with pytest.raises(TransientSourceError, match=r"429.*gave up after 11 requests"):
        first_page(client, entity)
    assert gate.pauses == [60.0] * MAX_THROTTLES


@pytest.mark.parametrize("status", [429, 500])
def test_no_delays_means_no_repetition(impatient_client, server, gate, entity, status):
    server.run(lambda _: Reply(status))
    with pytest.raises(TransientSourceError, match=r"gave up after 1 request$"):
        first_page(impatient_client, entity)
    assert gate.pauses == []


def test_a_pause_too_long_for_the_gate_goes_up(client, server, gate, entity):
    gate.patience = 10
    server.answer(Reply(429, headers={"Retry-After": "3600"}))
    with pytest.raises(QuotaWaitError) as caught:
        first_page(client, entity)
    assert (caught.value.resume_at - START).total_seconds() == 3601


def test_the_gate_refuses_before_anything_is_sent(client, server, gate, entity):
    gate.quota = 0
    with pytest.raises(QuotaWaitError):
        first_page(client, entity)
    assert server.requests == []


def test_one_odd_element_is_left_to_the_quarantine(client, server, gate, entity):
    server.answer(
        Reply(200, b'{"data": [{"id": 1}, null]}'), Reply(200, b'{"data": []}')
    )
    page = first_page(client, entity)
    assert (page.records, page.requests) == ([{"id": 1}, None], 1)


@pytest.mark.parametrize(
    "broken",
    [
        Reply(200, b"<html><body>Sign in</body></html>", {"Content-Type": "text/html"}),
        Reply(200, b""),
        Reply(204),
        Reply(200, b'{"data": [{"id": 1}, {"id"'),
        Reply(200, b"null"),
        Reply(200, b'"data"'),
        Reply(200, b'{"error": "try later"}'),
        Reply(200, b'{"data": {"id": 1}}'),
        Reply(200, b'{"data": null}'),
        Reply(200, b'[[{"id": 1}]]'),
        Reply(200, b"[" * 100_000),
        reset(),
        raw_bytes(b""),
        raw_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{}]"),
        raw_bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[{}]\r\n50\r\n["
        ),
        Reply(200, b"[{}]", {"Content-Encoding": "gzip"}),
        raw_bytes(b"SSH-2.0-OpenSSH_9\r\n\r\n"),
    ],
)
def test_a_broken_answer_is_repeated_and_never_ends_the_list(
    client, server, gate, entity, broken
):
    server.answer(broken, GOOD)
    page = first_page(client, entity)
    assert (page.records, page.requests, gate.pauses) == (RECORDS, 2, [1.0])


def test_a_status_outlives_its_truncated_body(client, server, entity):
    server.answer(
        raw_bytes(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 500\r\n\r\nno")
    )
    with pytest.raises(AuthenticationError):
        first_page(client, entity)


def test_observed_just_before_the_request_that_succeeded(client, server, gate, entity):
    replies = iter([Reply(500), Reply(500), GOOD])

    def slowly(request):
        gate.clock += timedelta(seconds=100)
        return next(replies)

    server.run(slowly)
    page = first_page(client, entity)
    # Three seconds of quota, pauses of one and two seconds, two answers that failed.
    assert (page.observed_at - START).total_seconds() == 206


@pytest.mark.parametrize(
    ("date", "seen"),
    [
        ("Sun, 01 Mar 2026 11:58:30 GMT", "2026-03-01T11:58:30+00:00"),
        ("Sun, 01 Mar 2026 12:58:30 +0100", "2026-03-01T11:58:30+00:00"),
        ("Sunday, 01-Mar-26 11:58:30 GMT", "2026-03-01T11:58:30+00:00"),
        ("Sun Mar  1 11:58:30 2026", "2026-03-01T11:58:30+00:00"),
        ("Sun, 01 Mar 2026 11:58:30 -0000", "2026-03-01T11:58:30+00:00"),
        ("Sun, 99 Mar 2026 11:58:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("yesterday", None),
        ("2026-03-01T11:58:30Z", None),
        ("", None),
    ],
)
def test_date_header(client, server, entity, date, seen):
    server.answer(as_json({"data": RECORDS, "total_pages": 1}, Date=date))
    source_time = first_page(client, entity).source_time
    assert (source_time.isoformat() if source_time else None) == seen


def test_no_date_header(client, server, entity):
    server.answer(GOOD)
    assert first_page(client, entity).source_time is None


def test_headers_and_connection(client, server, entity):
    server.run(lambda _: as_json({"data": RECORDS, "total_pages": 1}))
    for _ in range(3):
        first_page(client, entity)
    headers = server.requests[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == headers["Content-Type"] == "application/json"
    assert len(server.connections) == 1


def test_a_refusals_connection_is_used_again(client, server, entity):
    server.answer(Reply(500, b"x" * 1000), Reply(429, b"y" * 1000), GOOD)
    first_page(client, entity)
    assert len(server.connections) == 1


def test_nothing_secret_in_logs_or_errors(client, server, entity, caplog):
    caplog.set_level(logging.DEBUG, logger="crm_warehouse")
    server.answer(
        Reply(500, b"Jane Doe"),
        reset(),
        raw_bytes(b"HTTP/1.1 nonsense\r\n\r\n"),
        Reply(200, b'{"Jane Doe'),
        Reply(400, b"Jane Doe"),
    )
    with pytest.raises(RequestRefusedError) as caught:
        first_page(client, entity)
    text = caplog.text + "".join(traceback.format_exception(caught.value))
    text += repr(client) + repr(vars(client))
    assert "/prospects: status 500" in text
    for secret in (TOKEN, "Jane", "per_page=", "Bearer"):
        assert secret not in text


def test_one_debug_line_a_page(client, server, entity, caplog):
    caplog.set_level(logging.DEBUG, logger="crm_warehouse")
    server.answer(GOOD)
    first_page(client, entity)
    assert [line.getMessage() for line in caplog.records] == [
        "/prospects page 1: status 200, 2 records"
    ]


def request_path(base_url: str, auth_url: str | None = None) -> RequestPath:
    return RequestPath(
        RequestsTransport(base_url, timeout_seconds=5),
        gate=RecordingGate(),
        auth=BearerAuth(auth_url or base_url, TOKEN),
        retry=Retry(()),
        base_url=base_url,
        headers={},
        decode=decode_json,
    )


def test_credentials_go_to_one_origin_only(server):
    elsewhere = request_path(server.base_url, "http://127.0.0.1:1/v1")
    with pytest.raises(SourceError, match="another scheme, host or port"):
        elsewhere.get("/prospects", {}, lambda body: body)
    assert server.requests == []


def test_a_path_cannot_change_the_host(server):
    path = request_path(server.base_url.removesuffix("/v1"))
    with pytest.raises(SourceError, match="does not start with a slash"):
        path.get("@127.0.0.1/", {}, lambda body: body)
    assert server.requests == []


@pytest.mark.parametrize(
    "base_url",
    [
        "", "api.example.com/v1", "ftp://api.example.com", "https://", "https:///v1",
        "https://user:word@api.example.com", "https://api.example.com/v1?key=1",
        "https://api.example.com/#a", "https://api.example.com:port/",
        "https://[api.example.com", "https://evil.example\\@api.example.com",
    ],
)  # fmt: skip
def test_unusable_base_addresses(source, gate, base_url):
    from crm_warehouse.clients.registry import build_client

    with pytest.raises(ConfigurationError, match="no base address"):
        build_client(source, base_url=base_url, token=TOKEN, gate=gate)


@pytest.mark.parametrize("token", ["", "to ken", "token\n", "tok\x00en", "tökén"])
def test_unusable_tokens_are_not_shown(token):
    with pytest.raises(ConfigurationError) as caught:
        BearerAuth("https://api.example.com", token)
    assert "store the API key again" in str(caught.value)
    assert not token or token not in str(caught.value)


def test_the_origin_has_default_ports():
    auth = BearerAuth("https://API.example.com/v1", TOKEN)
    assert auth.headers_for("https://api.example.com:443/v1/prospects")
    for other in ("http://api.example.com/v1", "https://api.example.com:8443/v1"):
        with pytest.raises(SourceError):
            auth.headers_for(other)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused_and_carry_nothing(client, server, entity, status):
    with ScriptedServer().serving() as thief:
        thief.run(lambda _: GOOD)
        server.answer(
            Reply(status, b"x" * 500, {"Location": thief.base_url + "/prospects"})
        )
        with pytest.raises(RequestRefusedError, match="connection's host"):
            first_page(client, entity)
        assert thief.requests == []
    assert len(server.requests) == 1


def test_request_counts_begin_anew_on_each_page(client, server, entity):
    pages = [as_json({"data": [{"id": n}], "total_pages": 3}) for n in range(3)]
    server.answer(Reply(500), pages[0], pages[1], Reply(500), Reply(500), pages[2])
    walk = client.iter_pages(entity, EVERYTHING, checkpoint=None, page_size=1)
    assert [page.requests for page in itertools.islice(walk, 3)] == [2, 1, 3]
