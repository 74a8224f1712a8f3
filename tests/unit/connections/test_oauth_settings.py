"""What a connection's extra says of OAuth, and where secrets may be sent."""

import json
from typing import Any

import pytest

from crm_warehouse.clients.registry import client_factory
from crm_warehouse.connections import Connection, parse_connection
from crm_warehouse.connections.oauth import OAuthSettings, oauth_settings
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_source

URL = "https://api.hubapi.com/oauth/v1/token"
EXTRA = {
    "client_id": "app",
    "client_secret": "hush",
    "refresh_token": "seed",
    "token_url": URL,
}
HUBSPOT = load_source(default_directory() / "hubspot.yaml")


def read(**changes: Any) -> OAuthSettings | None:
    extra = {**EXTRA, **changes}
    return oauth_settings(Connection("hubspot_default", extra=extra), {})


def test_all_four_make_it() -> None:
    text = json.dumps({"conn_type": "hubspot", "extra": EXTRA})
    connection = parse_connection("hubspot_default", text, "here")

    assert oauth_settings(connection, {}) == OAuthSettings(
        "hubspot_default", "app", "hush", "seed", URL
    )


def test_blanks_around_a_pasted_value_do_not_count() -> None:
    settings = read(refresh_token=" seed\n")
    assert settings is not None
    assert settings.refresh_token == "seed"


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_refresh_token_it_is_none(token: str | None) -> None:
    """The client's secret alone is there for webhooks."""
    assert read(refresh_token=token) is None


@pytest.mark.parametrize("name", ["client_id", "client_secret", "token_url"])
@pytest.mark.parametrize("value", [None, "", "  ", 7])
def test_what_is_missing_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"needs {name} beside it"):
        read(**{name: value})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://api.hubapi.com/oauth/v1/token", "must begin with https://"),
        ("http://127.0.0.1:1/oauth/v1/token", "must begin with https://"),
        ("https://api.hubapi.com@evil.example/token", "must not hold credentials"),
        ("https://api.hubapi.com/token?to=evil", "neither query nor fragment"),
        ("api.hubapi.com/token", "must be a whole URL"),
    ],
)
def test_secrets_go_nowhere_else(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        read(token_url=url)
    assert "hush" not in str(caught.value)
    assert "seed" not in str(caught.value)


def test_plain_http_on_this_machine_under_dev_only() -> None:
    extra = {**EXTRA, "token_url": "http://127.0.0.1:8999/oauth/v1/token"}
    dev = {"CRM_WAREHOUSE_ENV": "dev"}

    assert oauth_settings(Connection("c", extra=extra), dev) is not None


def test_a_password_beside_it_is_not_used() -> None:
    """Whoever changed from a private app to OAuth may have left its token."""
    opened: list[str] = []

    def open_store() -> Any:
        opened.append("store")

    for extra, expected in (({}, []), (EXTRA, ["store"])):
        connection = Connection("hubspot_default", password="pat", extra=extra)
        client_factory(HUBSPOT, connection, open_store)
        assert opened == expected


def test_texts_show_nothing() -> None:
    assert "hush" not in repr(read())
    assert "seed" not in repr(read())
