"""What a source's webhook delivery says, as one shape for all sources."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from crm_warehouse.errors import Action, SourceError


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
        payload: The event as it came.
        dedupe_key: SHA-256 (hex), equal for repeated deliveries of the same event.
        problem: Why it can never be applied, or None.
        merged_into: Id of the record that took this one's place, or None.
    """

    event_type: str
    entity_type: str | None
    object_id: str | None
    event_id: str | None
    occurred_at: datetime | None
    payload: dict[str, Any]
    dedupe_key: str
    problem: str | None
    merged_into: str | None = None


class WebhookParser(Protocol):
    """Reads the body of a delivery; no I/O."""

    def __call__(
        self, body: bytes, *, portal_id: str | None, app_id: str | None
    ) -> list[WebhookEvent]:
        """Events of one delivery.

        Args:
            body: The body as received, decompressed.
            portal_id: Account whose events are ours; None takes any.
            app_id: App whose events are ours; None takes any.

        Raises:
            MalformedDeliveryError: The body holds no events at all.
        """
