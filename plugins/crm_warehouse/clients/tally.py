"""What the requests of one job came to, and how long it may go on asking."""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: From the first fault without progress: as long as a source may close for a day.
MAX_FAULTY_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Tally:
    """Counters of a job, those of its earlier attempts included.

    Written by the thread that asks, read by the one that commits.

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

    def failed(self, now: datetime, *, throttled: bool) -> None:
        """A request met a fault."""
        self.retries += 1
        if throttled:
            self.throttles += 1
        else:
            self.faults += 1
        self.faulted_at = self.faulted_at or now

    def answered(self) -> None:
        """A request was answered."""
        self.faults = self.throttles = 0

    def rest(self, now: datetime) -> None:
        """Nobody asks for a while; then the retry policy begins anew."""
        self.faults = 0
        self.faulted_at = self.faulted_at or now

    def progressed(self) -> None:
        """Something was committed: whatever was wrong before has passed."""
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
