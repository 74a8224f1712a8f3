"""An event of a delivered lead has the id of the row that the lead becomes."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from engine_load import Connection, rows
from test_carried_records import FORM, JSON, deliver, merging, polled, source
from test_erasure import MARK, places_of

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from crm_warehouse.spec import Source, with_profile

__all__ = ["source"]

EVENT = "SELECT object_id FROM staging.webhook_events WHERE state = 'merged'"
RAW = "SELECT source_id FROM raw.activeprospect_leads"
#: Ids at the places where a lead may have one.
PLACES = [
    {"id": "top"},
    {"lead.id": "form"},
    {"vars.lead.id": "vars"},
    {"id": "top", "lead.id": "form"},
    {"id": "top", "vars.lead.id": "vars"},
    {"lead.id": "form", "vars.lead.id": "vars"},
    {"id": "top", "lead.id": "form", "vars.lead.id": "vars"},
    {"id": "x" * 513, "lead.id": "form", "vars.lead.id": "vars"},
    {"id": "top", "vars.lead.id": "x" * 513},
]


def as_json(ids: dict[str, str]) -> str:
    record: dict[str, Any] = {}
    for path, value in {**ids, "lead.first_name": MARK}.items():
        *steps, last = path.split(".")
        holder = record
        for step in steps:
            holder = holder.setdefault(step, {})
        holder[last] = value
    return json.dumps(record)


def as_form(ids: dict[str, str]) -> str:
    return urlencode({**ids, "lead.first_name": MARK})


def as_xml(ids: dict[str, str]) -> str:
    fields = f"<first_name>{MARK}</first_name>"
    top, form, own = (
        f"<id>{ids[each]}</id>" if each in ids else ""
        for each in ("id", "lead.id", "vars.lead.id")
    )
    inside = f"<vars><lead>{own}</lead></vars>" if own else ""
    return f"<root>{top}<lead>{form}{fields}</lead>{inside}</root>"


FORMS = {JSON: as_json, FORM: as_form, "text/xml": as_xml}


@pytest.mark.parametrize("ids", PLACES)
@pytest.mark.parametrize("profile", [None, "leadconduit"])
def test_the_events_id_is_the_rows_and_an_erasure_finds_it(
    conn: Connection,
    warehouse: str,
    source: Source,
    profile: str | None,
    ids: dict[str, str],
) -> None:
    used = with_profile(source, profile) if profile else source
    for content_type, write in FORMS.items():
        deliver(conn, body=write(ids).encode(), content_type=content_type)
    merging(warehouse, used)

    known = {source_id for (source_id,) in rows(conn, RAW)}
    events = {source_id for (source_id,) in rows(conn, EVENT)}
    assert events - {None} == known
    assert len(events) == 1
    for source_id in known:
        asked = Request(
            used.entities["leads"], "activeprospect", [source_id], "request", "me"
        )
        with conn.transaction():
            erase(conn, asked)
        redact_inbox(conn, used, "activeprospect", actor="me")
        assert places_of(conn, MARK) == set()


def test_maintenance_finds_it_where_the_profile_has_it(
    conn: Connection, warehouse: str, source: Source
) -> None:
    """It has no connection at hand, which names the profile."""
    used = with_profile(source, "leadconduit")
    lead = {"id": "e1", "vars": {"lead": {"id": "66a1", "first_name": MARK}}}
    deliver(conn, body=json.dumps(lead).encode())
    recorded = {"vars": {"lead": {"id": "66a2"}}}
    polled(conn, used, recorded)
    merging(warehouse, used)
    with conn.transaction():
        leads = used.entities["leads"]
        erase(conn, Request(leads, "activeprospect", ["66a1"], "request", "me"))

    maintain(MaintenanceRequest([source]), conninfo=warehouse)

    assert places_of(conn, MARK) == set()
