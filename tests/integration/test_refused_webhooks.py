"""HubSpot refuses one entity: its webhooks rest, all others are in the warehouse."""

import pytest
from test_webhooks import OURS, delivered, house, receiver

from crm_warehouse.errors import MissingScopeError
from tests.proof.house import House
from tests.proof.oracle import compare_all

__all__ = ["house", "receiver"]

AIRFLOW = {**OURS, "spares_resting": True, "triggered_by": "airflow"}
RESTS = "SELECT entity_type, category, tries FROM ops.webhook_rests"
PENDING = (
    "SELECT DISTINCT entity_type FROM staging.webhook_events WHERE state = 'pending'"
)


def change(house: House) -> None:
    for entity in ("contacts", "deals", "companies"):
        house.sandbox.move(entity, "change", 10)
        house.sandbox.move(entity, "create", 3)
    delivered(house)


def test_a_withheld_scope_lets_its_entity_rest_and_no_other(house: House) -> None:
    house.sandbox.configure(withheld_scopes=["crm.objects.deals.read"])
    change(house)

    with pytest.raises(MissingScopeError, match="deals"):
        house.merge_webhooks(**AIRFLOW)

    rest = [{"entity_type": "deals", "category": "missing_scope", "tries": 1}]
    assert house.rows(RESTS) == rest
    change(house)
    assert house.merge_webhooks(**AIRFLOW).records_created == 6
    assert house.rows(PENDING) == [{"entity_type": "deals"}]
    for entity in ("contacts", "companies"):
        assert compare_all(house.conninfo, house.sandbox, entity) == {}

    house.sandbox.configure(withheld_scopes=[])
    assert house.merge_webhooks(**AIRFLOW).requests == 0
    house.rows("UPDATE ops.webhook_rests SET until = clock_timestamp()")
    assert house.merge_webhooks(**AIRFLOW).records_created == 6

    assert house.rows(RESTS) == []
    assert house.rows(PENDING) == []
    for entity in house.source.entities:
        assert compare_all(house.conninfo, house.sandbox, entity) == {}
