"""Lanes whose requests take long stop no other lane."""

import threading
from collections import Counter
from typing import Any

from crm_warehouse.clients.interface import SourceClient
from tests.unit.clients.hubspot_portal import Portal
from tests.unit.clients.test_hubspot_lanes import ids, lanes, walk

__all__ = ["lanes"]  # the fixture


def test_three_slow_searches_leave_the_fourth_lane_its_way(
    lanes: SourceClient, portal: Portal
) -> None:
    """Four pages are made at once, so three that wait leave one place."""
    portal.add(*range(1, 8_001))
    lock, blocked = threading.Lock(), 0
    go_on, in_vain = threading.Event(), threading.Event()
    free: Counter[str] = Counter()

    def block_three(body: dict[str, Any]) -> None:
        nonlocal blocked
        if len(portal.asked("search")) < 8:
            return  # the lanes are being cut
        with lock:
            is_slow = blocked < 3
            blocked += is_slow
            if not is_slow and not go_on.is_set():
                free["searches"] += 1
                if free["searches"] >= 6:
                    go_on.set()
        if is_slow and not go_on.wait(20):
            in_vain.set()

    portal.before_search = block_three

    pages = list(walk(lanes, size=100))

    assert not in_vain.is_set()
    assert free["searches"] >= 6
    assert Counter(ids(pages)) == Counter(range(1, 8_001))
