"""What the warehouse answers to a job that asks for quota."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of ``ops.take_request``; columns as described there."""

    wait: float
    held: str | None
    quota_name: str | None
    used: int | None
    allowed: int | None
    per_seconds: float | None
    kept: int | None
    claimed: int | None
    taken_at: datetime
    quotas: list[str] | None
    unused: list[int] | None
    others_used: list[int] | None

    @property
    def reason(self) -> str:
        """Why to wait, for people, to follow the name of the source system."""
        if self.held:
            return f"asked for a pause: {self.held}"
        parts = [
            f"quota {self.quota_name}: {self.used} of {self.allowed} requests in "
            f"{_span(self.per_seconds or 0.0)} used"
        ]
        if self.kept:
            parts.append(f"{self.kept} kept for webhooks")
        if self.claimed:
            parts.append(f"{self.claimed} left to entities that have had fewer")
        return ", ".join(parts)

    def standings(self) -> Iterator[tuple[str, int, int]]:
        """Name, requests left and requests of other programs of each general quota."""
        names, unused = self.quotas or [], self.unused or []
        return zip(names, unused, self.others_used or [], strict=True)


def _span(seconds: float) -> str:
    for unit, name in _SPANS:
        count = seconds / unit
        if count >= 1 and count == int(count):
            return f"{int(count)} {name}{'s' if count > 1 else ''}"
    return str(timedelta(seconds=seconds))
