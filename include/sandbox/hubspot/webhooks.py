"""Webhooks as HubSpot sends them: signed arrays of events, again until taken."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.events import Event, events_of
from include.sandbox.hubspot.render import render
from include.sandbox.hubspot.table import Move

_MOST_EVENTS = 100
_IN_FLIGHT = 5
#: HubSpot waits this long for an answer.
_ANSWER_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
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


class Webhooks:
    """Posts what happens to records, in the background.

    Args:
        clock: Of the system.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._subscription: Subscription | None = None
        self._batches: asyncio.Queue[list[Event]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._fresh: list[Event] = []
        self._event_ids = itertools.count(1)
        self._queued = self._delivered = self._failed_attempts = 0
        self._last_status: int | None = None

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
        self.end()
        self._subscription = subscription
        self._task = asyncio.create_task(self._run(subscription))

    def end(self) -> None:
        """Post nothing any more; what is queued is forgotten."""
        self._subscription = None
        if self._task is not None:
            self._task.cancel()
        self._task = None
        self._batches = asyncio.Queue()
        self._fresh = []
        self._queued = 0

    def state(self) -> dict[str, Any]:
        """JSON object: events queued and delivered, attempts that failed."""
        return {
            "subscribed": self._subscription is not None,
            "queued": self._queued,
            "delivered": self._delivered,
            "failed_attempts": self._failed_attempts,
            "last_status": self._last_status,
        }

    def note(self, move: Move) -> None:
        """Queue the events of a move, with those of the same admin call."""
        if self._subscription is None:
            return
        if not self._fresh:
            asyncio.get_running_loop().call_soon(self._flush)
        now = int(self._clock.now().timestamp() * 1_000)
        events = [
            {"eventId": next(self._event_ids), "occurredAt": now, **about}
            for about in events_of(move)
        ]
        self._fresh += events
        self._queued += len(events)

    def _flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        for begin in range(0, len(fresh), _MOST_EVENTS):
            self._batches.put_nowait(fresh[begin : begin + _MOST_EVENTS])

    async def _run(self, subscription: Subscription) -> None:
        batches = self._batches
        async with httpx.AsyncClient(
            trust_env=False, timeout=_ANSWER_SECONDS
        ) as client:
            await asyncio.gather(
                *(self._work(subscription, client, batches) for _ in range(_IN_FLIGHT))
            )

    async def _work(
        self,
        subscription: Subscription,
        client: httpx.AsyncClient,
        batches: "asyncio.Queue[list[Event]]",
    ) -> None:
        while True:
            batch = await batches.get()
            pause, attempt = _FIRST_PAUSE_SECONDS, 0
            while not await self._post(subscription, client, batch, attempt):
                self._failed_attempts += 1
                await asyncio.sleep(pause)
                pause, attempt = min(2 * pause, _LONGEST_PAUSE_SECONDS), attempt + 1
            self._queued -= len(batch)
            self._delivered += len(batch)

    async def _post(
        self,
        subscription: Subscription,
        client: httpx.AsyncClient,
        batch: list[Event],
        attempt: int,
    ) -> bool:
        body = render([{**event, "attemptNumber": attempt} for event in batch])
        headers = {"Content-Type": "application/json", **_signed(subscription, body)}
        try:
            answer = await client.post(
                subscription.target, content=body, headers=headers
            )
        except httpx.HTTPError:
            self._last_status = None
            return False
        self._last_status = answer.status_code
        return answer.is_success


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
