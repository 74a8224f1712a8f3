"""Compare warehouse and source truth, row by row and in both directions.

Neither side's code has a part in it: the sandbox writes down what the warehouse must
hold, this module reads what it does hold, and both become hashes of the same form.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from include.sandbox.server import SandboxServer

#: Genius entity -> unified table.
TABLES = {
    "prospects": "contacts",
    "appointments": "appointments",
    "users": "users",
    "divisions": "divisions",
    "marketing_sources": "marketing_sources",
}
_ABOUT = frozenset({"expect", "defect", "null_fields", "warnings", "reason", "field"})


@dataclass(frozen=True)
class Difference:
    """What does not agree; all empty when warehouse and source are equal.

    Attributes:
        missing: Ids that the source has and the warehouse has not.
        extra: Live ids that the warehouse has and the source has not.
        different: Ids whose rows differ.
    """

    missing: list[str]
    extra: list[str]
    different: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.different)


def row_hash(row: dict[str, Any]) -> str:
    """Hash of a row's values by column name; instants in UTC."""
    plain = {key: _plain(value) for key, value in row.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def truth_hashes(sandbox: SandboxServer, entity: str) -> dict[str, str]:
    """Source id -> hash of the row that the warehouse must hold."""
    hashes = {}
    for line in sandbox.truth(entity):
        if line["expect"] == "keep":
            row = {key: value for key, value in line.items() if key not in _ABOUT}
            hashes[row["source_id"]] = row_hash(_with_instants(row))
    return hashes


def _with_instants(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: datetime.fromisoformat(value)
        if value and key.endswith(("_at", "scheduled_date"))
        else value
        for key, value in row.items()
    }


def warehouse_hashes(conninfo: str, entity: str, columns: list[str]) -> dict[str, str]:
    """Source id -> hash of the live row that the warehouse holds."""
    statement = sql.SQL("SELECT {} FROM warehouse.{} WHERE NOT is_deleted").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(TABLES[entity]),
    )
    with psycopg.connect(conninfo) as conn:
        cursor = conn.execute(statement)
        rows = [dict(zip(columns, row, strict=True)) for row in cursor]
    return {row["source_id"]: row_hash(row) for row in rows}


def compare(conninfo: str, sandbox: SandboxServer, entity: str) -> Difference:
    """Truth against warehouse."""
    kept = next(line for line in sandbox.truth(entity) if line["expect"] == "keep")
    columns = [key for key in kept if key not in _ABOUT]
    truth = truth_hashes(sandbox, entity)
    held = warehouse_hashes(conninfo, entity, columns)
    return Difference(
        missing=sorted(truth.keys() - held.keys()),
        extra=sorted(held.keys() - truth.keys()),
        different=sorted(k for k in truth.keys() & held.keys() if truth[k] != held[k]),
    )
