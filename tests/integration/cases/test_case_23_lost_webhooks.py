"""Case 23: one delivery in a hundred is lost; the next load restores, and it counts."""

import pytest

from crm_warehouse.engine import webhook_gaps
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from tests.proof.house import House, Open
from tests.proof.inbox_door import InboxDoor
from tests.proof.oracle import compare
from tests.proof.stage import delivered

DELIVERIES = 100
LOST = frozenset({37})
GAPS = "SELECT entity_type, created, changed, deleted FROM ops.webhook_gaps"


@pytest.mark.parametrize(
    ("system", "entity"), [("hubspot", "contacts"), ("activeprospect", "leads")]
)
def test_the_next_load_restores_what_was_lost(
    open_house: Open, monkeypatch: pytest.MonkeyPatch, system: str, entity: str
) -> None:
    monkeypatch.setattr(webhook_gaps, "TOLERANCE_SECONDS", 0.0)
    house: House = open_house(system)
    house.sync(entity, "full")
    with InboxDoor(house.conninfo, system) as door:
        call = {"target": door.url, "secret": "an invented one"}
        house.sandbox.admin("POST", "/webhooks", call)
        house.sandbox.move(entity, "create", 1)
        delivered(house.sandbox)
        house.merge_webhooks()  # who never had an event misses none
        door.lose = LOST
        for _ in range(DELIVERIES):
            house.sandbox.move(entity, "create", 1)
        delivered(house.sandbox)
        house.sandbox.admin("DELETE", "/webhooks")

    assert house.merge_webhooks().records_created == DELIVERIES - len(LOST)
    missed = compare(house.conninfo, house.sandbox, entity).missing
    assert len(missed) == len(LOST)
    house.sync(entity)

    assert not compare(house.conninfo, house.sandbox, entity)
    maintain(MaintenanceRequest([house.source]), conninfo=house.conninfo)
    assert [tuple(row.values()) for row in house.rows(GAPS)] == [
        (entity, len(LOST), 0, 0)
    ]
