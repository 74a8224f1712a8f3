"""What a source lets its records have: noticed when it changes, never a reason to stop.

Raw keeps whatever comes, so a new property needs nothing. One that is gone takes its
values with it: the columns that are mapped from it keep what they have, as nothing was
said about them.
"""

import logging
import threading
from collections.abc import Iterator
from typing import NamedTuple

from psycopg.types.json import Jsonb

from crm_warehouse.clients.interface import Property, PropertyReader, SourceClient
from crm_warehouse.engine import jobs
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead
from crm_warehouse.spec import Entity, FieldMap, KeyMap

#: The entity's endpoint that names its properties.
ENDPOINT = "properties"
#: Where records hold them.
_HOLDER = "properties"

_log = logging.getLogger(__name__)


class Change(NamedTuple):
    """A property that is not what it was.

    Attributes:
        property: Its name in the source.
        kind: ``added``, ``removed``, ``retyped`` or ``relabelled``.
        columns: Columns that are mapped from it, as ``table.column``.
    """

    property: str
    kind: str
    columns: list[str]


def watch(
    conn: Connection,
    job: Job,
    entity: Entity,
    client: SourceClient,
    stop: threading.Event,
) -> list[Change]:
    """Ask the source what records may have, where it tells, and note what changed.

    Raises:
        SourceError: It does not answer.
        WaitError: It wants a pause.
    """
    if not isinstance(client, PropertyReader) or ENDPOINT not in entity.endpoints:
        return []
    asked = ReadAhead(_ask(client, entity), stop)
    told = None
    try:
        while told is None:
            jobs.beat(conn, job)
            try:
                told = asked.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                continue
    except BaseException:
        stop.set()
        raise
    finally:
        asked.join()
    return note(conn, job, entity, told)


def _ask(client: PropertyReader, entity: Entity) -> Iterator[list[Property]]:
    yield client.properties(entity)


def note(
    conn: Connection, job: Job, entity: Entity, told: list[Property]
) -> list[Change]:
    """Write down in ``ops.schema_changes`` what is not as it was known."""
    named = [
        {"property": each.name, "type": each.type, "label": each.label} for each in told
    ]
    values = {
        "source_system": job.source_system,
        "entity_type": entity.name,
        "told": Jsonb(named),
        "mapped": Jsonb(_mapped(entity)),
        "job_id": job.id,
    }
    rows = conn.execute(query("note_properties"), values).fetchall()
    changes = [Change(*row) for row in rows]
    for change in changes:
        if change.columns and change.kind in ("removed", "retyped"):
            _log.warning(
                "job %d: %s %s: property %s, which %s is mapped from, was %s",
                *(job.id, job.source_system, entity.name, change.property),
                *(", ".join(change.columns), change.kind),
            )
    if changes:
        _log.info(
            "job %d: %d changes of properties are in ops.schema_changes",
            *(job.id, len(changes)),
        )
    return changes


def removed_properties(
    conn: Connection, source_system: str, entity: Entity
) -> frozenset[str]:
    """Properties that the source had, and does not name any more."""
    if ENDPOINT not in entity.endpoints:
        return frozenset()
    values = {"source_system": source_system, "entity_type": entity.name}
    rows = conn.execute(query("list_removed_properties"), values).fetchall()
    return frozenset(name for (name,) in rows)


def is_lost(line: FieldMap | KeyMap, removed: frozenset[str]) -> bool:
    """Whether its values cannot come any more, with these properties gone."""
    gone = [name in removed for name in _names(line)]
    if isinstance(line, FieldMap) and line.join is not None:
        return any(gone)
    return len(gone) == len(line.paths) and all(gone)


def _mapped(entity: Entity) -> dict[str, list[str]]:
    """Property -> the columns that are mapped from it, and the kinds of its keys."""
    found: dict[str, list[str]] = {}
    for view in entity.views():
        for line in view.fields:
            for name in _names(line):
                found.setdefault(name, []).append(f"{view.into}.{line.target}")
    for each in entity.known_keys:
        for name in _names(each):
            found.setdefault(name, []).append(f"known_keys.{each.kind}")
    return found


def _names(line: FieldMap | KeyMap) -> list[str]:
    """The properties among its places."""
    return [str(path[1]) for path in line.paths if path[0] == _HOLDER and path[1:]]
