"""No delivered lead stops the others of its source."""

from typing import Any

import pytest
from engine_load import Connection, rows
from test_carried_records import (
    EVENTS,
    Merge,
    deliver,
    lead,
    merge,
    polled,
    raw,
    source,
)

from crm_warehouse.spec import Source

__all__ = ["merge", "source"]


def tower(levels: int, top: Any = 1) -> Any:
    for _ in range(levels):
        top = {"x": top}
    return top


@pytest.mark.parametrize("levels", [470, 900])
def test_a_lead_in_a_tower_is_set_aside(
    conn: Connection, merge: Merge, levels: int
) -> None:
    deliver(conn, lead(), lead(id="deep", extra=tower(levels)))
    merge()
    deliver(conn, lead(1, id="deep", extra=tower(levels, 2)), lead(1, price=99))

    assert merge().records_updated == 1
    told = "is nested more than 100 levels deep"
    assert rows(conn, EVENTS) == [
        ("66a1", "merged", None),
        ("deep", "failed", told),
        ("deep", "failed", told),
        ("66a1", "merged", None),
    ]


def test_a_lead_of_as_many_levels_as_are_taken_is_laid_over_a_deeper_one(
    conn: Connection, source: Source, merge: Merge
) -> None:
    """What a poll stored may be as deep as its decoder reads."""
    polled(conn, source, lead(0, extra=tower(900)))
    deliver(conn, lead(1, extra=tower(98, {"y": 2})), minute=1)

    assert merge().records_updated == 1
    assert raw(conn) == lead(1, extra=tower(98, {"x": tower(801), "y": 2}))


def test_what_was_taken_apart_when_deeper_ones_were_taken_fails(
    conn: Connection, merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an event may wait while a release is installed that takes less."""
    deliver(conn, lead(id="deep", extra=tower(470)), lead())
    merge()
    conn.execute("UPDATE staging.webhook_events SET state = 'pending', reason = NULL")

    merge()

    assert rows(conn, EVENTS) == [
        ("deep", "failed", "its delivery cannot be read any more"),
        ("66a1", "merged", None),
    ]
