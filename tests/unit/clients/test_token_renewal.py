"""While one thread renews a token, the others go on with the one that is still good."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from crm_warehouse.clients.oauth import AccessToken, Grant, OAuthTokens
from crm_warehouse.clients.transport import Response
from crm_warehouse.connections.oauth import OAuthSettings

SETTINGS = OAuthSettings(
    connection_id="hubspot_default",
    client_id="an-app",
    client_secret="its-secret",
    refresh_token="a-refresh-token",
    token_url="http://127.0.0.1:9/oauth/v1/token",
)
PATIENCE_SECONDS = 60.0


class Store:
    """Gives tokens of a hundred seconds, from the second on only when it may."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_give = threading.Event()
        self._generation = 0

    def newest(
        self, settings: OAuthSettings, used: int, refresh: Callable[[str], Grant]
    ) -> AccessToken:
        """The next token."""
        self._generation += 1
        if self._generation > 1:
            self.asked.set()
            assert self.may_give.wait(PATIENCE_SECONDS)
        return AccessToken(f"token-{self._generation}", self._generation, 100.0)


class NoTransport:
    """Nobody is asked: the store gives without a refresh."""

    def get(self, *_: object) -> Response:
        raise AssertionError

    post = get

    def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, to be set."""
    now = [1_000.0]
    stopped = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("crm_warehouse.clients.oauth.time", stopped)
    return now


def test_who_does_not_renew_does_not_wait(clock: list[float]) -> None:
    store = Store()
    tokens = OAuthTokens(SETTINGS, store, NoTransport())
    assert tokens.current() == "token-1"

    clock[0] += 95.0  # due, but good for another five seconds
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(tokens.ready)
        assert store.asked.wait(PATIENCE_SECONDS)
        tokens.ready()
        assert tokens.current() == "token-1"
        store.may_give.set()
        renewing.result(PATIENCE_SECONDS)
    assert tokens.current() == "token-2"


def test_who_was_granted_a_request_sends_what_is_still_good(clock: list[float]) -> None:
    store = Store()
    tokens = OAuthTokens(SETTINGS, store, NoTransport())
    tokens.ready()

    clock[0] += 95.0  # became due while it waited for the grant

    assert tokens.current() == "token-1"
    assert not store.asked.is_set()


@pytest.mark.parametrize("is_refused", [False, True])
def test_who_has_no_good_token_waits_for_the_next(
    clock: list[float], *, is_refused: bool
) -> None:
    store = Store()
    tokens = OAuthTokens(SETTINGS, store, NoTransport())
    first = tokens.current()
    if is_refused:
        assert tokens.renew(first, 1)
    else:
        clock[0] += 100.0

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(tokens.current) for _ in range(2)]
        assert store.asked.wait(PATIENCE_SECONDS)
        store.may_give.set()
        told = [each.result(PATIENCE_SECONDS) for each in asking]
    assert told == ["token-2", "token-2"]
