"""What a source's webhook delivery says, as one shape for all sources."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from crm_warehouse.errors import Action, SourceError

#: Deepest payload, and deepest record, that is taken out of a delivery. To write it as
#: JSON, or to lay it over another one, recurses, and what fails there would stop all
#: the others.
MOST_LEVELS = 100
#: Events of one delivery. HubSpot sends a hundred, ActiveProspect one; two megabytes
#: can announce a million, which would take gigabytes of memory.
MOST_EVENTS = 10_000


class MalformedDeliveryError(SourceError):
    """The body of a delivery is not what this source ever sends."""

    action = Action.REJECT


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One thing that a source announces about one record.

    Attributes:
        event_type: The source's word for it; empty when it has none.
        entity_type: Our entity that it is about; None when it is about none of ours.
        object_id: Id of the record, or None.
        event_id: The source's id of the event, which need not be unique.
        occurred_at: Aware UTC instant at which it happened, or None.
        payload: The event as it came; None when it cannot be read.
        dedupe_key: SHA-256 (hex), equal for repeated deliveries of the same event;
            None: each delivery is one of its own.
        problem: Why it can never be applied, or None.
        merged_into: Id of the record that took this one's place, or None.
        record: The record that it carries, as the source's API would send it; where
            there is a problem, what was delivered, or its bytes. None: it carries none.
    """

    event_type: str
    entity_type: str | None
    object_id: str | None
    event_id: str | None
    occurred_at: datetime | None
    payload: dict[str, Any] | None
    dedupe_key: str | None
    problem: str | None
    merged_into: str | None = None
    record: Any = None


@dataclass(frozen=True, slots=True)
class WebhookParser:
    """How the deliveries of a source are read; no I/O.

    Attributes:
        read: Events of one delivery, called as the parser itself.
        carries: Entities of which its events carry the records. None: an event only
            says which record is to be read again.
        drafts: What is delivered without a time is older than whatever the API has
            told with one.
    """

    read: Callable[..., list[WebhookEvent]]
    carries: frozenset[str] = frozenset()
    drafts: bool = False

    def __call__(
        self,
        body: bytes,
        *,
        content_type: str = "application/json",
        portal_id: str | None = None,
        app_id: str | None = None,
    ) -> list[WebhookEvent]:
        """Events of one delivery.

        Args:
            body: The body as received, decompressed.
            content_type: As sent.
            portal_id: Account whose events are ours; None takes any.
            app_id: App whose events are ours; None takes any.

        Raises:
            MalformedDeliveryError: The body holds no events at all.
        """
        return self.read(
            body, content_type=content_type, portal_id=portal_id, app_id=app_id
        )


def is_deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested in more levels than these."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(is_deeper(each, levels - 1) for each in value)


def all_of(events: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """The events of one delivery, made one after the other.

    Raises:
        MalformedDeliveryError: They are more than a source ever sends.
    """
    found = list(islice(events, MOST_EVENTS + 1))
    if len(found) > MOST_EVENTS:
        raise MalformedDeliveryError(
            f"the delivery holds more than {MOST_EVENTS} events"
        )
    return found
