"""Going back to a former authorisation, and waiting for the tokens' warehouse."""

import socket

import psycopg
import pytest
from engine_load import Connection, rows

from crm_warehouse.clients.oauth import Grant
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.engine import oauth_tokens
from crm_warehouse.engine.oauth_tokens import StoredTokens
from crm_warehouse.errors import TransientSourceError
from tests.unit.engine.test_oauth_tokens import ENVIRON

LATER = "UPDATE ops.oauth_tokens SET seeded_at = seeded_at - interval '24 hours'"


class App:
    """An app at a source that rotates; it knows nobody else's refresh tokens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []

    def __call__(self, refresh_token: str) -> Grant:
        self.asked.append(refresh_token)
        number = len(self.asked)
        return Grant(f"{self.name}-{number}", f"{self.name}-refresh-{number}", 1_800)

    def put_in(self, refresh_token: str) -> OAuthSettings:
        url = "https://api.example.com/oauth/v1/token"
        return OAuthSettings("crm_default", self.name, "s", refresh_token, url)


@pytest.fixture
def store(shared_warehouse: str, shared_conn: Connection) -> StoredTokens:
    shared_conn.execute("DELETE FROM ops.oauth_tokens")
    return StoredTokens(shared_warehouse, ENVIRON)


def test_back_to_another_app_uses_that_apps_tokens(store: StoredTokens) -> None:
    a, b = App("a"), App("b")
    for app in (a, b):
        store.newest(app.put_in(f"{app.name}-seed"), 0, app)

    token = store.newest(a.put_in("a-seed"), 0, a)
    store.newest(a.put_in("a-seed"), 99, a)

    assert (token.text, token.generation) == ("a-1", 1)
    assert a.asked == ["a-seed", "a-refresh-1"]
    assert b.asked == ["b-seed"]
    assert store.newest(b.put_in("b-seed"), 0, b).text == "b-1"


def test_a_former_one_is_an_older_process_for_a_day_and_then_a_new_one(
    store: StoredTokens, shared_conn: Connection
) -> None:
    app = App("a")
    for seed in ("seed-1", "seed-2"):
        store.newest(app.put_in(seed), 0, app)

    assert store.newest(app.put_in("seed-1"), 1, app).text == "a-2"
    shared_conn.execute(LATER)
    token = store.newest(app.put_in("seed-1"), 0, app)

    assert token.text == "a-3"
    assert app.asked == ["seed-1", "seed-2", "seed-1"]
    # Now it is the other one that an older process may hold.
    assert store.newest(app.put_in("seed-2"), 0, app).text == "a-3"
    assert store.newest(app.put_in("seed-1"), 3, app).text == "a-4"
    assert app.asked[3:] == ["a-refresh-3"]


def test_what_was_replaced_long_ago_is_forgotten(
    store: StoredTokens, shared_conn: Connection
) -> None:
    app = App("a")
    for seed in ("seed-1", "seed-2"):
        store.newest(app.put_in(seed), 0, app)
    shared_conn.execute(LATER)

    store.newest(app.put_in("seed-3"), 0, app)

    ((former,),) = rows(shared_conn, "SELECT former_seeds FROM ops.oauth_tokens")
    assert len(former) == 1


def test_who_waits_for_long_hears_of_a_fault_that_passes(
    store: StoredTokens,
    shared_conn: Connection,
    shared_warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App("a")
    store.newest(app.put_in("seed"), 0, app)
    impatient = "-c lock_timeout=50ms"
    monkeypatch.setattr(oauth_tokens, "_SESSION_OPTIONS", impatient)

    with psycopg.connect(shared_warehouse) as other:
        other.execute("SELECT FROM ops.oauth_tokens FOR UPDATE")
        with pytest.raises(TransientSourceError, match="LockNotAvailable"):
            store.newest(app.put_in("seed"), 1, app)

    assert app.asked == ["seed"]
    assert store.newest(app.put_in("seed"), 1, app).text == "a-2"


def test_a_warehouse_that_does_not_answer_is_a_fault_that_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oauth_tokens, "_CONNECT_SECONDS", 2)
    app = App("a")
    # It accepts connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        store = StoredTokens(f"host=127.0.0.1 port={port} dbname=w user=u", ENVIRON)
        with pytest.raises(TransientSourceError, match="does not answer"):
            store.newest(app.put_in("seed"), 0, app)

    assert app.asked == []
