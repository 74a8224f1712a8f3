"""What transactions that write have in common: the order of their locks, and plans.

First the entity's rows, then links by table name. Each is held until COMMIT.
"""

from collections.abc import Collection

from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.spec import Entity
from crm_warehouse.unified import (
    LINK_TABLES,
    TAKINGS,
    Link,
    Taking,
    links_of,
    links_to,
)

#: Locked as the link tables are: records say of others who they are.
KNOWN_KEYS = "known_keys"


def hold_rows(conn: Connection, *, source_system: str, entity_type: str) -> None:
    """Let nobody else write records of this entity until the transaction ends."""
    values = {"source_system": source_system, "entity_type": entity_type}
    conn.execute(query("lock_rows"), values)


def hold_inbox(conn: Connection, source_system: str) -> None:
    """Let nobody add events of this source system until the transaction ends.

    Taken before the rows of an entity.
    """
    hold_rows(conn, source_system=source_system, entity_type="webhooks")


def share_links(conn: Connection, entity: Entity, held: Collection[str] = ()) -> None:
    """Let nobody link rows of the entity's tables until the transaction ends.

    Args:
        conn: In that transaction.
        entity: What is written.
        held: Tables of which the transaction itself moves links.
    """
    shared = {view.into for view in entity.views()} | set(_link_tables(entity))
    if entity.known_keys:
        shared.add(KNOWN_KEYS)
    for table in sorted(shared.union(held)):
        lock = query("lock_links") if table in held else query("share_links")
        conn.execute(lock, {"table": table})


def prefer_indexes(conn: Connection) -> None:
    """Let the planner use look-ups only, until the transaction ends.

    A chunk touches few rows of a table that may be large, empty a moment ago or both:
    statistics mislead the planner into reading the table once per chunk, or once per
    record. Index look-ups are right in every case.
    """
    for method in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"):
        conn.execute(f"SET LOCAL enable_{method} = off")


def links_about(entity: Entity) -> list[Link]:
    """Links that may be missing once records of the entity have come, sorted."""
    found = {
        link
        for view in entity.views()
        for link in (*links_of(view.into), *links_to(view.into))
    }
    for link in entity.links:
        several = set(_link_tables(entity))
        found |= {each for each in links_to(link.parent) if each.table in several}
    return sorted(found)


def takings_about(entity: Entity) -> list[Taking]:
    """Columns that may be others once records of the entity have come."""
    filled = {view.into for view in entity.views()}
    return [each for each in TAKINGS if filled & {each.table, each.origin}]


def hold_links(
    conn: Connection,
    links: Collection[Link],
    *more: str,
    takings: Collection[Taking] = (),
) -> None:
    """Let nobody write the linked tables until the transaction ends.

    Nor those that take columns, and more.
    """
    tables = {link.table for link in links} | {each.table for each in takings}
    for table in sorted(tables.union(more)):
        conn.execute(query("lock_links"), {"table": table})


def _link_tables(entity: Entity) -> list[str]:
    return [LINK_TABLES[entity.into, link.parent].name for link in entity.links]
