"""A quota that is enforced, and the count that tells whether a client kept to it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Limit:
    """At most ``requests`` requests in any ``per_seconds`` seconds."""

    requests: int
    per_seconds: float
    enabled: bool = True


class SlidingWindow:
    """Instants of the last ``seconds`` seconds. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, now: float, seconds: float) -> int:
        """Instants in the window that ends now."""
        times = self._times
        while times and times[0] <= now - seconds:
            times.popleft()
        return len(times)

    def add(self, now: float) -> None:
        """Remember an instant."""
        self._times.append(now)

    def until_free(self, now: float, seconds: float) -> float:
        """Seconds until the oldest instant leaves the window."""
        return max(0.0, self._times[0] + seconds - now) if self._times else seconds

    def clear(self) -> None:
        """Forget all instants."""
        self._times.clear()


class Quota:
    """Refuses what exceeds the limit; refused requests do not use it up."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._admitted = SlidingWindow()

    def admit(self, now: float) -> float | None:
        """Count a request; returns None, or the seconds to wait when it is refused."""
        wait = self.wait(now)
        if wait is None:
            self.take(now)
        return wait

    def wait(self, now: float) -> float | None:
        """Seconds until a request is admitted; None: now."""
        limit = self.limit
        if not limit.enabled or self.remaining(now) > 0:
            return None
        return self._admitted.until_free(now, limit.per_seconds)

    def take(self, now: float) -> None:
        """Count an admitted request."""
        if self.limit.enabled:
            self._admitted.add(now)

    def remaining(self, now: float) -> int:
        """Requests that the limit still admits."""
        used = self._admitted.count(now, self.limit.per_seconds)
        return max(0, self.limit.requests - used)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        quota: Name of the quota that is used up.
        wait: Seconds until it admits the next request.
    """

    quota: str
    wait: float


def admit_all(quotas: Mapping[str, Quota], now: float) -> Refusal | None:
    """Count a request in all quotas, or in none and say which one refuses it."""
    for name, quota in quotas.items():
        wait = quota.wait(now)
        if wait is not None:
            return Refusal(name, wait)
    for quota in quotas.values():
        quota.take(now)
    return None
