"""Records with several parents: every link is kept, and follows the source's list."""

from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows

from crm_warehouse.engine.replay import Replayer
from crm_warehouse.spec import Deletes, Entity, FieldMap, LinkMap, Source

DEALS = Entity(
    source="genius",
    name="appointments",
    aliases=(),
    into="leads",
    path="/deals",
    records_path=("results",),
    id_path=("id",),
    version_path=("updatedAt",),
    since_param=None,
    fields=(
        FieldMap("name", (("name",),)),
        FieldMap("contact_source_id", (("contacts", 0, "id"),)),
        FieldMap("source_updated_at", (("updatedAt",),)),
    ),
    schedule=None,
    full_schedule=None,
    deletes=Deletes(None, 0.2),
    links=(LinkMap("contacts", ("contacts",), ("id",), ("type",)),),
)
LINKS = (
    "SELECT lead_source_id, contact_source_id, type, position,"
    " lead_id IS NOT NULL, contact_id IS NOT NULL FROM warehouse.lead_contacts"
    " ORDER BY lead_source_id, position"
)


def deal(*contacts: tuple[Any, Any], updated: str = "2026-02-01T00:00:00Z") -> Any:
    listed = [{"id": contact, "type": kind} for contact, kind in contacts]
    return {"id": "d1", "name": "Roof", "updatedAt": updated, "contacts": listed}


@pytest.fixture
def deals(conn: Connection, genius: Source) -> Load:
    return Load(conn, genius, DEALS)


def _next(conn: Connection, genius: Source, **asked: Any) -> Load:
    return Load(conn, genius, DEALS, **asked)


def test_links_come_with_the_record_in_the_sources_order(
    deals: Load, conn: Connection
) -> None:
    deals.write(deal((7, 4), ("5", 3), ("5", 9)))
    job = deals.finish()

    assert rows(conn, LINKS) == [
        ("d1", "7", "4", 1, True, False),
        ("d1", "5", "3", 2, True, False),
        ("d1", "5", "9", 3, True, False),
    ]
    assert (job.records_created, job.warnings) == (1, 0)


def test_late_parents_are_linked(deals: Load, conn: Connection, genius: Source) -> None:
    deals.write(deal((7, 4), (5, 3)))
    deals.finish()
    prospects = Load(conn, genius, genius.entities["prospects"])

    prospects.write({"id": 5, "first_name": "Bo", "last_name": "Ray"})
    prospects.finish()

    assert [row[1:] for row in rows(conn, LINKS)] == [
        ("7", "4", 1, True, False),
        ("5", "3", 2, True, True),
    ]


def test_known_parents_are_linked_at_once(conn: Connection, genius: Source) -> None:
    prospects = Load(conn, genius, genius.entities["prospects"])
    prospects.write({"id": 7, "first_name": "Ann", "last_name": "Lee"})
    prospects.finish()

    _next(conn, genius).write(deal((7, 4)))

    assert rows(conn, LINKS) == [("d1", "7", "4", 1, True, True)]
    assert rows(conn, "SELECT contact_id IS NOT NULL FROM warehouse.leads") == [(True,)]


def test_a_changed_list_moves_adds_and_removes_links(
    deals: Load, conn: Connection, genius: Source
) -> None:
    deals.write(deal((7, 4), (5, 3)))
    deals.finish()
    later = _next(conn, genius)

    later.write(deal((5, 3), (8, 3)), observed=at(5))  # same version: relinked only
    job = later.finish()

    assert job.records_updated == 1
    assert [row[1:4] for row in rows(conn, LINKS)] == [("5", "3", 1), ("8", "3", 2)]


def test_a_change_of_a_second_contact_alone_is_an_update(
    deals: Load, conn: Connection, genius: Source
) -> None:
    deals.write(deal((7, 4), (5, 3)))
    deals.finish()
    later = _next(conn, genius)

    later.write(deal((7, 4), (6, 3)), observed=at(5))

    assert later.job.records_updated == 1
    assert [row[1] for row in rows(conn, LINKS)] == ["7", "6"]


def test_an_older_state_does_not_touch_links(
    deals: Load, conn: Connection, genius: Source
) -> None:
    deals.write(deal((7, 4), updated="2026-02-09T00:00:00Z"))
    deals.finish()
    later = _next(conn, genius)

    later.write(deal((5, 3), updated="2026-02-01T00:00:00Z"), observed=at(5))

    assert [row[1] for row in rows(conn, LINKS)] == ["7"]


def test_equal_links_are_not_written(
    deals: Load, conn: Connection, genius: Source
) -> None:
    marks = "SELECT xmin::text, ctid::text FROM warehouse.lead_contacts ORDER BY 2"
    deals.write(deal((7, 4), (5, 3)))
    deals.finish()
    before = rows(conn, marks)
    later = _next(conn, genius)

    later.write({**deal((7, 4), (5, 3)), "name": "New roof"}, observed=at(5))

    assert later.job.records_updated == 1
    assert rows(conn, marks) == before


@pytest.mark.parametrize(
    "listed",
    [None, "nobody", {}, [None, 5, "x", {"type": 3}, {"id": ""}, {"id": "\0"}]],
)
def test_what_is_no_list_of_parents_links_nobody(
    deals: Load, conn: Connection, listed: Any
) -> None:
    deals.write({**deal(), "contacts": listed})

    assert deals.job.records_created == 1
    assert rows(conn, LINKS) == []


def test_an_empty_list_removes_all_links(
    deals: Load, conn: Connection, genius: Source
) -> None:
    deals.write(deal((7, 4)))
    deals.finish()

    _next(conn, genius).write(deal(), observed=at(5))

    assert rows(conn, LINKS) == []


def test_a_replay_finds_links_that_the_mapping_did_not_know(
    conn: Connection, genius: Source
) -> None:
    load = Load(conn, genius, replace(DEALS, links=()))
    load.write(deal((7, 4), (5, 3)))
    load.finish()
    assert rows(conn, LINKS) == []
    replay = _next(conn, genius, mode="replay", with_raw=False)

    Replayer(
        conn,
        replay.job,
        DEALS,
        replay.loader,
        replay.mapping,
        replay.seen,
        lambda job: None,
    ).replay()

    assert [row[1] for row in rows(conn, LINKS)] == ["7", "5"]
