"""Which requests came, and what they got."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from include.sandbox.quota import Limit, SlidingWindow

#: Newest requests that are kept one by one; the counts cover all.
_KEPT = 20_000
#: The quota that every system has.
MAIN = "quota"


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request.

    Attributes:
        at: Unix seconds by the sandbox's clock, when the request arrived.
        path: As asked, without query.
        query: Parameters as asked.
        status: What was answered; None when the connection was reset instead.
        faults: Ids of the faults that struck.
        refused: Whether the quota refused it.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    status: int | None
    faults: tuple[int, ...]
    refused: bool


class RequestLog:
    """Counts and newest requests of one system."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_KEPT)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._total = 0
        self._refused: Counter[str] = Counter()
        self._arrivals: dict[str, SlidingWindow] = {}
        self._most: Counter[str] = Counter()

    def arrive(self, now: float, window_seconds: float, quota: str = MAIN) -> None:
        """Count an arrival, refused later or not.

        Args:
            now: Monotonic seconds.
            window_seconds: Length of the quota's window.
            quota: Name of a quota that it counts for.
        """
        arrivals = self._arrivals.setdefault(quota, SlidingWindow())
        arrivals.add(now)
        count = arrivals.count(now, window_seconds)
        self._most[quota] = max(self._most[quota], count)

    def refuse(self, quota: str) -> None:
        """Count a request that this quota refused."""
        self._refused[quota] += 1

    def answer(self, route: str, entry: Entry) -> None:
        """Count an answer under its route, e.g. ``GET /genius/v1/prospects/{id}``."""
        status = "reset" if entry.status is None else str(entry.status)
        self.entries.append(entry)
        self._counts[route, status] += 1
        self._total += 1

    def statistics(self, limit: Limit) -> dict[str, Any]:
        """JSON object of all counts since the last clearing."""
        by_route: dict[str, dict[str, int]] = {}
        for (route, status), count in sorted(self._counts.items()):
            by_route.setdefault(route, {})[status] = count
        return {
            "requests": self._total,
            "refused": self._refused.total(),
            "refused_by": dict(self._refused),
            "by_route": by_route,
            "window_seconds": limit.per_seconds,
            "max_in_window": self._most[MAIN],
            "max_in_windows": dict(self._most),
        }

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest requests, oldest of them first."""
        return [asdict(entry) for entry in list(self.entries)[-limit:]]
