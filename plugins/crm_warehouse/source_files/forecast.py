"""Do the schedules fit the quotas?"""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import takewhile
from typing import Final

from crm_warehouse.source_files.crons import starts
from crm_warehouse.spec import Entity, Quota, Source

_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_END: Final = _BEGIN + timedelta(days=7).total_seconds()


def forecast(source: Source) -> list[str]:
    """Warnings about schedules that ask for more than a quota gives.

    Counted are the runs that a week of schedules starts, at one request each: the least
    that a run can do, so a warning is never a false alarm.

    Returns:
        One line for each quota that does not suffice; empty when all is well.
    """
    each = [source, *source.profiles.values()]
    return [line for one in each for line in _of_profile(one)]


def _of_profile(source: Source) -> list[str]:
    moments = list(merge(*(_starts(entity) for entity in source.entities.values())))
    name = " ".join(filter(None, (source.name, source.profile)))
    return [
        f"{name}: the schedules start up to {runs} runs in "
        f"{timedelta(seconds=quota.per_seconds)}, each of one request or more, but the "
        f"quota {quota.name!r} allows {quota.requests}; make the schedules rarer"
        for quota in source.quotas
        if (runs := _most_within(moments, quota)) > quota.requests
    ]


def _starts(entity: Entity) -> list[float]:
    """Moments of a week, as seconds, at which a run of the entity starts."""
    moments: set[float] = set()
    for schedule in filter(None, (entity.schedule, entity.full_schedule)):
        # From just before the week, because a start right at it counts.
        clock = starts(schedule, _BEGIN - 1)
        moments.update(takewhile(lambda moment: moment < _END, clock))
    return sorted(moments)


def _most_within(moments: Iterable[float], quota: Quota) -> int:
    """Largest number of starts in any window of the quota's length."""
    window: deque[float] = deque()
    most = 0
    for moment in moments:
        window.append(moment)
        while window[0] <= moment - quota.per_seconds:
            window.popleft()
        most = max(most, len(window))
    return most
