"""What a chunk must know of merged and erased records.

A source that merges records keeps one of them, the survivor, and forgets the others.
Here their rows stay as tombstones, with a redirect in ``warehouse.merged_records``; an
id that was merged never lives again, and whoever names it as a parent gets the survivor
instead. Of a record whose personal data was erased nothing is stored again at all.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from crm_warehouse.engine import erased_parts
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk
from crm_warehouse.engine.deletions import bury
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.share import KNOWN_KEYS, links_about, share_links
from crm_warehouse.spec import Entity
from crm_warehouse.unified import LINK_TABLES, Link, LinkTable, links_to

#: Id of a record that is no more -> id of the one that took its place.
Redirects = dict[str, str]

#: What was merged is gone however late a page was read that still has it.
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_SEVERAL = {table.name: table for table in LINK_TABLES.values()}

_log = logging.getLogger(__name__)


def resolve(known: Mapping[str, str], told: Iterable[tuple[str, str]]) -> Redirects:
    """Redirects to write, each to the last record of its chain.

    Args:
        known: Redirects of all ids that are told of, and to all that are lost.
        told: Pairs of a lost id and the id that took its place. A pair that would close
            a circle is left out; of two survivors of one record the later told counts.

    Returns:
        Those that are new or lead elsewhere than before.
    """
    into, changed = dict(known), {}
    behind: dict[str, set[str]] = {}
    for loser, survivor in into.items():
        behind.setdefault(survivor, set()).add(loser)
    for loser, named in told:
        survivor = into.get(named, named)
        if survivor == loser:
            _log.warning("record %s was merged already; a circle is left out", named)
            continue
        if into.get(loser) == survivor:
            continue
        for moved in (loser, *behind.pop(loser, ())):
            behind.get(into.get(moved, ""), set()).discard(moved)
            into[moved] = changed[moved] = survivor
            behind.setdefault(survivor, set()).add(moved)
    return changed


class States:
    """Merged and erased records of one entity, around the merge of its chunks.

    Args:
        conn: Connection that holds the entity's rows when a method is called.
        entity: Whose records.
        source_system: Instance name that the rows carry.
    """

    def __init__(self, conn: Connection, entity: Entity, source_system: str) -> None:
        self._conn = conn
        self._entity = entity
        self._names = {"source_system": source_system, "entity_type": entity.name}

    def drop_erased(self, job: Job, chunk: Chunk, told: Mapping[str, str]) -> int:
        """Take out of the chunk what must not be stored any more.

        Who turns out to be merged with an erased record is erased as well.

        Args:
            job: The job that writes the chunk.
            chunk: The records.
            told: Redirects that were found in another way.

        Returns:
            Rows that were erased, those of records left out that this job has counted.
        """
        pairs = self._pairs(chunk, told)
        ids = {entry.source_id for entry in chunk if entry.source_id is not None}
        erased = self._erased(ids.union(*pairs)) | self._parts_of_erased(chunk)
        if not erased:
            return 0
        others = {
            each
            for pair in pairs
            if not erased.isdisjoint(pair)
            for each in pair
            if each not in erased
        }
        counted = 0
        if others:
            # All that is needed, in the order in which everybody takes it.
            about = {link.table for link in links_about(self._entity)}
            share_links(self._conn, self._entity, about | {KNOWN_KEYS})
            system = self._names["source_system"]
            by = job.triggered_by
            request = Request(self._entity, system, sorted(others), "merge", by)
            lived = erase(self._conn, request, job.id).lived
            counted = sum(not chunk.has_seen(each) for each in lived)
            for each in lived:
                chunk.note(each)
            erased |= self._erased(ids)
        chunk.drop(erased)
        return counted

    def _parts_of_erased(self, chunk: Chunk) -> set[str]:
        system = self._names["source_system"]
        return erased_parts.of_erased(self._conn, system, self._entity, list(chunk))

    def _erased(self, ids: Iterable[str]) -> set[str]:
        values = {**self._names, "ids": list(ids)}
        return {row[0] for row in self._conn.execute(query("find_erased"), values)}

    def _pairs(self, chunk: Chunk, told: Mapping[str, str]) -> list[tuple[str, str]]:
        """Lost ids and those that took their places, as told and as records say."""
        pairs = list(told.items())
        for entry in chunk:
            if entry.source_id is not None:
                pairs += [(loser, entry.source_id) for loser in entry.merged_ids]
        return [(loser, survivor) for loser, survivor in pairs if loser != survivor]

    def find(self, chunk: Chunk, told: Mapping[str, str]) -> tuple[Redirects, set[str]]:
        """What the chunk's records and its reading say of merges.

        Args:
            chunk: The records.
            told: Redirects that were found in another way.

        Returns:
            The redirects that are news, and all lost ids that the chunk has to do with.
        """
        if not self._entity.merged_ids and not told:
            return {}, set()
        pairs = self._pairs(chunk, told)
        ids = {entry.source_id for entry in chunk if entry.source_id is not None}
        ids = ids.union(*pairs)
        known = self._ask(query("find_redirects"), ids)
        news = [
            (loser, survivor)
            for loser, survivor in pairs
            if known.get(loser) != known.get(survivor, survivor)
        ]
        if news:
            known |= self._ask(query("find_replaced"), {loser for loser, _ in news})
        changed = resolve(known, news)
        return changed, {*changed, *(ids & known.keys())}

    def _ask(self, statement: sql.Composed, ids: Iterable[str]) -> Redirects:
        values = {**self._names, "unified_table": self._entity.into, "ids": list(ids)}
        return dict(self._conn.execute(statement, values).fetchall())

    def settle(
        self, job: Job, redirects: Redirects, lost: set[str], chunk: Chunk
    ) -> int:
        """Write redirects, bury who was lost, and move who belonged to them.

        After the chunk's rows, in their transaction, which holds the links to them when
        there are redirects.

        Returns:
            Rows that were marked as deleted, those of records left out that this job
            has counted already.
        """
        if redirects:
            values = {
                **self._names,
                "job_id": job.id,
                "losers": list(redirects),
                "survivors": list(redirects.values()),
            }
            for view in self._entity.views():
                self._redirect(view.into, values)
        deleted = 0
        for seen in (True, False):
            ids = [each for each in lost if chunk.has_seen(each) is seen]
            if ids:
                buried = bury(self._conn, job, self._entity, Gone(ids, _ALWAYS))
                if not seen:
                    deleted += len(buried)
                    for each in buried:
                        chunk.note(each)
        return deleted

    def bury_gone(self, job: Job, ids: list[str], chunk: Chunk) -> int:
        """Bury records that say that they were deleted in the source; likewise.

        Args:
            job: The job that writes the chunk.
            ids: Those that live in the raw layer.
            chunk: The records.

        Returns:
            Rows that were marked, those of records left out that came before in this
            job: as what they came then, they are counted.
        """
        if not ids:
            return 0
        buried = bury(self._conn, job, self._entity, Gone(ids, _ALWAYS))
        repeated = {entry.source_id for entry in chunk if entry.repeated}
        return len(set(buried) - repeated)

    def _redirect(self, table: str, values: dict[str, Any]) -> None:
        values = {**values, "unified_table": table}
        self._conn.execute(query("save_redirects"), values)
        for link in links_to(table):
            self._conn.execute(_moves(link), values)


def held_tables(entity: Entity) -> set[str]:
    """Tables whose rows name records of the entity: redirects move them."""
    return {link.table for view in entity.views() for link in links_to(view.into)}


def _moves(link: Link) -> sql.Composed:
    """Statement that points rows of one table at the survivors."""
    parts = {
        "table": sql.Identifier(link.table),
        "parents": sql.Identifier(link.parent),
        "parent_id": sql.Identifier(link.column),
        "parent_source_id": sql.Identifier(link.child),
    }
    several: LinkTable | None = _SEVERAL.get(link.table)
    if several is None:
        return query("move_children", **parts)
    return query(
        "move_links",
        **parts,
        child_id=sql.Identifier(f"{several.child}_id"),
        child_source_id=sql.Identifier(f"{several.child}_source_id"),
    )
