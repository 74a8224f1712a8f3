"""Merged records: the lost one is a tombstone with a redirect, whatever came first."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows
from test_link_tables import DEALS

from crm_warehouse.engine.jobs import Job
from crm_warehouse.engine.record_paths import merged_ids_getter
from crm_warehouse.engine.states import resolve
from crm_warehouse.spec import Source

REDIRECTS = (
    "SELECT source_id, survivor_source_id FROM warehouse.merged_records ORDER BY 1"
)
CONTACTS = "SELECT source_id, first_name, is_deleted FROM warehouse.contacts ORDER BY 1"
WRITTEN = (
    "SELECT max(xmin::text::bigint) FROM (SELECT xmin FROM warehouse.contacts UNION ALL"
    " SELECT xmin FROM warehouse.appointments UNION ALL"
    " SELECT xmin FROM warehouse.merged_records UNION ALL"
    " SELECT xmin FROM raw.genius_prospects) AS every"
)
CHILD = (
    "SELECT a.contact_source_id, c.source_id FROM warehouse.appointments AS a"
    " LEFT JOIN warehouse.contacts AS c ON c.id = a.contact_id"
)


def person(number: int, merged: str | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "first_name": f"Ann{number}",
        "last_name": "Lee",
        "updated_at": "2026-02-01T00:00:00Z",
        "merged": merged,
    }


def visit(number: int, of: int) -> dict[str, Any]:
    return {
        "id": number,
        "prospect_id": of,
        "scheduled_date": "2026-03-03T10:00:00Z",
        "status": "set",
    }


@pytest.fixture
def contacts(conn: Connection, genius: Source) -> Any:
    entity = replace(genius.entities["prospects"], merged_ids=(("merged",),))

    def load(*chunks: list[dict[str, Any]], minutes: float = 1) -> Job:
        begun = Load(conn, genius, entity)
        for chunk in chunks:
            begun.write(*chunk, observed=at(minutes))
        return begun.finish()

    return load


@pytest.mark.parametrize(
    ("known", "told", "changed"),
    [
        ({}, [("1", "2")], {"1": "2"}),
        ({"1": "2"}, [("1", "2")], {}),
        ({"1": "2"}, [("2", "3")], {"1": "3", "2": "3"}),
        ({"2": "3"}, [("1", "2")], {"1": "3"}),
        ({"1": "2"}, [("2", "1")], {}),
        ({}, [("1", "2"), ("2", "3"), ("3", "1")], {"1": "3", "2": "3"}),
        ({"1": "2"}, [("1", "3")], {"1": "3"}),
    ],
)
def test_chains_are_resolved_and_circles_left_out(
    known: dict[str, str], told: list[tuple[str, str]], changed: dict[str, str]
) -> None:
    assert resolve(known, told) == changed


@pytest.mark.parametrize(
    "order", list(permutations([("1", "2"), ("2", "3"), ("3", "4")]))
)
def test_a_chain_ends_the_same_in_every_order(order: Any) -> None:
    known: dict[str, str] = {}
    for pair in order:
        known |= resolve(known, [pair])

    assert known == {"1": "4", "2": "4", "3": "4"}


def test_both_forms_are_read_and_each_id_once() -> None:
    read = merged_ids_getter([("a",), ("b", "c")])

    assert read({"a": "1;2", "b": {"c": "2:1600000000;3:1600000001"}}) == (
        "1",
        "2",
        "3",
    )
    assert read({"a": None, "b": "x"}) == ()
    assert read({"a": 7, "b": {"c": " ;4: "}}) == ("7", "4")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("apart", [True, False])
def test_either_order_of_a_dump_ends_equal(
    contacts: Any, conn: Connection, first: int, apart: bool
) -> None:
    pair = [person(1), person(2, merged="1;2")]
    order = [pair[first], pair[1 - first]]

    job = contacts(*([each] for each in order)) if apart else contacts(order)

    assert rows(conn, REDIRECTS) == [("1", "2")]
    assert rows(conn, CONTACTS) == [("1", "Ann1", True), ("2", "Ann2", False)]
    assert rows(conn, "SELECT source_id, is_deleted FROM raw.genius_prospects") == [
        ("1", True),
        ("2", False),
    ] or rows(conn, "SELECT count(*) FROM raw.genius_prospects WHERE is_deleted") == [
        (1,)
    ]
    # Seen by this job, so it counts as created and not once more as deleted.
    assert (job.records_processed, job.records_created, job.records_deleted) == (
        2,
        2,
        0,
    )


def test_the_same_again_writes_nothing(
    contacts: Any, conn: Connection, begin: Any
) -> None:
    contacts([person(1)])
    begin("appointments").write(visit(10, of=1))
    job = contacts([person(2, merged="1")])
    assert (job.records_created, job.records_deleted, job.records_processed) == (
        1,
        1,
        2,
    )
    before = rows(conn, WRITTEN)

    job = contacts([person(2, merged="1"), person(1)])

    assert rows(conn, WRITTEN) == before
    assert (job.records_unchanged, job.records_deleted) == (2, 0)


def test_a_merged_record_never_lives_again(contacts: Any, conn: Connection) -> None:
    contacts([person(1)], [person(2, merged="1")])

    before = rows(conn, WRITTEN)

    # Changed and read long after it was buried here.
    contacts([{**person(1), "updated_at": "2099-01-01T00:00:00Z"}], minutes=4e7)

    assert rows(conn, WRITTEN) == before
    assert rows(conn, CONTACTS) == [("1", "Ann1", True), ("2", "Ann2", False)]


@pytest.mark.parametrize("late", [False, True])
def test_children_belong_to_the_survivor(
    contacts: Any, conn: Connection, begin: Any, late: bool
) -> None:
    contacts([person(1)])
    if not late:
        begin("appointments").write(visit(10, of=1))
    contacts([person(2, merged="1")])
    contacts([person(3, merged="2")])
    if late:
        begin("appointments").write(visit(10, of=1))

    assert rows(conn, CHILD) == [("3", "3")]


def test_a_child_waits_for_a_survivor_that_is_not_here(
    contacts: Any, conn: Connection, begin: Any
) -> None:
    begin("appointments").write(visit(10, of=1))
    contacts([{**person(2, merged="1"), "id": "2"}])

    assert rows(conn, CHILD) == [("2", "2")]


@pytest.mark.parametrize("late", [False, True])
def test_links_move_and_become_one(
    contacts: Any, conn: Connection, genius: Source, late: bool
) -> None:
    listed = [
        {"id": 2, "type": 3},
        {"id": 1, "type": 3},
        {"id": 1, "type": 51},
        {"id": 9, "type": 3},
    ]
    deal = {"id": "d1", "name": "Roof", "contacts": listed}
    contacts([person(1)])
    if not late:
        Load(conn, genius, DEALS).write(deal)
    contacts([person(2, merged="1")])
    if late:
        Load(conn, genius, DEALS).write(deal)

    assert rows(
        conn,
        "SELECT l.contact_source_id, l.type, l.position, c.source_id"
        " FROM warehouse.lead_contacts AS l"
        " LEFT JOIN warehouse.contacts AS c ON c.id = l.contact_id ORDER BY position",
    ) == [("2", "3", 1, "2"), ("2", "51", 3, "2"), ("9", "3", 4, None)]
