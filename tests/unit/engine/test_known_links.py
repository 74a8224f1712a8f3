"""Who is linked by known keys, whoever came first, and where records contradict."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows
from test_known_keys import contact, load, prospect

from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.source_files import default_directory, load_sources
from crm_warehouse.spec import Source
from crm_warehouse.unified import UNIFIED

LINKS = (
    "SELECT l.source_system, l.source_id, l.said_by, l.key_kind, l.linked_source_id,"
    " l.state FROM identity.known_links AS l ORDER BY 1, 2, 3, 4, 5"
)
CONFLICTS = (
    "SELECT conflict, source_system, source_ids, linked_system, linked_source_ids"
    " FROM identity.known_conflicts ORDER BY conflict, source_system, source_ids"
)
GENIUS, HUBSPOT = "genius.prospects", "hubspot.contacts"
CERT = "https://cert.example.com/ab"


@pytest.fixture(scope="session")
def sources() -> dict[str, Source]:
    return load_sources(default_directory())


@pytest.fixture
def genius(sources: dict[str, Source]) -> Source:
    return sources["genius"]


@pytest.fixture
def hubspot(sources: dict[str, Source]) -> Source:
    return sources["hubspot"]


def delete(conn: Connection, source: Source, entity: str, *ids: str) -> None:
    begun = Load(conn, source, source.entities[entity])
    begun.loader.write(
        begun.job, Chunk(begun.mapping, SeenIds()), None, gone=Gone(list(ids), at(99))
    )


def test_a_link_dangles_until_its_partner_comes(
    conn: Connection, genius: Source, hubspot: Source
) -> None:
    load(conn, genius, prospect(1, hubspot_contact_id=7))
    assert rows(conn, LINKS) == [("genius", "1", "1", HUBSPOT, "7", "dangling")]

    load(conn, hubspot, contact(7), entity="contacts")
    assert rows(conn, LINKS) == [("genius", "1", "1", HUBSPOT, "7", "linked")]
    assert rows(
        conn,
        "SELECT c.source_id, o.source_id, l.row_id = c.id, l.linked_row_id = o.id,"
        " l.job_id = k.job_id FROM identity.known_links AS l"
        " JOIN warehouse.contacts AS c ON c.id = l.contact_id"
        " JOIN warehouse.contacts AS o ON o.id = l.linked_contact_id"
        " JOIN identity.known_keys AS k ON k.id = l.statement_id",
    ) == [("1", "7", True, True, True)]

    delete(conn, hubspot, "contacts", "7")
    assert rows(conn, LINKS) == [("genius", "1", "1", HUBSPOT, "7", "deleted")]

    delete(conn, genius, "prospects", "1")
    assert rows(conn, LINKS) == []


def test_a_contact_is_linked_to_the_contact_of_a_lead(
    conn: Connection, sources: dict[str, Source]
) -> None:
    leads = sources["activeprospect"]
    lead = {"id": "a1", "lead": {"first_name": "Ann", "trustedform_cert_url": CERT}}
    load(conn, leads, lead, entity="leads")
    hubspot = contact(7, ap_leadid="a1", trustedform_cert_url=f"{CERT} ")
    load(conn, sources["hubspot"], hubspot, entity="contacts")

    assert rows(conn, LINKS) == [
        ("activeprospect", "a1", "a1", "certificate", "7", "linked"),
        ("hubspot", "7", "7", "activeprospect.leads", "a1", "linked"),
    ]
    assert rows(
        conn,
        "SELECT c.source_id, o.source_id, o.source_system, d.source_id"
        " FROM identity.known_links AS l"
        " JOIN warehouse.contacts AS c ON c.id = l.contact_id"
        " JOIN warehouse.contacts AS o ON o.id = l.linked_contact_id"
        " JOIN warehouse.leads AS d ON d.id = l.linked_row_id"
        " WHERE l.key_kind = 'activeprospect.leads'",
    ) == [("7", "a1", "activeprospect", "a1")]


@pytest.mark.parametrize(("carried", "pairs"), [(8, 28), (9, 0)])
def test_what_many_carry_links_nobody(
    conn: Connection, hubspot: Source, carried: int, pairs: int
) -> None:
    records = [contact(n, trustedform_cert_url=CERT) for n in range(carried)]
    load(conn, hubspot, *records, entity="contacts")

    assert rows(conn, "SELECT count(*) FROM identity.known_links") == [(pairs,)]


@pytest.mark.parametrize("order", [*permutations(("loser", "told", "named"))])
def test_a_survivor_says_and_is_what_the_merged_one_did(
    conn: Connection, genius: Source, hubspot: Source, order: tuple[str, ...]
) -> None:
    merging = {"hs_merged_object_ids": "7"}
    loads = {
        "loser": (hubspot, contact(7, genius_id="1"), "contacts"),
        "told": (hubspot, contact(8, **merging), "contacts"),
        "named": (genius, prospect(1, hubspot_contact_id=7), "prospects"),
    }
    for minute, step in enumerate(order):
        source, record, entity = loads[step]
        load(conn, source, record, minutes=minute, entity=entity)
    # An old page, or an archive, may still have it.
    load(conn, hubspot, contact(7, genius_id="1"), minutes=9, entity="contacts")

    assert rows(conn, LINKS) == [
        ("genius", "1", "1", HUBSPOT, "8", "linked"),
        ("hubspot", "8", "7", GENIUS, "1", "linked"),
    ]
    assert rows(conn, CONFLICTS) == []


def test_what_a_merged_record_had_taken_back_counts_for_nobody(
    conn: Connection, genius: Source, hubspot: Source
) -> None:
    load(conn, genius, prospect(1), prospect(2))
    load(conn, hubspot, contact(7, genius_id="1"), entity="contacts")
    load(conn, hubspot, contact(7, genius_id="2"), minutes=1, entity="contacts")
    merged = contact(8, hs_merged_object_ids="7")
    load(conn, hubspot, merged, minutes=2, entity="contacts")

    assert rows(conn, LINKS) == [("hubspot", "8", "7", GENIUS, "2", "linked")]


def test_contradictions_are_told(
    conn: Connection, genius: Source, hubspot: Source
) -> None:
    load(
        conn,
        genius,
        prospect(1, hubspot_contact_id=11),
        prospect(2, hubspot_contact_id=13),
        prospect(3),
        prospect(4, hubspot_contact_id=14),
    )
    load(
        conn,
        hubspot,
        contact(11, genius_id="1"),  # both agree
        contact(12, genius_id="2"),  # 2 says 13
        contact(13, genius_id="2"),
        contact(14, genius_id="3;4"),
        contact(15, genius_id="99"),  # nobody is 99
        entity="contacts",
    )

    assert rows(conn, CONFLICTS) == [
        ("claimed_by_several", "hubspot", ["12", "13"], "genius", ["2"]),
        ("denied", "hubspot", ["12", "13"], "genius", ["2"]),
        ("names_several", "hubspot", ["14"], "genius", ["3", "4"]),
    ]

    delete(conn, genius, "prospects", "2")
    assert [row[0] for row in rows(conn, CONFLICTS)] == ["names_several"]


def test_every_table_of_records_may_be_named(conn: Connection) -> None:
    definition = rows(conn, "SELECT pg_get_viewdef('identity.records'::regclass)")

    assert [
        table for table in UNIFIED if f"warehouse.{table}" not in str(definition)
    ] == []


def test_a_link_of_a_visit_leads_to_its_contact(
    conn: Connection, genius: Source
) -> None:
    keys = replace(genius.entities["prospects"].known_keys[0], kind="x")
    visits = replace(genius.entities["appointments"], known_keys=(keys,))
    load(conn, genius, prospect(1))
    record: dict[str, Any] = {
        "prospect_id": 1,
        "scheduled_date": "2026-03-03T10:00:00Z",
        "hubspot_contact_id": "K",
    }
    begun = Load(conn, genius, visits)
    begun.write({"id": 5, **record}, {"id": 6, **record})
    begun.finish()

    assert rows(
        conn,
        "SELECT c.source_id, o.source_id FROM identity.known_links AS l"
        " JOIN warehouse.contacts AS c ON c.id = l.contact_id"
        " JOIN warehouse.contacts AS o ON o.id = l.linked_contact_id",
    ) == [("1", "1")]


def test_contradictions_are_grouped_not_joined(conn: Connection) -> None:
    plan = rows(conn, "EXPLAIN SELECT * FROM identity.known_conflicts")

    # Both ends of a link are read once. Joined with themselves, whose number nobody can
    # estimate, they would be read once for each link.
    assert str(plan).count("CTE Scan on named") == 2


def test_what_one_record_says_is_an_index_look_up(conn: Connection) -> None:
    conn.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    asked = (
        "EXPLAIN SELECT FROM identity.said_keys WHERE source_system = 'hubspot'"
        " AND entity_type = 'contacts' AND source_id = '101'"
    )

    plan = [line.strip() for (line,) in rows(conn, asked)]

    found = [line for line in plan if "source_id = '101'::text" in line]
    assert len(found) == 2, plan
    assert all(line.startswith("Index Cond:") for line in found), plan
