"""Erasing: rows judged by what they hold, odd tables, rejects, and who is linked."""

from typing import Any

import pytest
from engine_load import Connection, Load, at, rows
from test_erasure import MARK, erasing, hubspot, marked, places_of

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.spec import Source

__all__ = ["hubspot"]

LEAD = (
    "SELECT l.contact_source_id, c.source_id FROM warehouse.leads AS l"
    " LEFT JOIN warehouse.contacts AS c ON c.id = l.contact_id"
)
LINKS = "SELECT contact_source_id FROM warehouse.lead_contacts ORDER BY position"


def deal(*contacts: int, name: str = "Roof", minute: int = 0) -> dict[str, Any]:
    linked = [{"id": str(each), "type_id": 3} for each in contacts]
    return {
        "id": "7",
        "properties": {"dealname": name, "dealstage": "new"},
        "associations": {"contacts": {"results": linked}},
        "updatedAt": f"2026-02-01T10:{minute:02d}:00Z",
    }


def load(
    conn: Connection, hubspot: Source, entity: str, *records: Any, minutes: float = 1
) -> None:
    begun = Load(conn, hubspot, hubspot.entities[entity])
    begun.write(*records, observed=at(minutes))
    begun.finish()


@pytest.mark.parametrize("table", ["raw.hubspot_contacts", "warehouse.contacts"])
def test_a_sentinel_does_not_pass_for_an_empty_row(
    conn: Connection, hubspot: Source, table: str
) -> None:
    load(conn, hubspot, "contacts", marked(1))
    column = "payload_hash" if table.startswith("raw") else "sync_hash"
    statement = f"UPDATE {table} SET {column} = '', is_deleted = true"
    conn.execute(statement)  # type: ignore[call-overload]

    erasing(conn, hubspot)

    assert places_of(conn, MARK) == set()


def test_a_table_with_a_computed_column(conn: Connection, hubspot: Source) -> None:
    conn.execute(
        "INSERT INTO warehouse.pipeline_stages (source_system, source_id, name,"
        " sync_hash, observed_at, job_id)"
        " VALUES ('hubspot', 'a:b', 'Won', 'x', now(), 1)"
    )
    request = Request(
        hubspot.entities["pipelines"], "hubspot", ["a:b"], "request", "cli"
    )
    with conn.transaction():
        erased = erase(conn, request)

    assert erased.counts["warehouse.pipeline_stages"] == 1
    assert rows(conn, "SELECT name, is_deleted FROM warehouse.pipeline_stages") == [
        (None, True)
    ]


def test_rejects_without_an_id_are_known_by_what_the_person_is_reached_by(
    conn: Connection, hubspot: Source
) -> None:
    nameless = {"properties": {"email": f"{MARK.upper()}@example.com"}}
    called = {"properties": {"lastname": MARK, "mobile": "+1 555 010 2030"}}
    other = {"properties": {"email": "bo@example.com", "phone": "+1 555 010 9999"}}
    person = marked(1, phone="+1 555 010 2030")
    load(conn, hubspot, "contacts", person, nameless, called, other)

    erasing(conn, hubspot)

    assert rows(
        conn,
        "SELECT resolved, record_data IS NULL FROM ops.sync_errors"
        " WHERE source_id IS NULL ORDER BY id",
    ) == [(True, True), (True, True), (False, False)]
    assert places_of(conn, MARK) == set()
    assert "ops.sync_errors.record_data" in places_of(conn, "bo@example.com")


@pytest.mark.parametrize("late", [False, True])
def test_the_next_contact_takes_the_place_of_an_erased_one(
    conn: Connection, hubspot: Source, late: bool
) -> None:
    load(conn, hubspot, "contacts", marked(1), marked(2, "Bo"), marked(3, "Cy"))
    if not late:
        load(conn, hubspot, "deals", deal(1, 2, 3))
    erasing(conn, hubspot)
    if late:
        load(conn, hubspot, "deals", deal(1, 2, 3))

    assert rows(conn, LEAD) == [("2", "2")]
    assert rows(conn, LINKS) == [("2",), ("3",)]


def test_a_later_read_does_not_bring_the_erased_one_back(
    conn: Connection, hubspot: Source
) -> None:
    load(conn, hubspot, "contacts", marked(1), marked(2, "Bo"))
    load(conn, hubspot, "deals", deal(1, 2))
    erasing(conn, hubspot)

    load(conn, hubspot, "deals", deal(1, 2, name="Attic", minute=5), minutes=3)

    assert rows(conn, "SELECT name FROM warehouse.leads") == [("Attic",)]
    assert rows(conn, LEAD) == [("2", "2")]
    assert rows(conn, LINKS) == [("2",)]


def test_nobody_takes_the_place_of_an_only_contact(
    conn: Connection, hubspot: Source
) -> None:
    load(conn, hubspot, "contacts", marked(1))
    load(conn, hubspot, "deals", deal(1))
    erasing(conn, hubspot)
    load(conn, hubspot, "deals", deal(1, name="Attic", minute=5), minutes=3)

    assert rows(conn, LEAD) == [(None, None)]
    assert rows(conn, LINKS) == []
