"""Which deliveries or events of the inbox somebody means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from psycopg.sql import Composable

Kind = Literal["deliveries", "events"]

_STATES_OF: dict[Kind, tuple[str, ...]] = {
    "deliveries": ("pending", "exploded", "failed", "discarded"),
    "events": ("pending", "merged", "ignored", "failed", "discarded"),
}
#: All words that are a state of one or the other.
STATES = tuple(dict.fromkeys(word for each in _STATES_OF.values() for word in each))

# Only what is asked for stands in a statement, so that the planner sees a simple one.
_ARRIVAL = {
    "since": "d.received_at >= %(since)s",
    "until": "d.received_at < %(until)s",
    "request_id": "d.request_id = %(request_id)s",
}
_CONDITIONS: dict[Kind, dict[str, str]] = {
    "deliveries": {
        "source_system": "d.source_system = %(source_system)s",
        "state": "d.state = %(state)s",
        "id": "d.id = %(id)s",
        "why": "strpos(lower(d.error_message), lower(%(why)s)) > 0",
        **_ARRIVAL,
    },
    "events": {
        "source_system": "e.source_system = %(source_system)s",
        "state": "e.state = %(state)s",
        "id": "e.id = %(id)s",
        "why": "strpos(lower(e.reason), lower(%(why)s)) > 0",
        "entity_type": "e.entity_type = %(entity_type)s",
        "object_id": "e.object_id = %(object_id)s",
        "event_type": "e.event_type = %(event_type)s",
        "delivery_id": "e.delivery_id = %(delivery_id)s",
        **_ARRIVAL,
    },
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Deliveries or events that filters let pass.

    Attributes:
        kind: Which of the two.
        filters: Value by name; those of ``known_filters`` count, None is no filter.
    """

    kind: Kind
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """The filters that are there."""
        return {name: x for name, x in self.filters.items() if x is not None}

    @property
    def condition(self) -> "Composable":
        """The condition on ``d``, the delivery, and ``e``, the event."""
        from psycopg import sql  # --help does without

        known = _CONDITIONS[self.kind]
        parts = [sql.SQL(known[name]) for name in self.given]
        return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def known_filters(kind: Kind) -> frozenset[str]:
    """Names of the filters of deliveries, or of events."""
    return frozenset(_CONDITIONS[kind])


def states_of(kind: Kind) -> tuple[str, ...]:
    """States of deliveries, or of events."""
    return _STATES_OF[kind]
