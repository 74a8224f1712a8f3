import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks.genius import GeniusHook
from crm_warehouse.hooks.hubspot import HubSpotHook
from crm_warehouse.hooks.registry import HOOKS, hook_of
from crm_warehouse.hooks.rest import RestHook
from crm_warehouse.hooks.warehouse import WarehouseHook
from include.dag_factory import SOURCES_DIRECTORY, load_source
from tests.proof.connection import postgres_connection
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.scripted_server import Reply, Request, ScriptedServer

GENIUS = load_source(SOURCES_DIRECTORY / "genius.yaml")
TOKEN = "canary-token-of-genius"


class Api(BaseHTTPRequestHandler):
    """Genius with 321 records of everything, for one token."""

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
        page = {"data": [{"id": 1}], "page": 1, "per_page": 1, "total": 321}
        body = json.dumps({**page, "total_pages": 321} if allowed else {}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/genius/v1"
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer().serving() as running:
        yield running


@pytest.fixture
def portal(server: ScriptedServer) -> Portal:
    account = Portal()
    server.run(account)
    return account


def set_genius(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    connection = {"conn_type": "genius", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_GENIUS_DEFAULT", json.dumps(connection))


def test_the_test_button_asks_the_api(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_genius(monkeypatch, host=api, password=TOKEN)

    assert GeniusHook().test_connection() == (
        True,
        "Genius CRM accepts the credentials and has 321 prospects",
    )


def test_the_test_button_of_hubspot_asks_its_api(
    server: ScriptedServer, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.add(1, 2)
    connection = {"conn_type": "hubspot", "host": server.base_url, "password": TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")

    assert HubSpotHook().test_connection() == (
        True,
        "HubSpot accepts the credentials",
    )
    assert portal.asked("contacts")[-1]["limit"] == "1"
    assert server.requests[-1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_test_button_refreshes_the_token_of_oauth_and_keeps_it(
    server: ScriptedServer,
    portal: Portal,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it is given must not be lost: it may be good for one refresh only."""
    granted = b'{"access_token": "a-1", "refresh_token": "r-2", "expires_in": 1800}'
    server.run(
        lambda request: (
            Reply(200, granted)
            if request.path == "/oauth/v3/token"
            else portal(request)
        )
    )
    url = server.base_url.removesuffix("/v1") + "/oauth/v3/token"
    oauth = {"client_id": "c", "client_secret": "s", "refresh_token": "r-1"}
    extra = {**oauth, "token_url": url}
    connection = {"conn_type": "hubspot", "host": server.base_url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", as_connection(warehouse))
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    monkeypatch.setenv(
        "CRM_WAREHOUSE_SEALING_KEY", base64.b64encode(bytes(32)).decode()
    )

    for _ in range(2):
        assert HubSpotHook().test_connection() == (
            True,
            "HubSpot accepts the credentials",
        )

    asked = [each for each in server.requests if each.path == "/oauth/v3/token"]
    assert [b"refresh_token=r-1" in each.body for each in asked] == [True]
    assert server.requests[-1].headers["Authorization"] == "Bearer a-1"


def as_connection(conninfo: str) -> str:
    return json.dumps(postgres_connection(conninfo))


@pytest.mark.parametrize(
    ("name", "field", "value", "page", "message"),
    [
        (
            "marketsharp",
            "X-API-Key",
            TOKEN,
            b'<Contacts total="7"><Contact><ID>1</ID></Contact></Contacts>',
            "MarketSharp accepts the credentials and has 7 contacts",
        ),
        (
            "activeprospect",
            "Authorization",
            f"Bearer {TOKEN}",
            b'{"data": [{"id": "a"}], "next_cursor": "b"}',
            "ActiveProspect accepts the credentials",
        ),
    ],
)
def test_the_test_button_of_other_sources_asks_their_api(
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    field: str,
    value: str,
    page: bytes,
    message: str,
) -> None:
    def script(request: Request) -> Reply:
        return Reply(200, page) if request.headers.get(field) == value else Reply(401)

    def set_password(password: str) -> None:
        connection = {"conn_type": name, "host": server.base_url, "password": password}
        variable = f"AIRFLOW_CONN_{name.upper()}_DEFAULT"
        monkeypatch.setenv(variable, json.dumps(connection))

    server.run(script)
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    set_password(TOKEN)
    assert HOOKS[name]().test_connection() == (True, message)
    assert len(server.requests) == 1
    set_password("wr0ng-one")
    worked, refusal = HOOKS[name]().test_connection()
    assert (worked, "status 401" in refusal) == (False, True)
    assert "wr0ng-one" not in refusal


def test_the_test_button_says_that_a_token_is_refused(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_genius(monkeypatch, host=api, password="not-the-token")

    worked, message = GeniusHook().test_connection()

    assert not worked
    assert "401" in message
    assert "not-the-token" not in message


def test_the_test_button_does_not_wait_for_a_dead_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    set_genius(monkeypatch, host="http://127.0.0.1:9/v1", password=TOKEN)

    worked, message = GeniusHook().test_connection()

    assert not worked
    assert "try again" in message


def test_the_ui_finds_the_hook_behind_the_connection_type(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection

    set_genius(monkeypatch, host=api, password=TOKEN)
    connection = Connection(conn_id="genius_default", conn_type="genius")

    assert connection.test_connection()[0] is True


@pytest.mark.parametrize(
    ("name", "secret", "extra"),
    [
        ("genius", "API token", None),
        (
            "hubspot",
            "Private-app token",
            {"webhook_secrets": ["…"], "public_url": "https://…"},
        ),
        ("marketsharp", "API key", {"profile": "odata", "secret": "…"}),
        (
            "activeprospect",
            "API token",
            {
                "profile": "leadconduit",
                "webhook_secrets": ["…"],
                "public_url": "https://…",
            },
        ),
    ],
)
def test_the_form_of_the_connection_type_is_known_without_its_hook(
    name: str, secret: str, extra: dict[str, object] | None
) -> None:
    from airflow.providers_manager import ProvidersManager

    form = ProvidersManager().field_behaviours[name]

    login = {"login": "Company id (real API)"} if name == "marketsharp" else {}
    assert form["relabeling"] == {"host": "Base URL", "password": secret, **login}
    assert ("login" in form["hidden_fields"]) is not bool(login)
    assert json.loads(form["placeholders"].get("extra", "null")) == extra
    source = load_source(SOURCES_DIRECTORY / f"{name}.yaml")
    assert source.webhooks == ("webhook_secrets" in (extra or {}))
    assert ("profile" in (extra or {})) == bool(source.profiles)


ACME = """\
source: acme
title: Acme
owner: sales-ops
client: rest
connection: acme_default
base_url: https://api.acme.example/v1
auth: {style: basic}
quotas: [{name: hourly, requests: 1000, per: 1h}]
retry: {strategy: fixed, delay: 1s, attempts: 1}
paging: {style: offset, offset_param: skip, size_param: limit, size: 50, max_size: 50}
lag: 0s
clock_skew: 1m
max_concurrent: 1
region: US
entities:
  people: {into: contacts, path: /people, records: data, id: id, map: {email: mail}}
"""


def set_rest(
    monkeypatch: pytest.MonkeyPatch, server: ScriptedServer, extra: object
) -> None:
    connection = {"conn_type": "crm_rest", "host": server.base_url, "login": TOKEN}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CRM_REST_DEFAULT", json.dumps({**connection, "extra": extra})
    )
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")


def test_the_test_button_of_a_source_without_code_asks_its_api(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(tmp_path))
    (tmp_path / "acme.yaml").write_text(ACME)
    server.run(lambda _: Reply(200, b'{"data": [{"id": 1}], "total": 1}'))
    told = (True, "Acme accepts the credentials and has 1 people")
    set_rest(monkeypatch, server, {})

    assert RestHook().test_connection() == told
    assert server.requests[-1].headers["Authorization"].startswith("Basic ")

    (tmp_path / "zeta.yaml").write_text(ACME.replace("acme", "zeta"))
    worked, message = RestHook().test_connection()
    assert (worked, "there are: acme, zeta" in message) == (False, True)

    set_rest(monkeypatch, server, {"source": "acme"})
    assert RestHook().test_connection() == told
    set_rest(monkeypatch, server, {"source": "genius"})
    assert RestHook().test_connection()[0] is False


def test_every_hook_has_a_connection_type() -> None:
    from crm_warehouse.hooks.provider_info import get_provider_info

    described = {
        (item["connection-type"], item["hook-class-name"])
        for item in get_provider_info()["connection-types"]
    }

    assert described == {
        (hook.conn_type, f"{hook.__module__}.{hook.__qualname__}")
        for hook in HOOKS.values()
    }


def test_a_missing_connection_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_GENIUS_DEFAULT"):
        hook_of(GENIUS).client_factory(GENIUS)
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_CRM_WAREHOUSE"):
        WarehouseHook().conninfo()


def test_plain_http_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    set_genius(monkeypatch, host="http://genius.example.com/v1", password=TOKEN)

    with pytest.raises(ConfigurationError, match="https"):
        GeniusHook().client_factory(GENIUS)


def test_a_source_without_a_hook_is_refused() -> None:
    from dataclasses import replace

    with pytest.raises(ConfigurationError, match="known are activeprospect, genius"):
        hook_of(replace(GENIUS, client="salesforce"))


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://loader:s%40cret@db.example.com:5433/warehouse?sslmode=require",
        '{"conn_type": "postgres", "host": "db.example.com", "port": 5433,'
        ' "login": "loader", "password": "s@cret", "schema": "warehouse",'
        ' "extra": {"sslmode": "require"}}',
    ],
    ids=["uri", "json"],
)
def test_the_warehouse_hook_speaks_libpq(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", form)

    parts = psycopg.conninfo.conninfo_to_dict(WarehouseHook().conninfo())

    assert parts == {
        "host": "db.example.com",
        "port": "5433",
        "user": "loader",
        "password": "s@cret",
        "dbname": "warehouse",
        "sslmode": "require",
    }
