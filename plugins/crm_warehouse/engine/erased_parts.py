"""Records that are part of others: what is erased with them, and kept out with them.

A step of a lead holds its whole form again, under an id of its own; so erasing the lead
must find its steps, and refuse those that come later.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg import sql

from crm_warehouse.engine.chunk import Entry
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.profiles import as_loaded
from crm_warehouse.engine.queries import query
from crm_warehouse.spec import Entity, Source
from crm_warehouse.unified import PARTS, Link


class Part(NamedTuple):
    """An entity whose records are part of another's.

    Attributes:
        entity: The entity.
        link: By which its rows name the others.
    """

    entity: Entity
    link: Link


def parts_of(
    conn: Connection, source: Source, source_system: str, entity: Entity
) -> list[Part]:
    """Entities whose records are part of this one's, as they were loaded.

    Args:
        conn: Connection in autocommit mode.
        source: As its file has it.
        source_system: Instance name.
        entity: Of the source.
    """
    wholes = {view.into for view in entity.views()}
    links = {link.table: link for link in PARTS if link.parent in wholes}
    found = []
    for _, each in sorted(source.all_entities.items()):
        _, each = as_loaded(conn, source, source_system, each)
        if each.into in links and each.name != entity.name:
            found.append(Part(each, links[each.into]))
    return found


def search(
    conn: Connection, part: Part, source_system: str, ids: Iterable[str]
) -> set[str]:
    """Records that say that they are part of these; looks through the raw layer.

    To be called while nothing is locked: it finds those, too, that are no rows.
    """
    places = [
        sql.SQL("payload #>> {}").format(sql.Literal([str(step) for step in path]))
        for line in part.entity.fields
        if line.target == part.link.child
        for path in line.paths
    ]
    statement = query(
        "search_parts",
        table=sql.Identifier(part.entity.raw_table),
        whole=sql.SQL("coalesce({})").format(sql.SQL(", ").join([*places, sql.NULL])),
    )
    return _ids(conn, statement, source_system, ids)


def rows_of(
    conn: Connection, part: Part, source_system: str, ids: Iterable[str]
) -> set[str]:
    """Records whose rows name one of these."""
    statement = query(
        "find_parts",
        table=sql.Identifier(part.link.table),
        parents=sql.Identifier(part.link.parent),
        parent_id=sql.Identifier(part.link.column),
        parent_source_id=sql.Identifier(part.link.child),
    )
    return _ids(conn, statement, source_system, ids)


def of_erased(
    conn: Connection, source_system: str, entity: Entity, entries: Sequence[Entry]
) -> set[str]:
    """Source ids of entries that are part of an erased record."""
    wholes = {entry.part_of for entry in entries if entry.part_of is not None}
    if not wholes:
        return set()
    values = {
        "source_system": source_system,
        "tables": [link.parent for link in PARTS if link.table == entity.into],
        "ids": list(wholes),
    }
    rows = conn.execute(query("find_erased_wholes"), values).fetchall()
    erased = {source_id for (source_id,) in rows}
    return {
        entry.source_id
        for entry in entries
        if entry.part_of in erased and entry.source_id is not None
    }


def _ids(
    conn: Connection, statement: sql.Composed, source_system: str, ids: Iterable[str]
) -> set[str]:
    values = {"source_system": source_system, "ids": list(ids)}
    rows = conn.execute(statement, values).fetchall()
    return {source_id for (source_id,) in rows}
