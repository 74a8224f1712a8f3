"""Deliveries: a POST for each lead that comes or changes, again until it is taken."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import partial
from random import Random
from typing import Any

from include.sandbox.activeprospect.deliveries import FORMS, Sent, deliver, spoil
from include.sandbox.errors import BadRequestError
from include.sandbox.outbox import Outbox, Post
from include.sandbox.records import Record


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where deliveries go, and how well.

    Attributes:
        target: URL that is posted to.
        secret: Sent with each.
        header: Header that holds it.
        forms: Those that are taken in turn, at random.
        duplicates: Share of deliveries that come twice.
        bad: Share of deliveries before which one comes that holds no lead.
        shuffled: Whether those of one admin call come in any order.
    """

    target: str
    secret: str
    header: str = "X-API-Key"
    forms: tuple[str, ...] = FORMS
    duplicates: float = 0.0
    bad: float = 0.0
    shuffled: bool = False


class Webhooks(Outbox[Sent]):
    """Posts leads.

    Args:
        seed: Decides forms, duplicates, order.
    """

    def __init__(self, seed: str) -> None:
        super().__init__()
        self._rng = Random(f"{seed}/deliveries")
        self._subscription: Subscription | None = None

    def subscribe(self, call: dict[str, Any]) -> None:
        """Begin to post to the target that an admin call names.

        Raises:
            BadRequestError: It names none, or what there is not.
        """
        try:
            subscription = Subscription(**call)
        except TypeError:
            known = ", ".join(each.name for each in fields(Subscription))
            raise BadRequestError(f"webhooks takes {known}") from None
        if not str(subscription.target).startswith(("http://", "https://")):
            raise BadRequestError("target must be a URL of http or https")
        if not subscription.forms or not set(subscription.forms) <= set(FORMS):
            raise BadRequestError(f"forms are of {', '.join(FORMS)}")
        self._subscription = subscription
        self.begin(partial(_post, subscription))

    def note(self, record: Record) -> None:
        """Queue a lead as it is now."""
        subscription, rng = self._subscription, self._rng
        if subscription is None or not self.is_open:
            return
        sent = deliver(record.body, rng.choice(subscription.forms), rng)
        before = [spoil(sent, rng)] if rng.random() < subscription.bad else []
        after = [sent] if rng.random() < subscription.duplicates else []
        self.put([*before, sent, *after])

    def packed(self, notes: list[Sent]) -> Iterable[list[Sent]]:
        """Each lead by itself."""
        if self._subscription is not None and self._subscription.shuffled:
            self._rng.shuffle(notes)
        return ([sent] for sent in notes)


def _post(subscription: Subscription, pack: list[Sent], attempt: int) -> Post:
    """With the secret, the same each time."""
    del attempt
    [(content_type, body)] = pack
    shown = {subscription.header: subscription.secret}
    return Post(subscription.target, body, {"Content-Type": content_type, **shown})
