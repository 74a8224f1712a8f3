"""Who is one person or thing with a record, as far as the warehouse knows.

A source merges records, and what it says of that may be known here as a redirect, wait
in an event, or stand in a payload that was loaded before redirects were kept.
"""

import re
from collections.abc import Iterable

from psycopg import sql

from crm_warehouse.engine import payload
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.record_paths import merged_ids_getter, usable_id
from crm_warehouse.engine.redaction import named_ids
from crm_warehouse.spec import Entity


class Groups:
    """Groups of merged records of one entity."""

    def __init__(self, conn: Connection, entity: Entity, source_system: str) -> None:
        self._conn = conn
        self._entity = entity
        self._names = {
            "source_system": source_system,
            "entity_type": entity.name,
            "unified_table": entity.into,
        }
        self._merged_ids = merged_ids_getter(entity.merged_ids)
        self._raw = sql.Identifier(entity.raw_table)

    def search(self, ids: Iterable[str]) -> set[str]:
        """The whole groups of these ids; looks through the raw layer.

        To be called while nothing is locked. Who comes later than that is found by
        :meth:`close`: what is loaded since redirects are kept has left one.
        """
        group, searched = self.close(ids), set[str]()
        while new := group - searched:
            searched |= new
            group = self.close(group | self._survivors(new))
        return group

    def close(self, ids: Iterable[str]) -> set[str]:
        """All ids that redirects, events and payloads of these lead to."""
        group, known = set(ids), set[str]()
        while new := group - known:
            known |= new
            values = {**self._names, "ids": list(new)}
            found = self._conn.execute(query("find_group"), values).fetchall()
            group.update(source_id for (source_id,) in found)
            events = self._conn.execute(query("find_merge_events"), values).fetchall()
            for (event,) in events:
                group |= named_ids(event)
            stored = query("read_payloads", table=self._raw)
            for _, text, exact in self._conn.execute(stored, values).fetchall():
                group.update(self._merged_ids(payload.decode(text, exact)))
        return {each for each in group if usable_id(each) is not None}

    def _survivors(self, ids: set[str]) -> set[str]:
        """Records whose payloads name one of these as merged into theirs."""
        if not self._entity.merged_ids or not ids:
            return set()
        places = [
            sql.SQL("payload #>> {}").format(sql.Literal([str(step) for step in path]))
            for path in self._entity.merged_ids
        ]
        statement = query(
            "find_survivors",
            table=self._raw,
            places=sql.SQL("concat_ws(';', {})").format(sql.SQL(", ").join(places)),
        )
        either = "|".join(map(re.escape, sorted(ids)))
        values = {**self._names, "pattern": rf"(^|[;\s])({either})([:;\s]|$)"}
        rows = self._conn.execute(statement, values).fetchall()
        return {
            source_id
            for source_id, text, exact in rows
            if not ids.isdisjoint(self._merged_ids(payload.decode(text, exact)))
        }
