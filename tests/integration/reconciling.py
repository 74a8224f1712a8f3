"""What tests of reconciliation share: run one, and read what it wrote down."""

from typing import Any

from crm_warehouse.engine.reconcile import (
    ReconcileRequest,
    ReconcileResult,
    reconcile,
)
from tests.proof.house import House


def run(house: House, entity: str, **options: Any) -> ReconcileResult:
    """One reconciliation; options are those of the request, and ``progress``."""
    progress = options.pop("progress", None)
    request = ReconcileRequest(
        house.source, house.source.entities[entity], house.source.name, **options
    )
    return reconcile(
        request,
        conninfo=house.conninfo,
        open_client=house.open_client,
        progress=progress,
    )


def found(house: House, result: ReconcileResult) -> dict[str, set[str]]:
    """Ids by reason, as the table has them."""
    rows = house.rows(
        "SELECT reason, source_id FROM ops.reconciliation_differences"
        " WHERE reconciliation_id = %s",
        result.reconciliation_id,
    )
    by_reason: dict[str, set[str]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], set()).add(row["source_id"])
    return by_reason


def fields(house: House, result: ReconcileResult, reason: str) -> set[str]:
    """Names of all fields that differ for a reason."""
    rows = house.rows(
        "SELECT DISTINCT unnest(fields) AS name FROM ops.reconciliation_differences"
        " WHERE reconciliation_id = %s AND reason = %s",
        result.reconciliation_id,
        reason,
    )
    return {row["name"] for row in rows}
