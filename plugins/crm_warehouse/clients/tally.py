"""What the requests of one job came to, and how long it may go on asking."""

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

#: From the first fault without progress: as long as a source may close for a day.
MAX_FAULTY_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Streak:
    """What one request has met in a row, before it is answered.

    Attributes:
        faults: Faults that the source's retry policy counts.
        throttles: Refusals by which the source wants a pause.
        rests: Rests of the job that are taken into account.
    """

    faults: int = 0
    throttles: int = 0
    rests: int = 0

    def __len__(self) -> int:
        return self.faults + self.throttles


@dataclass(slots=True)
class Tally:
    """Counters of a job, those of its earlier attempts included.

    Written by the threads that ask, read by the one that commits.

    Attributes:
        requests: Requests sent.
        retries: Those of them that met a fault, so that they were to be sent again.
        faults: Faults in a row that the source's retry policy counts.
        throttles: Refusals in a row by which the source wants a pause.
        faulted_at: When the source first failed us since the last committed chunk.
    """

    requests: int = 0
    retries: int = 0
    faults: int = 0
    throttles: int = 0
    faulted_at: datetime | None = None
    _inherited: Streak = field(init=False, repr=False, compare=False)
    _rests: int = field(default=0, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self._inherited = Streak(self.faults, self.throttles)

    def begin(self) -> Streak:
        """A request begins; until one is answered, with what stopped the last attempt.

        Each has a streak of its own, since answers to others in flight must not make
        its retry policy endless, nor their faults use it up.
        """
        return replace(self._inherited, rests=self._rests)

    def sent(self) -> None:
        """A request was sent."""
        with self._lock:
            self.requests += 1

    def failed(self, streak: Streak, now: datetime, *, throttled: bool) -> None:
        """A request met a fault."""
        with self._lock:
            self.retries += 1
            if streak.rests != self._rests:
                streak.rests, streak.faults = self._rests, 0
            if throttled:
                streak.throttles += 1
            else:
                streak.faults += 1
            self.faults, self.throttles = streak.faults, streak.throttles
            self.faulted_at = self.faulted_at or now

    def used_up(self, streak: Streak) -> None:
        """The requests of a day are used up: no fault, and yet to be sent again."""
        with self._lock:
            self.retries += 1
            streak.throttles += 1
            self.throttles = streak.throttles

    def repeated(self) -> None:
        """A request goes out again, with other credentials."""
        with self._lock:
            self.retries += 1

    def answered(self) -> None:
        """A request was answered."""
        with self._lock:
            self.faults = self.throttles = 0
            self._inherited = Streak()

    def rest(self, now: datetime) -> None:
        """Nobody asks for a while; then the retry policy begins anew."""
        with self._lock:
            self._rests += 1
            self.faults = self._inherited.faults = 0
            self.faulted_at = self.faulted_at or now

    def progressed(self) -> None:
        """Something was committed: whatever was wrong before has passed."""
        with self._lock:
            if not self.faults and not self.throttles:
                self.faulted_at = None

    def is_too_long(self, until: datetime) -> bool:
        """Whether waiting until then goes on for longer than any job may."""
        return self.faulted_at is not None and until - self.faulted_at > timedelta(
            seconds=MAX_FAULTY_SECONDS
        )

    def lasted(self, now: datetime) -> str:
        """Time since the first fault, for people."""
        seconds = int((now - (self.faulted_at or now)).total_seconds())
        if seconds < 120:
            return f"{seconds} s"
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"
