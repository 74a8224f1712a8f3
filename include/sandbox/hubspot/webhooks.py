"""Webhooks as HubSpot sends them: signed arrays of events, again until taken."""

import base64
import hashlib
import hmac
import itertools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.events import Event, events_of
from include.sandbox.hubspot.render import render
from include.sandbox.hubspot.table import Move
from include.sandbox.outbox import Outbox, Post

_MOST_EVENTS = 100
#: The escapes that HubSpot undoes before it signs; it leaves others as they are.
_UNDONE = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where events go.

    Attributes:
        target: URL that is posted to.
        secret: The app's, which signs.
        public_url: URL that is signed, when the receiver has another name outside.
    """

    target: str
    secret: str
    public_url: str | None = None


class Webhooks(Outbox[Event]):
    """Posts what happens to records.

    Args:
        clock: Of the system.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._event_ids = itertools.count(1)

    def subscribe(self, call: dict[str, Any]) -> None:
        """Begin to post to the target that an admin call names.

        Raises:
            BadRequestError: It names none, or what there is not.
        """
        if not all(isinstance(value, str) for value in call.values()):
            raise BadRequestError("target, secret and public_url are texts")
        try:
            subscription = Subscription(**call)
        except TypeError:
            raise BadRequestError(
                "webhooks takes target, secret and, if it differs, public_url"
            ) from None
        if not subscription.target.startswith(("http://", "https://")):
            raise BadRequestError("target must be a URL of http or https")
        self.begin(partial(_post, subscription))

    def note(self, move: Move) -> None:
        """Queue the events of a move."""
        if not self.is_open:
            return
        now = int(self._clock.now().timestamp() * 1_000)
        self.put(
            [
                {"eventId": next(self._event_ids), "occurredAt": now, **about}
                for about in events_of(move)
            ]
        )

    def packed(self, notes: list[Event]) -> Iterable[list[Event]]:
        """A hundred events at most."""
        for begin in range(0, len(notes), _MOST_EVENTS):
            yield notes[begin : begin + _MOST_EVENTS]


def _post(subscription: Subscription, pack: list[Event], attempt: int) -> Post:
    """Signed anew for each attempt, which it counts."""
    body = render([{**event, "attemptNumber": attempt} for event in pack])
    headers = {"Content-Type": "application/json", **_signed(subscription, body)}
    return Post(subscription.target, body, headers)


def signature(secret: str, url: str, body: bytes, timestamp: str) -> str:
    """HubSpot's v3 signature of a POST.

    Args:
        secret: The app's.
        url: As the outside calls it, whole.
        body: Exact bytes.
        timestamp: Unix milliseconds, as in the header.
    """
    signed = _UNDONE.sub(lambda found: chr(int(found[0][1:], 16)), url)
    text = b"POST" + signed.encode() + body + timestamp.encode()
    digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _signed(subscription: Subscription, body: bytes) -> dict[str, str]:
    # The receiver compares with its own clock: a moved clock must not age this.
    timestamp = str(time.time_ns() // 1_000_000)
    url = subscription.public_url or subscription.target
    return {
        "X-HubSpot-Signature-v3": signature(subscription.secret, url, body, timestamp),
        "X-HubSpot-Request-Timestamp": timestamp,
    }
