"""A record that says it was deleted: by the rule that the newest wins."""

from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows

from crm_warehouse.spec import Source

RAW = "SELECT payload ->> 'name', is_deleted FROM raw.genius_divisions"
ROW = "SELECT name, is_deleted FROM warehouse.divisions"
COUNTS = ("created", "updated", "unchanged", "deleted", "failed")


def division(name: str, minute: int, *, active: bool = True) -> dict[str, Any]:
    return {
        "id": 1,
        "name": name,
        "active": active,
        "modified_date": f"2026-01-01T00:{minute:02d}:00Z",
    }


@pytest.fixture
def source(genius: Source) -> Source:
    divisions = replace(
        genius.entities["divisions"],
        active_path=("active",),
        version_path=("modified_date",),
    )
    return replace(genius, entities={**genius.entities, "divisions": divisions})


def load(conn: Connection, source: Source, *chunks: tuple[dict[str, Any], int]) -> Any:
    """One job; returns its counts."""
    job = Load(conn, source, source.entities["divisions"])
    for record, minute in chunks:
        job.write(record, observed=at(minute))
    ended = job.job
    return tuple(getattr(ended, f"records_{name}") for name in COUNTS)


def test_it_buries_the_row_and_a_later_one_revives_it(
    conn: Connection, source: Source
) -> None:
    assert load(conn, source, (division("North", 1), 1)) == (1, 0, 0, 0, 0)

    assert load(conn, source, (division("Gone", 2, active=False), 2)) == (0, 0, 0, 1, 0)
    assert rows(conn, RAW) == [("Gone", True)]
    assert rows(conn, ROW) == [("North", True)]
    again = load(conn, source, (division("Gone", 2, active=False), 3))
    assert again == (0, 0, 1, 0, 0)

    minutes = 24 * 60 * 365 * 30  # later than the tombstone, by the server's clock
    assert load(conn, source, (division("Back", 4), minutes)) == (0, 1, 0, 0, 0)
    assert rows(conn, RAW) == [("Back", False)]
    assert rows(conn, ROW) == [("Back", False)]


def test_a_late_page_does_not_bury_what_lives_again(
    conn: Connection, source: Source
) -> None:
    load(conn, source, (division("North", 5), 5))

    assert load(conn, source, (division("Old", 2, active=False), 6)) == (0, 0, 1, 0, 0)

    assert rows(conn, RAW) == [("North", False)]
    assert rows(conn, ROW) == [("North", False)]


def test_one_that_never_lived_here_makes_no_row(
    conn: Connection, source: Source
) -> None:
    counts = load(conn, source, (division("Gone", 2, active=False), 2))

    assert counts == (0, 0, 1, 0, 0)
    assert rows(conn, RAW) == [("Gone", True)]
    assert rows(conn, ROW) == []


@pytest.mark.parametrize(
    ("said", "is_gone"),
    [
        *((each, True) for each in (True, "true", 1, "2026-01-01T00:02:00Z")),
        *((each, False) for each in (None, False, "False", 0, "0", "", " ")),
    ],
)
def test_others_say_it_by_a_flag_or_a_time(
    conn: Connection, source: Source, said: Any, is_gone: bool
) -> None:
    entity = replace(
        source.entities["divisions"], active_path=None, deleted_path=("deleted_at",)
    )
    source = replace(source, entities={**source.entities, "divisions": entity})
    load(conn, source, (division("North", 1), 1))

    load(conn, source, (division("South", 2) | {"deleted_at": said}, 2))

    assert rows(conn, ROW) == [("North", True) if is_gone else ("South", False)]


def test_one_that_ends_while_it_is_read_counts_once(
    conn: Connection, source: Source
) -> None:
    counts = load(
        conn, source, (division("North", 1), 1), (division("Gone", 2, active=False), 2)
    )

    assert counts == (1, 0, 0, 0, 0)
    assert rows(conn, ROW) == [("North", True)]
