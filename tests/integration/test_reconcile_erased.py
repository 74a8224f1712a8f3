"""A deal whose first contact was erased: the source still lists it, nothing differs."""

import psycopg
from reconciling import run
from test_hubspot_states import house, small

from crm_warehouse.engine.erasure import Request, erase
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
