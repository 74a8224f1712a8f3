"""What happens too often for a line of the log each time."""

import threading
import time

_SECONDS_OF_A_LINE = 1.0


class Seldom:
    """Counts what happens, and says when it is time for a line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold = 0
        self._told_at = float("-inf")

    def happened(self) -> int:
        """Count it; how often it happened since the last line, 0 to write none now."""
        with self._lock:
            self._untold += 1
            now = time.monotonic()
            if now - self._told_at < _SECONDS_OF_A_LINE:
                return 0
            told, self._untold, self._told_at = self._untold, 0, now
            return told
