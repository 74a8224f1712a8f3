"""What one call of the command line gave."""

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    """Exit status and both outputs."""

    status: int
    out: str
    err: str


Call = Callable[..., Outcome]
