"""A gate that writes down what it is asked, and lets no time pass."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.clients.tally import Tally
from crm_warehouse.errors import QuotaWaitError

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class RecordingGate:
    """Its clock moves by one second per request and by the length of each pause.

    Args:
        quota: Requests until the quota is used up, or None.
        patience: Longest pause in seconds that is not refused.
    """

    def __init__(
        self, *, quota: int | None = None, patience: float = float("inf")
    ) -> None:
        self.quota = quota
        self.patience = patience
        self.taken = 0
        self.pauses: list[float] = []
        self.reasons: list[str] = []
        self.holds: list[tuple[float, str, str]] = []
        self.lessons: list[Allowance] = []
        self.heard: list[str] = []
        self.day_left: float | None = None
        self.tally = Tally()
        self.clock = START

    def take(self, kind: str = "") -> None:
        if self.quota is not None and self.taken >= self.quota:
            raise QuotaWaitError(
                self.clock + timedelta(hours=1), "hourly quota used up"
            )
        self.taken += 1
        self.clock += timedelta(seconds=1)

    def now(self) -> datetime:
        return self.clock

    def pause(self, seconds: float, reason: str) -> None:
        if seconds > self.patience:
            raise QuotaWaitError(self.clock + timedelta(seconds=seconds), reason)
        self.pauses.append(seconds)
        self.reasons.append(reason)
        self.clock += timedelta(seconds=seconds)

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        self.holds.append((seconds, reason, kind))

    def seconds_of_day_left(self) -> float | None:
        return self.day_left

    def learn(self, allowances: Sequence[Allowance]) -> None:
        self.lessons.extend(allowances)

    def answered(self) -> None:
        self.heard.append("answered")

    def failed(self, reason: str) -> bool:
        self.heard.append(reason)
        return False
