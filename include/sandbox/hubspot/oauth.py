"""HubSpot's OAuth: access tokens that expire, refresh tokens that may change with use.

As of https://developers.hubspot.com/docs/api-reference/auth-oauth-v1/guide; the version
in the path is the caller's choice.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.problems import problem
from include.sandbox.messages import Answer, Request, json_answer

#: Setting -> its type.
_SETTINGS: dict[str, type | tuple[type, ...]] = {
    "expires_in": (int, float),
    "grace_seconds": (int, float),
    "rotates": bool,
}


@dataclass(slots=True)
class OAuth:
    """An app that the account has authorised.

    Attributes:
        expires_in: Lifetime of access tokens given from now on, in seconds.
        rotates: Whether a refresh ends the refresh token that it used, for another.
        grace_seconds: How long a refresh token that was used still works.
        refreshes: Tokens given.
        refused: Refreshes refused.
    """

    expires_in: float = 1_800
    rotates: bool = True
    grace_seconds: float = 0.0
    refreshes: int = 0
    refused: int = 0
    _client: tuple[str, str] = ("sandbox-client", "sandbox-client-secret")
    _ends: dict[str, float] = field(default_factory=dict)
    _refresh_ends: dict[str, float] = field(default_factory=dict)

    def configure(self, call: dict[str, Any]) -> None:
        """Change settings.

        Raises:
            BadRequestError: There is no such setting or value.
        """
        for name, value in call.items():
            if name not in _SETTINGS or not isinstance(value, _SETTINGS[name]):
                raise BadRequestError(f"oauth: no such setting or value: {name!r}")
            setattr(self, name, value)

    def authorise(self) -> dict[str, Any]:
        """What a person gets who authorises the app; former tokens end."""
        self._ends.clear()
        self._refresh_ends.clear()
        refresh_token = self._new_refresh_token()
        client_id, client_secret = self._client
        return {
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }

    def revoke(self) -> None:
        """Take the authorisation back: nothing that was given works any more."""
        self._ends.clear()
        self._refresh_ends.clear()

    def state(self) -> dict[str, Any]:
        """Counts and settings, for admin calls."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {**settings, "refreshes": self.refreshes, "refused": self.refused}

    def is_good(self, token: str) -> bool:
        """Whether an access token works now."""
        return time.monotonic() < self._ends.get(token, float("-inf"))

    def has_ended(self, token: str) -> bool:
        """Whether it once worked, and expired."""
        return token in self._ends and not self.is_good(token)

    def answer(self, request: Request) -> Answer:
        """Answer a request to the token endpoint."""
        form = {k: v[-1] for k, v in parse_qs(request.body.decode("latin-1")).items()}
        refusal = self._refusal(request, form)
        if refusal is not None:
            self.refused += 1
            return refusal
        self.refreshes += 1
        refresh_token = form["refresh_token"]
        if self.rotates:
            self._refresh_ends[refresh_token] = time.monotonic() + self.grace_seconds
            refresh_token = self._new_refresh_token()
        access_token = f"access-{secrets.token_hex(16)}"
        self._ends[access_token] = time.monotonic() + self.expires_in
        return json_answer(
            200,
            {
                "token_type": "bearer",
                "refresh_token": refresh_token,
                "access_token": access_token,
                "expires_in": self.expires_in,
            },
        )

    def _refusal(self, request: Request, form: dict[str, str]) -> Answer | None:
        if request.method != "POST":
            return problem(405, "only POST is allowed")
        if form.get("grant_type") != "refresh_token":
            return _bad("BAD_GRANT_TYPE", "missing or unknown grant type")
        if form.get("client_id") != self._client[0]:
            return _bad("BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("client_secret") != self._client[1]:
            return _bad("BAD_CLIENT_SECRET", "missing or invalid client secret")
        token = form.get("refresh_token", "")
        if time.monotonic() >= self._refresh_ends.get(token, float("-inf")):
            return _bad("BAD_REFRESH_TOKEN", "missing or unknown refresh token")
        return None

    def _new_refresh_token(self) -> str:
        token = f"refresh-{secrets.token_hex(16)}"
        self._refresh_ends[token] = float("inf")
        return token


def _bad(word: str, message: str) -> Answer:
    return json_answer(400, {"status": word, "message": message})
