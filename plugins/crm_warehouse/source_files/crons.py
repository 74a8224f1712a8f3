"""Cron schedules, as Airflow's scheduler computes them."""

from collections.abc import Iterator
from typing import Any


def comes_true(schedule: str) -> bool:
    """Whether a schedule can be read and has a next time; 31 February has none."""
    try:
        next(starts(schedule, 0.0))
    except ValueError:  # every error of the library is one
        return False
    return True


def starts(schedule: str, after: float) -> Iterator[float]:
    """Moments of a schedule, as UTC timestamps later than ``after``, without end."""
    # Only here: it costs more to import than a source file costs to load.
    from croniter import croniter  # type: ignore[import-untyped]

    clock: Any = croniter(schedule, after)
    while True:
        yield clock.get_next(float)
