"""OAuth: access tokens that expire, and the refresh tokens that renew them.

Where the newest tokens are kept is the engine's affair (:class:`TokenStore`): all
processes of a connection share them, since a source that rotates its refresh tokens
makes each one good for one refresh only.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from crm_warehouse.clients.auth import is_sendable
from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.statuses import raise_for_status
from crm_warehouse.clients.transport import Transport
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.errors import AuthenticationError, TransientSourceError

#: Lifetime of a token whose source does not tell it: HubSpot's, by its documentation.
_USUAL_SECONDS = 1_800.0
#: A token is renewed this long before it ends, or a tenth of its lifetime before.
_MOST_EARLY_SECONDS = 60.0
#: Times in a row that a request may meet a token which ended while it was under way.
_MOST_EXPIRIES = 5
#: Words by which a source names its refusal, e.g. ``BAD_REFRESH_TOKEN``.
_WORD = re.compile(r"[A-Za-z_]{1,40}")
#: Of a refusal that is about the app, not about the refresh token.
_OF_THE_APP = ("client", "CLIENT")


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """What a source gives for a refresh token; never shown.

    Attributes:
        access_token: Proves who we are, for a while.
        refresh_token: For the next refresh; None: the one that was used stays good.
        seconds: Lifetime of the access token.
    """

    access_token: str
    refresh_token: str | None
    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """The access token that all processes use now; never shown.

    Attributes:
        text: To be sent.
        generation: Which refresh gave it.
        seconds_left: Until when it is good, from now.
    """

    text: str
    generation: int
    seconds_left: float


class TokenStore(Protocol):
    """Keeps the tokens of connections for all processes."""

    def newest(
        self,
        settings: OAuthSettings,
        used: int,
        refresh: Callable[[str], Grant],
    ) -> AccessToken:
        """The newest access token; refreshed when nobody else has done so meanwhile.

        Args:
            settings: Of the connection; its refresh token is where the first one
                comes from, and wins when a person has put in another one.
            used: Generation of the token that is no longer good; 0: none was used.
            refresh: Asks the source, given a refresh token.

        Raises:
            CrmWarehouseError: What ``refresh`` raises; then nothing is changed.
        """


class OAuthTokens:
    """The access token of one connection, good when it is sent; for many threads.

    Args:
        settings: Of the connection.
        store: Where all processes find the newest tokens.
        transport: Asks ``settings.token_url``, and nothing else.
    """

    def __init__(
        self, settings: OAuthSettings, store: TokenStore, transport: Transport
    ) -> None:
        self._settings = settings
        self._store = store
        self._transport = transport
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._ends_at = self._renew_at = 0.0
        self._is_refused = False
        self._refusal: str | None = None

    def ready(self) -> None:
        """Renew the token whose time has come; see :class:`TokenSource`."""
        # While one thread renews it, the others go on with a token that is still good:
        # requests that were granted and wait come in a crowd, above the quota.
        if not self._lock.acquire(blocking=not self._is_good()):
            return
        try:
            if self._token is None or time.monotonic() >= self._renew_at:
                self._renew()
        finally:
            self._lock.release()

    def current(self) -> str:
        """The token to send now.

        Raises:
            AuthenticationError: A person must authorise the app again, or correct it.
            TransientSourceError: The source does not answer as it should just now.
        """
        # One that will end soon is left alone: who asks has been granted a request.
        if not self._is_good():
            self.ready()
        assert self._token is not None  # noqa: S101  ready sets it, or raises
        return self._token.text

    def _is_good(self) -> bool:
        is_usable = self._token is not None and not self._is_refused
        return is_usable and time.monotonic() < self._ends_at

    def renew(self, refused: str, refusals: int) -> bool:
        """Hear that the source refused a token (401); the next one is another.

        Args:
            refused: The token.
            refusals: How often in a row the request was refused, this time included.

        Returns:
            Whether the request should be repeated: once, or while tokens end sooner
            than requests take.
        """
        with self._lock:
            most = _MOST_EXPIRIES
            if self._token is not None and self._token.text == refused:
                if time.monotonic() < self._ends_at:
                    most = 1
                self._renew_at, self._is_refused = 0.0, True
            return refusals <= most

    def _renew(self) -> None:
        if self._refusal is not None:
            raise AuthenticationError(self._refusal)
        begun = time.monotonic()
        try:
            token = self._store.newest(
                self._settings,
                self._token.generation if self._token else 0,
                self._refresh,
            )
        except AuthenticationError as error:
            # What a person must mend is not asked again by each thread.
            self._refusal = str(error)
            raise
        self._token, self._is_refused = token, False
        self._ends_at = begun + token.seconds_left
        self._renew_at = self._ends_at - min(
            _MOST_EARLY_SECONDS, token.seconds_left / 10
        )

    def _refresh(self, refresh_token: str) -> Grant:
        """Ask the source, once.

        Its answers are documented at
        https://developers.hubspot.com/docs/api-reference/auth-oauth-v1/guide.
        """
        settings = self._settings
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "refresh_token": refresh_token,
        }
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = self._transport.post(
            settings.token_url, urlencode(form).encode(), headers
        )
        if response.status in (400, 401, 403):
            raise AuthenticationError(_refusal(settings, response.body))
        raise_for_status("token_url", response, datetime.now(UTC))
        content_type = response.headers.get("Content-Type", "")
        return _read_grant(decode_json(response.body, content_type))

    def close(self) -> None:
        """Close the connections that were kept open."""
        self._transport.close()


def _refusal(settings: OAuthSettings, body: bytes) -> str:
    """What to do about a refresh that the source refuses for good."""
    word = _word_of(body)
    told = f" ({word})" if word else ""
    if any(part in word for part in _OF_THE_APP):
        return (
            f"connection {settings.connection_id}: the source does not know the app"
            f"{told}: correct client_id and client_secret in the connection's extra"
        )
    return (
        f"connection {settings.connection_id}: the source refuses the refresh token"
        f"{told}: authorise the app again, and put the new refresh_token into the "
        f"connection's extra"
    )


def _word_of(body: bytes) -> str:
    """The word by which the source names its refusal, or empty."""
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    for key in ("error", "status", "category"):
        word = told.get(key)
        # HubSpot's "status" may also say no more than "error".
        if isinstance(word, str) and _WORD.fullmatch(word) and word != "error":
            return word
    return ""


def _read_grant(told: Any) -> Grant:
    """The tokens in an answer.

    Raises:
        TransientSourceError: It holds none that could be sent.
    """
    answer: Mapping[str, Any] = told if isinstance(told, dict) else {}
    access = answer.get("access_token")
    refresh = answer.get("refresh_token") or None
    seconds = answer.get("expires_in", _USUAL_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = _USUAL_SECONDS
    if not isinstance(access, str) or not is_sendable(access) or seconds <= 0:
        raise TransientSourceError("token_url: the answer holds no access token")
    if refresh is not None and not isinstance(refresh, str):
        raise TransientSourceError("token_url: the answer's refresh token is no text")
    return Grant(access, refresh, float(seconds))
