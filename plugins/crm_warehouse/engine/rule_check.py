"""What a validation rule would do to the records that are here; writes nothing."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from crm_warehouse.engine import payload
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import CHUNK_BYTES, CHUNK_RECORDS
from crm_warehouse.engine.rule_store import load_rules
from crm_warehouse.engine.rules import Check, Rule, compile_rule
from crm_warehouse.spec import Entity, Source

_EXAMPLES = 5


@dataclass(slots=True)
class Finding:
    """What a rule would do.

    Attributes:
        records: Live records of the raw layer.
        refused_otherwise: Those of them that the mapping or another rule refuses.
        broken: Those that the rule would refuse, or warn of.
        rows: Live rows of the warehouse that belong to them.
        examples: Source ids of a few of them.
    """

    records: int = 0
    refused_otherwise: int = 0
    broken: int = 0
    rows: int = 0
    examples: list[str] = field(default_factory=list)


def check_rule(
    conn: Connection, source: Source, entity: Entity, source_system: str, rule: Rule
) -> Finding:
    """Map the raw layer with the rule, as a load would, and count.

    Args:
        conn: Connection in autocommit mode.
        source: The source.
        entity: Entity of that source.
        source_system: Instance name.
        rule: The rule; it takes the place of a stored one of its name.

    Raises:
        ConfigurationError: The rule cannot be applied.
    """
    check = compile_rule(rule, entity, datetime.now(UTC))
    others = load_rules(conn, source_system, entity).checks
    checks = [each for each in others if each.rule.name != rule.name]
    mapping = Mapping(entity, source.region, [*checks, check])
    finding, after = Finding(), ""
    while records := _read(conn, entity, source_system, after):
        after = records[-1]["source_id"]
        ids = _broken(mapping, records, rule.name, finding)
        finding.broken += len(ids)
        finding.rows += _live_rows(conn, source_system, check, ids) if ids else 0
        finding.examples += ids[: _EXAMPLES - len(finding.examples)]
    return finding


def _broken(
    mapping: Mapping, records: list[dict[str, Any]], name: str, finding: Finding
) -> list[str]:
    """Ids of the batch's records that break the rule; counts the batch."""
    broken = []
    for stored in records:
        record = payload.decode(stored["payload"], stored["payload_bytes"])
        row = mapping.map(record, stored["source_id"])
        if _breaks(row, name):
            broken.append(stored["source_id"])
        elif row.reject is not None:
            finding.refused_otherwise += 1
    finding.records += len(records)
    return broken


def _breaks(row: Row, name: str) -> bool:
    problems = row.warnings if row.reject is None else [row.reject]
    return any(problem.rule_name == name for problem in problems)


def _read(
    conn: Connection, entity: Entity, source_system: str, after: str
) -> list[dict[str, Any]]:
    values = {
        "source_system": source_system,
        "after": after,
        "limit": CHUNK_RECORDS,
        "max_bytes": CHUNK_BYTES,
    }
    statement = query("read_raw", table=sql.Identifier(entity.raw_table))
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, values).fetchall()


def _live_rows(
    conn: Connection, source_system: str, check: Check, ids: list[str]
) -> int:
    row = conn.execute(
        query("count_live_rows", table=sql.Identifier(check.table)),
        {"source_system": source_system, "ids": ids},
    ).fetchone()
    return int(row[0]) if row else 0
