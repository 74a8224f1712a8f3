"""What a gate remembers, so that it asks the warehouse only about news of a quota."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.spec import Quota


@dataclass(frozen=True, slots=True)
class Lesson:
    """News of one quota.

    Attributes:
        name: Name of the quota.
        told: Its limit as the source tells it, or None.
        remaining: Requests that the source says are left.
    """

    name: str
    told: int | None
    remaining: int


@dataclass(slots=True)
class _Belief:
    """How a quota stood at the latest request, and what was learned of it."""

    quota: Quota
    told: int | None
    unused: int
    others_used: int = 0
    learned_at: float = float("-inf")


class Lessons:
    """Sorts news from what is known.

    Args:
        quotas: Limits of the account; those of one kind are told by no header.
        told: Name -> lower limit that the source told before, or None.
    """

    def __init__(self, quotas: Sequence[Quota], told: dict[str, int | None]) -> None:
        self._beliefs = {
            quota.name: _Belief(quota, told.get(quota.name), quota.requests)
            for quota in quotas
            if not quota.kind
        }

    def note(self, name: str, unused: int, others_used: int) -> None:
        """Remember how a quota stands after a request was counted.

        Args:
            name: Name of the quota; perhaps one that a later release has declared.
            unused: Requests left, as the warehouse counts.
            others_used: Requests of other programs among those used.
        """
        belief = self._beliefs.get(name)
        if belief is not None:
            belief.unused, belief.others_used = unused, others_used

    def news(self, allowances: Sequence[Allowance]) -> Iterator[Lesson]:
        """What of an answer the warehouse should know."""
        for allowance in allowances:
            belief = self._match(allowance)
            if belief is not None and _is_news(belief, allowance):
                belief.told = _lower_limit(belief.quota, allowance.limit)
                belief.learned_at = time.monotonic()
                yield Lesson(belief.quota.name, allowance.limit, allowance.remaining)

    def _match(self, allowance: Allowance) -> _Belief | None:
        """The quota that an allowance is about.

        Where the source does not tell its window, only an equal limit shows which one
        it means: 120 may be a minute's, of an hour's 1,000 that we know of.
        """
        beliefs = list(self._beliefs.values())
        window, limit = allowance.per_seconds, allowance.limit
        if window is not None:
            alike = [b for b in beliefs if abs(b.quota.per_seconds / window - 1) < 0.01]
        else:
            alike = [b for b in beliefs if limit == b.quota.requests]
        return alike[0] if len(alike) == 1 else None


def _is_news(belief: _Belief, allowance: Allowance) -> bool:
    quota = belief.quota
    if (
        allowance.limit is not None
        and _lower_limit(quota, allowance.limit) != belief.told
    ):
        return True
    # Answers overtake each other, so small differences come and go: they are looked
    # at when they begin to matter, and once in a sixtieth of the window.
    if time.monotonic() - belief.learned_at < quota.per_seconds / 60:
        return False
    is_scarce = allowance.remaining < min(belief.unused, quota.requests / 2)
    return is_scarce or belief.others_used > 0


def _lower_limit(quota: Quota, told: int | None) -> int | None:
    return told if told is not None and told < quota.requests else None
