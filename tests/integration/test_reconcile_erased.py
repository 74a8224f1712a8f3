"""What names an erased record, or is part of it: the source has it, nothing differs."""

import psycopg
from leadconduit_house import real_house
from reconciling import run
from test_hubspot_states import house, small

from crm_warehouse.engine.erasure import Request, erase
from include.sandbox.server import SandboxServer
from tests.proof.house import House

__all__ = ["house", "small"]

_SEVERAL = (
    "SELECT lead_source_id AS lead, array_agg(contact_source_id ORDER BY position)"
    " AS contacts FROM warehouse.lead_contacts GROUP BY 1"
    " HAVING count(DISTINCT contact_source_id) > 1 ORDER BY 1 LIMIT 1"
)


def test_an_erased_contact_is_no_difference(house: House) -> None:
    [deal] = house.rows(_SEVERAL)
    first, *others = dict.fromkeys(deal["contacts"])
    request = Request(
        house.source.entities["contacts"], "hubspot", [first], "request", "cli"
    )
    with psycopg.connect(house.conninfo) as conn:
        erase(conn, request)

    found = run(house, "deals")

    assert (found.verdict, found.by_reason) == ("equal", {})
    primary = house.value(
        "SELECT contact_source_id FROM warehouse.leads WHERE source_id = %s",
        deal["lead"],
    )
    assert primary == others[0]


def test_a_step_of_an_erased_lead_is_no_difference(
    warehouse: str, sandbox: SandboxServer
) -> None:
    house = real_house(warehouse, sandbox.crm("activeprospect"))
    house.sync("leads")
    steps = house.sandbox.events()
    lead = steps[0]["lead_source_id"]
    request = Request(
        house.source.entities["leads"], "activeprospect", [lead], "request", "cli"
    )
    with psycopg.connect(house.conninfo) as conn:
        erase(conn, request)
    house.sync("events")

    found = run(house, "events")

    assert (found.verdict, found.by_reason) == ("equal", {})
    others = [row for row in steps if row["lead_source_id"] != lead]
    assert house.value("SELECT count(*) FROM warehouse.lead_events") == len(others)
