"""Compare warehouse and source truth, row by row and in both directions.

Neither side's code has a part in it: the sandbox writes down what the warehouse must
hold, this module reads what it does hold, and both become hashes of the same form.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer

#: System -> entity -> the unified tables that its records fill, its own first.
FILLED: dict[str, dict[str, tuple[str, ...]]] = {
    "genius": {
        "prospects": ("contacts",),
        "appointments": ("appointments",),
        "users": ("users",),
        "divisions": ("divisions",),
        "marketing_sources": ("marketing_sources",),
    },
    "hubspot": {
        "contacts": ("contacts",),
        "companies": ("companies",),
        "deals": ("leads",),
    },
    "marketsharp": {
        "contacts": ("contacts",),
        "leads": ("leads",),
        "jobs": ("jobs",),
        "activities": ("activities",),
    },
    "activeprospect": {"leads": ("leads", "contacts"), "events": ("lead_events",)},
}
#: Short lists that every run reads whole, likewise.
DIRECTORIES: dict[str, dict[str, tuple[str, ...]]] = {
    "hubspot": {"owners": ("users",), "pipelines": ("pipeline_stages",)},
}
#: Genius entity -> unified table.
TABLES = {entity: tables[0] for entity, tables in FILLED["genius"].items()}
#: Unified table -> table of its links to contacts, and its column there.
LINKS = {
    "leads": ("lead_contacts", "lead_source_id"),
    "companies": ("company_contacts", "company_source_id"),
}
#: What a line of the truth says besides columns.
ABOUT = frozenset({"expect", "defect", "null_fields", "warnings", "reason", "field"})
_LINKS = "links"

Source = SandboxServer | Crm


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


def tables_of(system: str, entity: str) -> tuple[str, ...]:
    """The unified tables that an entity's records fill, its own first."""
    return {**FILLED[system], **DIRECTORIES.get(system, {})}[entity]


def row_hash(row: dict[str, Any]) -> str:
    """Hash of a row's values by column name; instants in UTC."""
    plain = {key: _plain(value) for key, value in row.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, Decimal) else value


def truth_rows(source: Source, entity: str, into: str) -> list[dict[str, Any]]:
    """The rows that the warehouse must hold, instants parsed."""
    own = tables_of(source.system, entity)[0]
    lines = source.truth(entity, None if into == own else into)
    return [
        {key: _value(key, value) for key, value in line.items() if key not in ABOUT}
        for line in lines
        if line["expect"] == "keep"
    ]


def _value(key: str, value: Any) -> Any:
    if value and key.endswith(("_at", "scheduled_date")):
        return datetime.fromisoformat(value)
    if key == _LINKS:
        return sorted([contact, str(kind)] for contact, kind in value)
    return value


def warehouse_rows(
    conninfo: str, system: str, into: str, columns: list[str]
) -> list[dict[str, Any]]:
    """The live rows that the warehouse holds."""
    plain = [column for column in columns if column != _LINKS]
    statement = sql.SQL(
        "SELECT {} FROM warehouse.{} WHERE NOT is_deleted AND source_system = %s"
    ).format(sql.SQL(", ").join(map(sql.Identifier, plain)), sql.Identifier(into))
    with psycopg.connect(conninfo) as conn:
        cursor = conn.execute(statement, [system])
        rows = [dict(zip(plain, row, strict=True)) for row in cursor]
        if _LINKS in columns:
            links = _links(conn, system, into)
            for row in rows:
                row[_LINKS] = sorted(links.get(row["source_id"], []))
    return rows


def _links(conn: Any, system: str, into: str) -> dict[str, list[list[str]]]:
    table, child = LINKS[into]
    statement = sql.SQL(
        "SELECT {}, contact_source_id, type FROM warehouse.{} WHERE source_system = %s"
    ).format(sql.Identifier(child), sql.Identifier(table))
    found: dict[str, list[list[str]]] = {}
    for child_id, contact_id, kind in conn.execute(statement, [system]):
        found.setdefault(child_id, []).append([contact_id, kind])
    return found


def truth_hashes(source: Source, entity: str) -> dict[str, str]:
    """Source id -> hash of the row that the warehouse must hold."""
    own = tables_of(source.system, entity)[0]
    return _hashes(truth_rows(source, entity, own))


def _hashes(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["source_id"]: row_hash(row) for row in rows}


def compare(
    conninfo: str, source: Source, entity: str, into: str | None = None
) -> Difference:
    """Truth against warehouse, for one of the tables that the entity fills."""
    table = into or tables_of(source.system, entity)[0]
    truth = truth_rows(source, entity, table)
    assert truth, f"{source.system} has no {entity}: nothing would be compared"
    held = warehouse_rows(conninfo, source.system, table, list(truth[0]))
    wanted, found = _hashes(truth), _hashes(held)
    return Difference(
        missing=sorted(wanted.keys() - found.keys()),
        extra=sorted(found.keys() - wanted.keys()),
        different=sorted(
            k for k in wanted.keys() & found.keys() if wanted[k] != found[k]
        ),
    )


def compare_all(conninfo: str, source: Source, entity: str) -> dict[str, Difference]:
    """Differences of every table that the entity fills; empty when all are equal."""
    found = {
        table: compare(conninfo, source, entity, table)
        for table in tables_of(source.system, entity)
    }
    return {table: difference for table, difference in found.items() if difference}


def state_differences(conninfo: str, source: Crm, entity: str) -> list[str]:
    """What the warehouse has wrong of merged and erased records; empty when nothing.

    Every merged record must lead to its survivor, be a tombstone where there is a row,
    and be nobody's parent; of an erased one nothing may be left but its id.
    """
    states = source.admin("GET", f"/{entity}/states")
    own = FILLED[source.system][entity][0]
    with psycopg.connect(conninfo) as conn:
        redirects: dict[str, str] = dict(
            conn.execute(
                "SELECT source_id, survivor_source_id FROM warehouse.merged_records"
                " WHERE source_system = %s AND unified_table = %s",
                [source.system, own],
            ).fetchall()
        )
        lost = {k for k in states["merged"] if redirects.get(k) != states["merged"][k]}
        found = [f"merged {each}: {redirects.get(each)}" for each in sorted(lost)]
        for ids, word in ((states["merged"], "merged"), (states["erased"], "erased")):
            found += [
                f"{word} {source_id}: {problem}"
                for source_id, problem in _remains(conn, source, entity, list(ids))
            ]
        left = sql.SQL(
            "SELECT source_id FROM raw.{} WHERE source_system = %s"
            " AND source_id = ANY(%s) AND payload <> '{{}}'"
        ).format(sql.Identifier(f"{source.system}_{entity}"))
        rows = conn.execute(left, [source.system, states["erased"]]).fetchall()
        return found + [f"erased {source_id}: payload" for (source_id,) in rows]


def _remains(
    conn: Any, source: Crm, entity: str, ids: list[str]
) -> list[tuple[str, str]]:
    """Ids that still live, or that children still name."""
    own = FILLED[source.system][entity][0]
    statements = {
        "lives": sql.SQL(
            "SELECT source_id FROM warehouse.{} WHERE NOT is_deleted"
            " AND source_system = %s AND source_id = ANY(%s)"
        ).format(sql.Identifier(own))
    }
    if own == "contacts":
        for table in ("leads", *(table for table, _ in LINKS.values())):
            statements[f"named in {table}"] = sql.SQL(
                "SELECT contact_source_id FROM warehouse.{}"
                " WHERE source_system = %s AND contact_source_id = ANY(%s)"
            ).format(sql.Identifier(table))
    return [
        (source_id, problem)
        for problem, statement in statements.items()
        for (source_id,) in conn.execute(statement, [source.system, ids])
    ]
