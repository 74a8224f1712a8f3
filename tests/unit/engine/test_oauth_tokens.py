"""``ops.oauth_tokens``: the newest tokens win, but first what a person put in."""

import base64
from typing import Any

import pytest
from engine_load import Connection, rows

from crm_warehouse.clients.oauth import Grant
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.engine.oauth_tokens import StoredTokens
from crm_warehouse.errors import AuthenticationError, ConfigurationError

KEY = "CRM_WAREHOUSE_SEALING_KEY"
ENVIRON = {KEY: base64.b64encode(bytes(32)).decode()}


def settings(refresh_token: str = "seed-1", secret: str = "s") -> OAuthSettings:
    url = "https://api.example.com/oauth/v1/token"
    return OAuthSettings("crm_default", "app", secret, refresh_token, url)


class Source:
    """Gives numbered tokens, and remembers what it was asked with."""

    def __init__(self, *, rotates: bool = True, seconds: float = 1_800) -> None:
        self.asked: list[str] = []
        self.rotates = rotates
        self.seconds = seconds

    def __call__(self, refresh_token: str) -> Grant:
        self.asked.append(refresh_token)
        number = len(self.asked)
        following = f"refresh-{number}" if self.rotates else None
        return Grant(f"access-{number}", following, self.seconds)


@pytest.fixture
def store(shared_warehouse: str, shared_conn: Connection) -> StoredTokens:
    shared_conn.execute("DELETE FROM ops.oauth_tokens")
    return StoredTokens(shared_warehouse, ENVIRON)


def test_each_refresh_uses_the_token_of_the_one_before(store: StoredTokens) -> None:
    source = Source()

    tokens = [store.newest(settings(), used, source) for used in (0, 1, 2)]

    assert source.asked == ["seed-1", "refresh-1", "refresh-2"]
    assert [each.text for each in tokens] == ["access-1", "access-2", "access-3"]
    assert [each.generation for each in tokens] == [1, 2, 3]


def test_who_comes_late_is_given_the_newest(store: StoredTokens) -> None:
    source = Source()
    for used in (0, 1):
        store.newest(settings(), used, source)

    late = [store.newest(settings(), used, source) for used in (0, 1)]

    assert [(each.text, each.generation) for each in late] == [("access-2", 2)] * 2
    assert all(1_700 < each.seconds_left <= 1_800 for each in late)
    assert len(source.asked) == 2


def test_one_that_has_ended_is_not_given(store: StoredTokens) -> None:
    source = Source(seconds=0.001)

    tokens = [store.newest(settings(), 0, source) for _ in range(2)]

    assert [each.text for each in tokens] == ["access-1", "access-2"]


def test_a_source_that_does_not_rotate_is_asked_with_the_same(
    store: StoredTokens,
) -> None:
    source = Source(rotates=False)

    for used in (0, 1):
        store.newest(settings(), used, source)

    assert source.asked == ["seed-1", "seed-1"]


def test_what_a_person_puts_in_wins(store: StoredTokens) -> None:
    source = Source()
    store.newest(settings(), 0, source)

    token = store.newest(settings("seed-2"), 0, source)

    assert source.asked == ["seed-1", "seed-2"]
    assert token.generation == 2


def test_a_process_that_still_holds_the_former_one_does_not(
    store: StoredTokens,
) -> None:
    source = Source()
    store.newest(settings(), 0, source)
    store.newest(settings("seed-2"), 0, source)

    # It began before the person did; its token was refused.
    token = store.newest(settings(), 1, source)
    assert (token.text, len(source.asked)) == ("access-2", 2)
    store.newest(settings(), 2, source)

    assert source.asked[2:] == ["refresh-2"]
    assert store.newest(settings("seed-2"), 2, source).text == "access-3"


def test_another_secret_of_the_app_changes_nothing(store: StoredTokens) -> None:
    source = Source()
    store.newest(settings(), 0, source)

    store.newest(settings(secret="renewed"), 1, source)

    assert source.asked == ["seed-1", "refresh-1"]


def test_a_refusal_leaves_everything_as_it_was(
    store: StoredTokens, shared_conn: Connection
) -> None:
    def refuse(_: str) -> Grant:
        raise AuthenticationError("no")

    with pytest.raises(AuthenticationError):
        store.newest(settings(), 0, refuse)

    assert rows(shared_conn, "SELECT * FROM ops.oauth_tokens") == []
    store.newest(settings(), 0, source := Source())
    before = rows(shared_conn, "SELECT * FROM ops.oauth_tokens")
    with pytest.raises(AuthenticationError):
        store.newest(settings("seed-2"), 0, refuse)

    assert rows(shared_conn, "SELECT * FROM ops.oauth_tokens") == before
    assert source.asked == ["seed-1"]


def test_without_a_key_the_source_is_not_even_asked(shared_warehouse: str) -> None:
    source = Source()

    with pytest.raises(ConfigurationError, match=KEY):
        StoredTokens(shared_warehouse, {}).newest(settings(), 0, source)

    assert source.asked == []


def test_with_another_key_nothing_is_lost(
    store: StoredTokens, shared_warehouse: str
) -> None:
    source = Source()
    store.newest(settings(), 0, source)
    other = {KEY: base64.b64encode(b"k" * 32).decode()}

    with pytest.raises(ConfigurationError, match=KEY):
        StoredTokens(shared_warehouse, other).newest(settings(), 1, source)

    assert source.asked == ["seed-1"]
    assert store.newest(settings(), 1, source).text == "access-2"


def test_nothing_shows_in_texts(store: StoredTokens, shared_conn: Connection) -> None:
    token = store.newest(settings("seed-secret"), 0, Source())
    grant: Any = Grant("access-1", "refresh-1", 1.0)
    stored = rows(shared_conn, "SELECT t::text FROM ops.oauth_tokens AS t")

    shown = f"{token!r}{grant!r}{settings('seed-secret')!r}{store!r}{stored}"

    assert not [x for x in ("access-1", "refresh-1", "seed-secret") if x in shown]


def test_nobody_but_the_loading_role_may_read_them(shared_conn: Connection) -> None:
    statement = """
        SELECT g.grantee FROM information_schema.role_table_grants AS g
        WHERE g.table_schema = 'ops' AND g.table_name = 'oauth_tokens'
            AND g.grantee <> current_user
    """

    assert rows(shared_conn, statement) == []
