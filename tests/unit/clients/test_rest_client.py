"""What the YAML alone says of a REST API: login, header fields, parameters."""

import base64
import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest

from crm_warehouse.clients.auth import basic_token
from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import client_factory
from crm_warehouse.clients.rest import written_since
from crm_warehouse.connections import Connection
from crm_warehouse.errors import ConfigurationError, RequestRefusedError
from crm_warehouse.spec import AuthStyle
from tests.unit.clients.scripted_server import Reply, as_json

EMPTY = {"data": [], "total": 0, "total_pages": 0}
SECRET = "s3cret-canary"


@pytest.fixture
def ask(server, gate, source, entity, monkeypatch):
    """Reads a list by a connection; returns the request."""
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")

    def run(auth, since=None, since_format="iso", **connection):
        server.run(lambda _: as_json(EMPTY))
        changed = dataclasses.replace(
            source, client="rest", auth=auth, headers={"X-Company-Id": "42"}
        )
        listed = dataclasses.replace(
            entity, params={"sort": "id", "per_page": "7"}, since_format=since_format
        )
        found = Connection("acme_default", host=server.base_url, **connection)
        client = client_factory(changed, found, lambda: None)(gate)
        window = Window(since, None)
        list(client.iter_pages(listed, window, checkpoint=None, page_size=50))
        client.close()
        return server.requests[-1]

    return run


@pytest.mark.parametrize(
    ("auth", "connection", "field", "value"),
    [
        (AuthStyle(), {"password": SECRET}, "Authorization", f"Bearer {SECRET}"),
        (
            AuthStyle("api_key", "X-Acme-Key"),
            {"password": SECRET},
            "X-Acme-Key",
            SECRET,
        ),
        (
            AuthStyle("api_key", "Authorization", "Token "),
            {"password": SECRET},
            "Authorization",
            f"Token {SECRET}",
        ),
        (
            AuthStyle("basic"),
            {"login": "anna", "password": "grün:1"},
            "Authorization",
            "Basic " + base64.b64encode("anna:grün:1".encode()).decode(),
        ),
        (
            AuthStyle("basic"),
            {"login": SECRET},
            "Authorization",
            "Basic " + base64.b64encode(f"{SECRET}:".encode()).decode(),
        ),
    ],
)
def test_credentials_are_shown_as_the_file_says(ask, auth, connection, field, value):
    request = ask(auth, **connection)
    assert request.headers[field] == value
    others = {name: text for name, text in request.headers.items() if name != field}
    assert SECRET not in str(others) + request.target


def test_header_fields_and_parameters_of_the_file_are_sent(ask):
    request = ask(AuthStyle(), password="t")
    assert request.headers["X-Company-Id"] == "42"
    assert request.headers["Accept"] == "application/json"
    # The page size is not the file's to fix.
    assert request.query == {"sort": "id", "page": "1", "per_page": "50"}


MOMENT = datetime(2026, 3, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-03-02T01:04:05Z"),
        ("epoch", "1772413445"),
        ("epoch_ms", "1772413445000"),
        ("date", "2026-03-01"),
    ],
)
def test_the_beginning_of_a_window_is_written_as_the_source_wants_it(ask, form, text):
    request = ask(AuthStyle(), MOMENT, form, password="t")
    assert request.query["modified_since"] == text


@pytest.mark.parametrize("hour", range(24))
def test_a_date_has_begun_everywhere(hour):
    moment = datetime(2026, 3, 2, hour, tzinfo=UTC)
    day = datetime.fromisoformat(written_since(moment, "date"))
    assert day.replace(tzinfo=timezone(timedelta(hours=-12))) <= moment
    assert moment - day.replace(tzinfo=UTC) < timedelta(hours=36)


@pytest.mark.parametrize(
    ("auth", "connection", "message"),
    [
        (AuthStyle("basic"), {}, "neither login nor password"),
        (AuthStyle("basic"), {"login": f"a:{SECRET}"}, "must not hold a colon"),
        (AuthStyle("api_key", "X-Key"), {}, "no password"),
        (AuthStyle("api_key", "X-Key"), {"password": f"{SECRET}\n"}, "line breaks"),
        (AuthStyle("basic"), {"password": f"{SECRET}\ud800"}, "is no text"),
        (
            AuthStyle("basic"),
            {
                "extra": {
                    "refresh_token": SECRET,
                    "client_id": "c",
                    "client_secret": SECRET,
                    "token_url": "https://api.example.com/token",
                }
            },
            "OAuth goes with auth style bearer",
        ),
    ],
)
def test_credentials_that_cannot_be_shown(ask, server, auth, connection, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        ask(auth, **connection)
    assert SECRET not in str(caught.value)
    assert server.requests == []


def test_a_refusal_names_no_credentials(ask, server, monkeypatch):
    secret = basic_token("anna", SECRET)
    monkeypatch.setattr(server, "run", lambda _: None)
    server.answer(Reply(404))
    with pytest.raises(RequestRefusedError) as caught:
        ask(AuthStyle("basic"), login="anna", password=SECRET)
    assert not any(text in str(caught.value) for text in (SECRET, secret))
