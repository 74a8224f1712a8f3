"""What search knows of one object type: the records as they were a lag ago."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import NamedTuple

from include.sandbox.clock import Clock
from include.sandbox.hubspot.table import HubSpotTable, Move

#: From so many changes on, sorting anew is faster than putting each in its place.
_MANY = 500


class Indexed(NamedTuple):
    """One record, as search knows it.

    Attributes:
        modified: Last change in Unix milliseconds.
        body: The record's bytes.
    """

    modified: int
    body: bytes


class SearchIndex:
    """Live records by id and by time of change.

    Attributes:
        entries: Key -> record.
        version: Grows with every change that search sees.
    """

    def __init__(self, table: HubSpotTable, clock: Clock) -> None:
        self.entries: dict[int, Indexed] = {
            record.key: Indexed(round(record.modified * 1_000), record.body)
            for record in table.live.values()
        }
        self.version = 0
        self._live = table.live
        self._clock = clock
        self._by_time = self._sorted()
        self._by_id = sorted(self.entries)
        #: When it changed, which record, what search shall know of it.
        self._pending: deque[tuple[float, int, Indexed]] = deque()
        table.listeners.append(self._note)

    def refresh(self, lag_seconds: float) -> None:
        """Take in what happened ``lag_seconds`` ago or earlier."""
        now = self._clock.now().timestamp()
        due: dict[int, Indexed] = {}
        while self._pending and self._pending[0][0] + lag_seconds <= now:
            _, key, entry = self._pending.popleft()
            if key in self._live:
                due[key] = entry
        if not due:
            return
        self.version += 1
        for key, entry in due.items():
            if len(due) < _MANY:
                self._drop_time(key)
                insort(self._by_time, (entry.modified, key))
            if key not in self.entries:
                insort(self._by_id, key)
            self.entries[key] = entry
        if len(due) >= _MANY:
            self._by_time = self._sorted()

    def between(self, low: float, high: float) -> list[int]:
        """Keys of records changed from ``low`` to ``high``, both inclusive."""
        begin = bisect_left(self._by_time, (low, 0))
        end = bisect_right(self._by_time, (high, float("inf")))
        return [key for _, key in self._by_time[begin:end]]

    def ids_between(self, low: float, high: float) -> list[int]:
        """Keys from ``low`` to ``high``, both inclusive, in order."""
        begin, end = bisect_left(self._by_id, low), bisect_right(self._by_id, high)
        return self._by_id[begin:end]

    def _note(self, move: Move) -> None:
        for key in move.gone:
            # Such records are never found, however late search is.
            self._drop_time(key)
            if self.entries.pop(key, None) is not None:
                del self._by_id[bisect_left(self._by_id, key)]
            self.version += 1
        key = move.record.key
        if move.kind == "merge" or key in move.gone:
            return
        modified = round(move.record.modified * 1_000)
        entry = Indexed(modified, move.record.body)
        self._pending.append((self._clock.now().timestamp(), key, entry))

    def _drop_time(self, key: int) -> None:
        if key in self.entries:
            place = bisect_left(self._by_time, (self.entries[key].modified, key))
            del self._by_time[place]

    def _sorted(self) -> list[tuple[float, int]]:
        return sorted((entry.modified, key) for key, entry in self.entries.items())
