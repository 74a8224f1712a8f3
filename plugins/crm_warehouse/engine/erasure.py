"""Erase a person's data for good: law 6.

Everything that a source sent under an id goes, wherever the warehouse keeps it: raw,
unified rows, links and quarantine at once, in one transaction; the inbox right after it
(:mod:`crm_warehouse.engine.inbox_redaction`). What stays is the id, in
``ops.erased_records``, so that no later page, replay or event brings the data back.
Whoever was killed erases again.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.engine import erased_parts, payload
from crm_warehouse.engine.erased_groups import Groups
from crm_warehouse.engine.erased_keys import ErasureKey
from crm_warehouse.engine.erased_parts import Part
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.record_paths import first_of
from crm_warehouse.engine.share import (
    KNOWN_KEYS,
    hold_links,
    hold_rows,
    links_about,
)
from crm_warehouse.spec import Entity
from crm_warehouse.unified import LINK_TABLES, UNIFIED, Link, links_to

#: Shorter values stand in records of others by chance.
_SHORTEST_OWN = 6


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be erased.

    Attributes:
        entity: Entity of a source.
        source_system: Instance name that the rows carry.
        source_ids: Ids of the records. What was merged with them is erased with them.
        reason: ``request`` of a person; ``source``: it announced the erasure;
            ``merge``: with a record that had been erased.
        actor: Who erases, for the audit trail.
        parts: Entities whose records are part of these, and erased with them.
    """

    entity: Entity
    source_system: str
    source_ids: Sequence[str]
    reason: str
    actor: str
    parts: Sequence[Part] = ()


@dataclass(slots=True)
class Erased:
    """What an erasure found, and emptied.

    Attributes:
        ids: Ids that are erased; more than asked for where records were merged.
        lived: Those whose rows in the entity's own table were not marked as deleted.
        counts: Records emptied, by table.
    """

    ids: list[str]
    lived: list[str]
    counts: dict[str, int]


def erase(conn: Connection, request: Request, job_id: int | None = None) -> Erased:
    """Erase records, and those merged with them; part of a transaction.

    Its caller has the inbox redacted when it is committed.

    Args:
        conn: In that transaction, which has locked nothing yet; or rows of the entity,
            and all links about it.
        request: What is to be erased.
        job_id: The job that does it, if one does.
    """
    return _Erasure(conn, request, job_id).run()


class _Erasure:
    def __init__(self, conn: Connection, request: Request, job_id: int | None) -> None:
        self._conn = conn
        self._request = request
        self._entity = request.entity
        self._job_id = job_id
        self._values: dict[str, Any] = {
            "source_system": request.source_system,
            "entity_type": request.entity.name,
            "unified_tables": [view.into for view in request.entity.views()],
            "reason": request.reason,
            "job_id": job_id,
        }

    def run(self) -> Erased:
        conn, request = self._conn, self._request
        system, parts = request.source_system, request.parts
        groups = Groups(conn, self._entity, system)
        found = groups.search(request.source_ids)
        searched = [erased_parts.search(conn, each, system, found) for each in parts]
        entities = [self._entity, *(part.entity for part in parts)]
        for entity in entities:
            hold_rows(conn, source_system=system, entity_type=entity.name)
        links = [link for entity in entities for link in links_about(entity)]
        hold_links(conn, links, KNOWN_KEYS)
        ids = groups.close(found)
        counts: Counter[str] = Counter()
        for part, parted in zip(parts, searched, strict=True):
            if parted := parted | erased_parts.rows_of(conn, part, system, ids):
                of_part = replace(request, entity=part.entity, parts=())
                erasure = _Erasure(conn, of_part, self._job_id)
                counts.update(erasure.empty(parted).counts)
        erased = self.empty(ids)
        counts.update(erased.counts)
        return replace(erased, counts=dict(counts))

    def empty(self, found: Collection[str]) -> Erased:
        """Empty what these records left; the caller holds all of it."""
        entity, ids = self._entity, sorted(found)
        self._values["ids"] = ids
        erased = Erased(ids, [], {})
        self._conn.execute(query("save_erased"), self._values)
        erased.counts["ops.sync_errors"] = self._erase_errors(ids)
        raw = query("erase_raw", table=sql.Identifier(entity.raw_table))
        (erased.counts[f"raw.{entity.raw_table}"],) = self._one(raw)
        for view in entity.views():  # its own table comes last
            erased.lived, count = self._one(self._rows(view.into))
            erased.counts[f"warehouse.{view.into}"] = count
            self._cut(view.into)
        (erased.counts["identity.known_keys"],) = self._one(query("erase_known_keys"))
        self._audit(erased)
        return erased

    def _one(self, statement: sql.Composed) -> tuple[Any, ...]:
        row = self._conn.execute(statement, self._values).fetchone()
        assert row is not None  # noqa: S101  an aggregate returns one row
        return tuple(row)

    def _rows(self, table: str) -> sql.Composed:
        names = self._conn.execute(query("list_emptied"), {"table": table}).fetchall()
        emptied, held = sql.SQL("{} = NULL, "), sql.SQL("w.{} IS NOT NULL OR ")
        return query(
            "erase_rows",
            table=sql.Identifier(table),
            emptied=sql.Composed([emptied.format(sql.Identifier(n)) for (n,) in names]),
            held=sql.Composed([held.format(sql.Identifier(n)) for (n,) in names]),
        )

    def _cut(self, table: str) -> None:
        """Let nothing name the erased records of a table as parent or child."""
        for (children, parents), each in LINK_TABLES.items():
            if children == table:
                self._erase_links(each.name, f"{each.child}_source_id")
            if parents == table:
                self._erase_links(each.name, f"{each.parent}_source_id")
        for link in links_to(table):
            if link.table in UNIFIED:
                self._conn.execute(_unlink(link), self._values)

    def _erase_links(self, table: str, end: str) -> None:
        statement = query(
            "erase_links", table=sql.Identifier(table), end=sql.Identifier(end)
        )
        self._conn.execute(statement, self._values)

    def _erase_errors(self, ids: list[str]) -> int:
        either = "|".join(map(re.escape, ids))
        values = {
            **self._values,
            "fingerprints": [f"id:{each}" for each in ids],
            "pattern": rf'"(hs_object_id|id)": ?"?({either})"?[,}}]',
            "own": sorted(set(self._own_values())),
        }
        row = self._conn.execute(query("erase_errors"), values).fetchone()
        return row[0] if row else 0

    def _own_values(self) -> Iterator[str]:
        """What raw says under which the persons are reached, as JSON may hold it."""
        kinds = ("email", "phone")
        getters = [
            first_of(field.paths, self._entity.value_keys)
            for view in self._entity.views()
            for field in view.fields
            if UNIFIED[view.into]().fields[field.target].metadata["kind"] in kinds
        ]
        stored = query("read_payloads", table=sql.Identifier(self._entity.raw_table))
        for _, text, exact in self._conn.execute(stored, self._values).fetchall():
            for get in getters:
                value = str(get(payload.decode(text, exact)) or "").strip().lower()
                if len(value) >= _SHORTEST_OWN:
                    yield json.dumps(value)[1:-1]
                    yield json.dumps(value, ensure_ascii=False)[1:-1]

    def _audit(self, erased: Erased) -> None:
        key, request = ErasureKey(self._conn), self._request
        for source_id in erased.ids:
            name = f"{request.source_system}:{request.entity.name}:{source_id}"
            self._conn.execute(
                query("audit"),
                {
                    "actor": request.actor,
                    "action": "record.erased",
                    "object_type": "erased_record",
                    "object_id": key.digest(name),
                    "details": Jsonb(
                        {
                            "source_system": request.source_system,
                            "entity_type": request.entity.name,
                            "reason": request.reason,
                            "records": erased.counts,
                        }
                    ),
                },
            )


def _unlink(link: Link) -> sql.Composed:
    several = LINK_TABLES.get((link.table, link.parent))
    heir: sql.Composable = sql.SQL("SELECT NULL::bigint, NULL::text")
    if several is not None:
        heir = sql.SQL(
            "SELECT l.{id}, l.{source_id} FROM warehouse.{table} AS l"
            " WHERE l.source_system = child.source_system"
            " AND l.{child} = child.source_id ORDER BY l.position LIMIT 1"
        ).format(
            table=sql.Identifier(several.name),
            id=sql.Identifier(f"{several.parent}_id"),
            source_id=sql.Identifier(f"{several.parent}_source_id"),
            child=sql.Identifier(f"{several.child}_source_id"),
        )
    return query(
        "unlink_children",
        table=sql.Identifier(link.table),
        parents=sql.Identifier(link.parent),
        parent_id=sql.Identifier(link.column),
        parent_source_id=sql.Identifier(link.child),
        heir=heir,
    )
