"""The gate of a job, whole: quota, circuit breaker, and what its requests came to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.clients.tally import Tally
from crm_warehouse.engine.breaker import Breaker, Refusal
from crm_warehouse.engine.gate import QuotaGate
from crm_warehouse.errors import TransientSourceError


class JobGate:
    """Implements :class:`crm_warehouse.clients.interface.Gate`; threads share it.

    Args:
        quota: Quota, time and pauses.
        breaker: Whether the source is to be asked at all.
        tally: Counters of the job.
    """

    def __init__(self, quota: QuotaGate, breaker: Breaker, tally: Tally) -> None:
        self._quota = quota
        self._breaker = breaker
        self.tally = tally

    def take(self, kind: str = "") -> None:
        """Wait until the source may be asked, and one request is allowed; count it."""
        while True:
            self._wait_while_open()
            self._quota.take(kind)
            # The quota may have taken its time, and others the probe.
            with self._quota.lock:
                refusal = self._breaker.enter()
            if refusal is None:
                return
            self._rest(refusal)

    def now(self) -> datetime:
        """Aware UTC time by the warehouse's clock."""
        return self._quota.now()

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before a repetition."""
        self._quota.pause(seconds, reason)

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        """Let nobody who uses the account ask before a pause is over."""
        self._quota.hold(seconds, reason, kind)

    def seconds_of_day_left(self) -> float | None:
        """Seconds until the account's quotas of a day begin anew; None: not known."""
        return self._quota.seconds_of_day_left()

    def learn(self, allowances: Sequence[Allowance]) -> None:
        """Hear what an answer tells of the account's quotas."""
        self._quota.learn(allowances)

    def answered(self) -> None:
        """Hear that the source answered."""
        with self._quota.lock:
            self._breaker.answered()

    def failed(self, reason: str) -> bool:
        """Hear that the source seems to be down; wait while nobody asks it."""
        with self._quota.lock:
            self._breaker.failed(reason)
        return self._wait_while_open()

    def do_without(self) -> None:
        """Hear that the job goes on without the request that it would wait for."""
        self._quota.do_without()

    def close(self) -> None:
        """Give back the connection."""
        self._quota.close()

    def _wait_while_open(self) -> bool:
        waited = False
        while (refusal := self._look()) is not None:
            self._rest(refusal)
            waited = True
        return waited

    def _look(self) -> Refusal | None:
        with self._quota.lock:
            return self._breaker.look()

    def _rest(self, refusal: Refusal) -> None:
        now = self.now()
        self.tally.rest(now)
        if self.tally.is_too_long(now + timedelta(seconds=refusal.seconds)):
            raise TransientSourceError(
                f"{refusal.reason}; gave up after {self.tally.lasted(now)}"
            )
        self.pause(refusal.seconds, refusal.reason)
