"""What a source tells of its quotas in the header fields of its answers.

Understood are HubSpot's fields and the two usual forms, ``X-RateLimit-…`` and IETF's
``RateLimit-…``. Fields that tell when a window ends are not needed: the gate counts
windows itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_DAY = 86_400.0
#: No source allows so many; a number above it is not about requests.
_MOST = 1_000_000_000
#: First number of a field, and the window of IETF's policy, e.g. ``100, 100;w=60``.
_NUMBER = re.compile(r"\s*(\d{1,10})(?!\d|\.\d)")
_WINDOW = re.compile(r";\s*w=(\d{1,10})(?!\d)")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a source says is left of one of its quotas.

    Attributes:
        limit: Requests allowed in a window, or None when it is not told.
        remaining: Requests left of it.
        per_seconds: Length of the window in seconds, or None when it is not told.
    """

    limit: int | None
    remaining: int
    per_seconds: float | None

    def is_used_up_day(self) -> bool:
        """Whether nothing is left of a quota of a day."""
        return self.per_seconds == _DAY and self.remaining == 0


def read_allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """Every allowance that an answer tells; nothing of what makes no sense.

    Args:
        headers: Header fields of the answer, in any case.
    """
    fields = {name.lower(): text for name, text in headers.items()}
    return tuple(_hubspot(fields)) + tuple(_usual(fields))


def _hubspot(fields: Mapping[str, str]) -> Iterator[Allowance]:
    prefix = "x-hubspot-ratelimit"
    interval = _number(fields.get(f"{prefix}-interval-milliseconds"))
    if interval:
        limit, remaining = (
            fields.get(f"{prefix}-max"),
            fields.get(f"{prefix}-remaining"),
        )
        yield from _allowance(limit, remaining, interval / 1000)
    limit = fields.get(f"{prefix}-daily")
    yield from _allowance(limit, fields.get(f"{prefix}-daily-remaining"), _DAY)


def _usual(fields: Mapping[str, str]) -> Iterator[Allowance]:
    for prefix in ("x-ratelimit", "ratelimit"):
        limit = fields.get(f"{prefix}-limit")
        policy = fields.get(f"{prefix}-policy", limit)
        window = _WINDOW.search(policy or "")
        per_seconds = float(window[1]) if window else None
        yield from _allowance(limit, fields.get(f"{prefix}-remaining"), per_seconds)


def _allowance(
    limit: str | None, remaining: str | None, per_seconds: float | None
) -> Iterator[Allowance]:
    allowed, left = _number(limit), _number(remaining)
    if left is None or (limit is not None and not allowed) or per_seconds == 0:
        return
    if allowed is None or left <= allowed:
        yield Allowance(allowed, left, per_seconds)


def _number(text: str | None) -> int | None:
    match = _NUMBER.match(text or "")
    number = int(match[1]) if match else None
    return number if number is None or number <= _MOST else None
