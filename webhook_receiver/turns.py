"""Whose turn it is to take a connection: that of the worker that has fewest."""

from webhook_receiver.metrics import ROWS
from webhook_receiver.shared_numbers import shared_numbers

_NOBODY = -1.0


class Turns:
    """How many connections each worker of a machine has, known to all of them.

    Made before the workers are forked, which then share it.
    """

    def __init__(self) -> None:
        self._numbers = shared_numbers(ROWS)
        for row in range(ROWS):
            self._numbers[row] = _NOBODY

    def begin(self, row: int) -> None:
        """A worker begins, without connections."""
        self._numbers[row] = 0.0

    def end(self, row: int) -> None:
        """It has ended."""
        self._numbers[row] = _NOBODY

    def tell(self, row: int, connections: int) -> None:
        """Let the others know how many it has now."""
        self._numbers[row] = connections

    def is_others(self, row: int) -> bool:
        """Whether another worker has fewer."""
        mine = self._numbers[row]
        return any(0 <= other < mine for other in self._numbers)


#: Those of this machine.
TURNS = Turns()
