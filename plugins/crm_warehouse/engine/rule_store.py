"""The validation rules of the warehouse, as a job takes them up when it begins."""

import logging
from datetime import UTC, datetime
from typing import NamedTuple

from psycopg.rows import class_row

from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.rules import Check, Rule, compile_rule
from crm_warehouse.engine.schema_changes import removed_properties
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Source

_log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """An entity's active rules.

    Attributes:
        checks: Those that hold.
        wrong: Those that cannot be applied, each with what is wrong with it.
    """

    checks: list[Check]
    wrong: list[tuple[Rule, str]]


def load_rules(conn: Connection, source_system: str, entity: Entity) -> Loaded:
    """Compile the active rules of an entity."""
    values = {"source_system": source_system, "entity_type": entity.name}
    with conn.cursor(row_factory=class_row(Rule)) as cursor:
        rules = cursor.execute(query("load_rules"), values).fetchall()
    loaded, now = Loaded([], []), datetime.now(UTC)
    for rule in rules:
        try:
            loaded.checks.append(compile_rule(rule, entity, now))
        except ConfigurationError as error:
            loaded.wrong.append((rule, str(error)))
    return loaded


def job_mapping(conn: Connection, job: Job, source: Source, entity: Entity) -> Mapping:
    """The mapping that a job works with: the entity's, with its rules.

    Columns whose properties are gone keep what rows have there.

    A rule that cannot be applied must not stop the loads: it is left out with a
    warning, and stands in ``ops.sync_errors`` until it is mended.
    """
    loaded = load_rules(conn, job.source_system, entity)
    for _, message in loaded.wrong:
        _log.warning("%s; the rule is left out until it is mended", message)
    values = {
        "job_id": job.id,
        "source_system": job.source_system,
        "entity_type": entity.name,
        "names": [rule.name for rule, _ in loaded.wrong],
        "fields": [rule.field for rule, _ in loaded.wrong],
        "messages": [message for _, message in loaded.wrong],
    }
    conn.execute(query("note_wrong_rules"), values)
    removed = removed_properties(conn, job.source_system, entity)
    return Mapping(entity, source.region, loaded.checks, removed)
