"""What is part of an erased record: gone with it, and kept out with it."""

from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, Load, rows
from psycopg import sql

from crm_warehouse.engine.erased_parts import parts_of
from crm_warehouse.engine.erasure import Erased, Request, erase
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

MARK = "zebedee"
RAW = ["raw.activeprospect_leads", "raw.activeprospect_events"]
ROWS = ["warehouse.contacts", "warehouse.leads", "warehouse.lead_events"]
KEPT_OUT = "SELECT entity_type, source_id FROM ops.erased_records ORDER BY 1, 2"


@pytest.fixture
def family() -> Source:
    return load_source(default_directory() / "activeprospect.yaml")


@pytest.fixture
def leadconduit(family: Source) -> Source:
    return family.profiles["leadconduit"]


def step(number: int, lead: str, kind: str = "recipient") -> dict[str, Any]:
    """An event; each has the whole form."""
    name = MARK if lead == "L1" else "somebody"
    return {
        "id": f"e{number}",
        "type": kind,
        "outcome": "success",
        "end_timestamp": 1_770_000_000_000 + number,
        "vars": {"lead": {"id": lead, "email": f"{name}@example.com"}},
    }


def load(conn: Connection, source: Source, entity: str, *records: Any) -> Load:
    job = Load(conn, source, source.entities[entity])
    job.write(*records)
    job.finish()
    return job


def erasing(conn: Connection, family: Source, lead: str = "L1") -> Erased:
    entity = family.profiles["leadconduit"].entities["leads"]
    parts = parts_of(conn, family, family.name, entity)
    with conn.transaction():
        request = Request(entity, family.name, [lead], "request", "cli", parts)
        return erase(conn, request)


def left(conn: Connection, mark: str = MARK) -> list[str]:
    """Tables that hold the mark, once for each record."""
    found = []
    for name in (*RAW, *ROWS, "ops.sync_errors"):
        table = sql.Identifier(*name.split("."))
        statement = sql.SQL("SELECT t::text FROM {} AS t").format(table)
        held = conn.execute(statement).fetchall()
        found += [name for (text,) in held if mark in text]
    return found


def test_the_steps_of_an_erased_lead_are_erased(
    conn: Connection, family: Source, leadconduit: Source
) -> None:
    load(conn, leadconduit, "leads", step(3, "L1", "source"), step(4, "L2", "source"))
    load(conn, leadconduit, "events", *(step(n, "L1") for n in (1, 2)), step(5, "L2"))
    # One that is no row, as a validation rule may have it.
    conn.execute("DELETE FROM warehouse.lead_events WHERE source_id = 'e2'")

    erased = erasing(conn, family)

    assert left(conn) == []
    assert left(conn, "somebody") == [*RAW, "warehouse.contacts"]
    assert erased.ids == ["L1"]
    assert erased.counts["raw.activeprospect_events"] == 2
    assert erased.counts["raw.activeprospect_leads"] == 1
    kept_out = [("events", "e1"), ("events", "e2"), ("leads", "L1")]
    assert rows(conn, KEPT_OUT) == kept_out
    audited = "SELECT count(*) FROM ops.audit_log WHERE action = 'record.erased'"
    assert rows(conn, audited) == [(3,)]


def test_a_step_that_waits_for_its_lead_is_erased_too(
    conn: Connection, family: Source, leadconduit: Source
) -> None:
    load(conn, leadconduit, "events", step(1, "L1"))

    erasing(conn, family)

    assert left(conn) == []


def test_a_step_that_comes_after_the_erasure_is_not_stored(
    conn: Connection, family: Source, leadconduit: Source
) -> None:
    load(conn, leadconduit, "events", step(1, "L1"), step(5, "L2"))
    erasing(conn, family)

    # Feedback of weeks later, one that cannot be a row, and the list read again.
    late = step(9, "L1", "feedback-received")
    job = load(conn, leadconduit, "events", late, step(1, "L1"), step(5, "L2"))

    assert left(conn) == []
    counts = (job.job.records_received, job.job.records_failed)
    assert counts == (3, 0)
    assert rows(conn, "SELECT count(*) FROM raw.activeprospect_events") == [(2,)]


def test_numbers_and_addresses_go_with_their_contact(conn: Connection) -> None:
    family = load_source(default_directory() / "marketsharp.yaml")
    odata = family.profiles["odata"]
    load(conn, odata, "contacts", {"id": "c1", "firstName": MARK})
    load(conn, odata, "contact_phones", {"contactId": "c1", "note": MARK})
    load(conn, odata, "addresses", {"id": "a1", "contactId": "c1", "line1": MARK})
    entity = odata.entities["contacts"]
    parts = parts_of(conn, family, family.name, entity)

    with conn.transaction():
        erase(conn, Request(entity, family.name, ["c1"], "request", "cli", parts))

    kept_out = [("addresses", "a1"), ("contact_phones", "c1"), ("contacts", "c1")]
    assert rows(conn, KEPT_OUT) == kept_out
    for table in ("contacts", "contact_phones", "addresses"):
        raw = sql.Identifier("raw", f"marketsharp_{table}")
        statement = sql.SQL("SELECT payload FROM {}").format(raw)
        assert conn.execute(statement).fetchall() == [({},)]


def test_parts_are_those_of_the_profile_that_was_loaded(
    conn: Connection, family: Source, leadconduit: Source
) -> None:
    leads = family.entities["leads"]
    load(conn, leadconduit, "events", step(1, "L1"))

    [part] = parts_of(conn, family, family.name, leads)

    assert part.entity == leadconduit.entities["events"]
    assert parts_of(conn, family, family.name, part.entity) == []
    assert parts_of(conn, replace(family, profiles={}), family.name, leads) != []
