"""What HubSpot told and the receiver acknowledged, in a few bytes an event."""

import hashlib
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

#: What must become of an event, as ``staging.webhook_events`` says it.
STATES = ("merged", "ignored", "failed")


def digest(text: bytes) -> bytes:
    """Enough of a hash to tell a million apart."""
    return hashlib.blake2b(text, digest_size=16).digest()


@dataclass
class Books:
    """Of one proof; senders write into it at once.

    Events are numbered from 0 in the order in which they were told.

    Attributes:
        states: Index in :data:`STATES` by event.
        objects: Id of the record that an event names, by event.
        subjects: Ids of all records of an event that names several.
        acknowledged: 1 by event that was in a delivery answered 200.
        moves: How often a record was moved in HubSpot.
        gone: Ids of records that were deleted or merged there, be it for a while.
        sent: Authentic deliveries: hash of what is signed anew in each -> of its body.
        taken: Those of them that were answered 200.
        events_taken: How many events were in one.
        answers: How often a kind of delivery got which answer.
        outage_seconds: Longest time without a delivery being taken.
    """

    states: bytearray = field(default_factory=bytearray)
    objects: "array[int]" = field(default_factory=lambda: array("q"))
    subjects: dict[int, frozenset[str]] = field(default_factory=dict)
    acknowledged: bytearray = field(default_factory=bytearray)
    moves: Counter[str] = field(default_factory=Counter)
    gone: set[str] = field(default_factory=set)
    sent: dict[bytes, bytes] = field(default_factory=dict)
    taken: set[bytes] = field(default_factory=set)
    events_taken: int = 0
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    outage_seconds: float = 0.0
    _taken_at: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, object_id: int, state: int = 0) -> int:
        """Note another event; returns its number."""
        self.states.append(state)
        self.objects.append(object_id)
        self.acknowledged.append(0)
        return len(self.states) - 1

    def subjects_of(self, number: int) -> frozenset[str]:
        """Ids of the records that an event is about, one row for each."""
        return self.subjects.get(number) or frozenset([str(self.objects[number])])

    def note_sent(self, key: str, body: bytes) -> None:
        """Before a delivery is sent: it may be stored from now on."""
        self.sent[digest(key.encode())] = digest(body)

    def note_answer(self, kind: str, answer: str) -> None:
        """A status with its code, or how the connection ended."""
        with self._changed:
            self.answers[kind, answer] += 1

    def note_taken(self, key: str, numbers: Iterable[int]) -> None:
        """A delivery was answered 200, and with it these events."""
        with self._changed:
            now = time.monotonic()
            if self._taken_at:
                self.outage_seconds = max(self.outage_seconds, now - self._taken_at)
            self._taken_at = now
            self.taken.add(digest(key.encode()))
            for number in numbers:
                self.events_taken += not self.acknowledged[number]
                self.acknowledged[number] = 1
            self._changed.notify_all()

    def wait_for(self, events: int, seconds: float) -> bool:
        """Until so many were taken; False: none was for so long."""
        with self._changed:
            while self.events_taken < events:
                if not self._changed.wait(seconds):
                    return False
        return True
