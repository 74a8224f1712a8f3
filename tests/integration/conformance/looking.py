"""How the suite looks at a warehouse."""

from dataclasses import replace
from typing import Any

from crm_warehouse.spec import Quota, Source
from tests.proof.house import House
from tests.proof.oracle import compare_all

_LINKS = ("warehouse.lead_contacts", "warehouse.company_contacts")


class PowerCutError(BaseException):
    """The power is gone: nothing is recorded any more."""


def equal(house: House, entity: str) -> bool:
    """Whether the warehouse holds what the source does, nothing else, nothing less."""
    return compare_all(house.conninfo, house.sandbox, entity) == {}


def some(house: House, entity: str, most: int) -> int:
    """So many records, or a sixth of them where there are few: no guard is alarmed."""
    return min(most, len(house.sandbox.truth(entity)) // 6)


def deep_marks(house: House) -> list[dict[str, Any]]:
    """Where every row lies and who wrote it: moves when a row is written."""
    entities = house.source.entities.values()
    tables = [
        *(f"raw.{each.raw_table}" for each in entities),
        *sorted({f"warehouse.{v.into}" for each in entities for v in each.views()}),
        *_LINKS,
    ]
    parts = (
        f"SELECT '{t}' AS t, xmin::text AS x, ctid::text AS c FROM {t}" for t in tables
    )
    return house.rows(f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3")


def errors_of(house: House) -> tuple[list[str], set[tuple[str | None, str]]]:
    """Reasons of the rejects, and which field of which record was warned of."""
    found = house.rows(
        "SELECT severity, error_type, source_id, field FROM ops.sync_errors"
    )
    reasons = sorted(e["error_type"] for e in found if e["severity"] == "error")
    warned = {
        (e["source_id"], e["field"].rpartition(".")[2])
        for e in found
        if e["severity"] == "warning"
    }
    return reasons, warned


def slower(source: Source, quota: Quota) -> Source:
    """The source with this quota only, one request after the other."""
    return replace(source, quotas=(quota,), in_flight=1, webhook_share=0.0)
