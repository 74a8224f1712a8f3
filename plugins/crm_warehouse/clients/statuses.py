"""What each HTTP status means for what to do next."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from crm_warehouse.clients.http_dates import retry_after_seconds
from crm_warehouse.clients.transport import Response
from crm_warehouse.errors import (
    AuthenticationError,
    MissingScopeError,
    RequestRefusedError,
    TransientSourceError,
)

#: Besides 5xx. 477 is HubSpot's "this account is being moved".
_PASSING_STATUSES = frozenset({408, 423, 425, 429, 477})
#: The source may name the pause in these.
_THROTTLING_STATUSES = frozenset({429, 477, 503})
#: 530 is HubSpot's answer to a token that cannot be one.
_OF_CREDENTIALS = (401, 403, 530)
#: Nothing stands at the address, or nothing that may be read.
_NOT_THERE = (404, 405, 410)
#: The question is wrong.
_NOT_UNDERSTOOD = (400, 422)
#: A locked record: HubSpot asks to leave it alone for two seconds.
_LOCKED = 423
_LOCKED_SECONDS = 2.0
#: HubSpot's words for the limit of a day, either of which may be missing:
#: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines.
_DAILY_LIMIT = re.compile(rb'"policyName"\s*:\s*"DAILY"|reached your daily limit', re.I)
#: Its word for a right that the app was never given.
_NO_SCOPE = "MISSING_SCOPES"
_SCOPE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_MOST_SCOPES = 10


class ThrottledError(TransientSourceError):
    """We are too fast, or the source names the pause itself.

    Args:
        message: What the source said.
        seconds: The pause it asks for, or None.
        is_up: As of :class:`TransientSourceError`.
        daily: The requests of the account's day are used up.
    """

    def __init__(
        self,
        message: str,
        seconds: float | None,
        *,
        is_up: bool,
        daily: bool = False,
    ) -> None:
        super().__init__(message, is_up=is_up)
        self.seconds = seconds
        self.daily = daily


def raise_for_status(path: str, response: Response, now: datetime) -> None:
    """Raise what the status stands for; nothing when it is a success.

    Args:
        path: Path without query, for the message.
        response: The answer.
        now: Our time, against which a ``Retry-After`` date may be measured.

    Raises:
        AuthenticationError: 401, 403 and 530.
        MissingScopeError: 403 for want of a scope.
        RequestRefusedError: Redirects and whatever a repetition would not change.
        ThrottledError: The source wants a pause.
        TransientSourceError: Any other fault that may pass.
    """
    status = response.status
    if 200 <= status < 300:
        return
    if status in _OF_CREDENTIALS:
        raise _refused_credentials(path, response)
    if status not in _PASSING_STATUSES and not 500 <= status < 600:
        raise RequestRefusedError(
            f"{path}: the source refuses the request (status {status})"
            f"{_what_to_check(status)}",
            status,
        )
    seconds = None
    if status in _THROTTLING_STATUSES:
        seconds = retry_after_seconds(response.headers, now)
    if status == 429 and _DAILY_LIMIT.search(response.body):
        raise ThrottledError(
            "status 429, the account's requests of the day are used up",
            seconds,
            is_up=True,
            daily=True,
        )
    if status == 429 or seconds is not None:
        raise ThrottledError(
            f"status {status}, the source wants a pause", seconds, is_up=status < 500
        )
    least_seconds = _LOCKED_SECONDS if status == _LOCKED else 0.0
    raise TransientSourceError(
        f"status {status}", is_up=status < 500, least_seconds=least_seconds
    )


def _what_to_check(status: int) -> str:
    if 300 <= status < 400:
        return ": check the connection's host"
    if status in _NOT_THERE:
        return ": check the connection's host and the path in the source's file"
    if status in _NOT_UNDERSTOOD:
        return ": check the parameters in the source's file with the vendor's pages"
    return ""


def _refused_credentials(path: str, response: Response) -> AuthenticationError:
    told = _told(response.body) if response.status == 403 else {}
    if told.get("category") == _NO_SCOPE:
        names = ", ".join(dict.fromkeys(_scopes(told))) or "one that it does not name"
        return MissingScopeError(
            f"{path}: the app has no scope for this (missing: {names}): give it to the "
            f"app, authorise the app again, or switch the entity off",
            response.status,
        )
    return AuthenticationError(
        f"{path}: the source refuses our credentials (status {response.status}): check "
        f"the connection's password and what it may read",
        response.status,
    )


def _told(body: bytes) -> dict[str, Any]:
    """The JSON object of a refusal; empty when it is none."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _scopes(told: dict[str, Any]) -> Iterator[str]:
    """Names of the scopes that a refusal says are missing, as far as they are names."""
    errors = told.get("errors")
    for error in errors if isinstance(errors, list) else []:
        context = error.get("context") if isinstance(error, dict) else None
        for names in context.values() if isinstance(context, dict) else []:
            for name in names[:_MOST_SCOPES] if isinstance(names, list) else []:
                if isinstance(name, str) and _SCOPE.fullmatch(name):
                    yield name
