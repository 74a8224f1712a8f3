"""Validation rules as the warehouse keeps them, with what is wrong with them."""

from datetime import UTC, datetime
from typing import Any

from psycopg.rows import dict_row

from crm_warehouse.cli.words import hint
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.rules import Rule, compile_rule
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_sources
from crm_warehouse.spec import Source


def list_rules(
    conn: Connection, source_system: str | None, entity_type: str | None
) -> list[dict[str, Any]]:
    """Rows of ``sql/engine/list_rules.sql``."""
    values = {"source_system": source_system, "entity_type": entity_type}
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("list_rules"), values).fetchall()


def as_rule(stored: dict[str, Any]) -> Rule:
    """The rule of such a row."""
    return Rule(
        stored["name"],
        stored["field"],
        stored["rule_type"],
        stored["config"],
        stored["on_error"],
    )


def mistakes(
    stored: list[dict[str, Any]], sources: dict[str, Source] | None = None
) -> list[str | None]:
    """What is wrong with each rule, or None.

    Args:
        stored: Rows of :func:`list_rules`.
        sources: All sources by name; None reads every source file.
    """
    known = load_sources(default_directory()) if sources is None else sources
    now = datetime.now(UTC)
    return [_mistake(each, known, now) for each in stored]


def _mistake(
    stored: dict[str, Any], sources: dict[str, Source], now: datetime
) -> str | None:
    name = stored["source_system"]
    source = sources.get(name)
    if source is None:
        return (
            f"rule {stored['name']}: there is no source {name!r}{hint(name, sources)}"
        )
    entity = source.all_entities.get(stored["entity_type"])
    if entity is None:
        return f"rule {stored['name']}: {_no_entity(source, stored['entity_type'])}"
    try:
        compile_rule(as_rule(stored), entity, now)
    except ConfigurationError as error:
        return str(error)
    return None


def _no_entity(source: Source, name: str) -> str:
    entity = source.entity(name)
    if entity is not None:
        return f"{name!r} is an alias; write entity_type {entity.name!r}"
    entities = source.all_entities.values()
    known = [word for each in entities for word in (each.name, *each.aliases)]
    return f"{source.name} has no entity {name!r}{hint(name, known)}"
