"""Erase a person's data for good: law 6.

Everything that a source sent under an id goes, wherever the warehouse keeps it: raw,
unified rows, links, quarantine, inbox. What stays is the id, in ``ops.erased_records``,
so that no later page, replay or event brings the data back. One transaction; whoever
was killed erases again.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookEvent
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import redact_body, redact_event, unpack
from crm_warehouse.engine.share import hold_inbox, hold_links, hold_rows, links_about
from crm_warehouse.errors import SourceError
from crm_warehouse.spec import Entity, Source
from crm_warehouse.unified import LINK_TABLES, Link, links_to

#: Deliveries fetched at once while all of them are looked through.
_DELIVERIES = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be erased.

    Attributes:
        source: Definition of the source.
        entity: Entity of that source.
        source_system: Instance name that the rows carry.
        source_id: Id of the record. What was merged with it is erased with it.
        reason: ``request`` of a person, or ``source``: it announced the erasure.
        actor: Who erases, for the audit trail.
    """

    source: Source
    entity: Entity
    source_system: str
    source_id: str
    reason: str
    actor: str


@dataclass(slots=True)
class Erased:
    """What an erasure found, and emptied.

    Attributes:
        ids: Ids that are erased; more than one where records were merged.
        lived: Rows of the entity's own table that were not marked as deleted yet.
        counts: Records emptied, by table.
    """

    ids: list[str]
    lived: int
    counts: dict[str, int]


def erase(conn: Connection, request: Request, job_id: int | None = None) -> Erased:
    """Erase one record, and those merged with it; part of a transaction.

    Args:
        conn: In that transaction, which has locked nothing yet.
        request: What is to be erased.
        job_id: The job that does it, if one does.
    """
    return _Erasure(conn, request, job_id).run()


class _Erasure:
    def __init__(self, conn: Connection, request: Request, job_id: int | None) -> None:
        self._conn = conn
        self._request = request
        self._entity = request.entity
        self._ids: list[str] = []
        self._values: dict[str, Any] = {
            "source_system": request.source_system,
            "entity_type": request.entity.name,
            "unified_table": request.entity.into,
            "source_id": request.source_id,
            "reason": request.reason,
            "job_id": job_id,
        }

    def run(self) -> Erased:
        entity, system = self._entity, self._request.source_system
        hold_inbox(self._conn, system)
        hold_rows(self._conn, source_system=system, entity_type=entity.name)
        hold_links(self._conn, links_about(entity))
        found = self._conn.execute(query("find_group"), self._values).fetchall()
        self._ids = [source_id for (source_id,) in found]
        self._values["ids"] = self._ids
        erased = Erased(self._ids, 0, {})
        self._conn.execute(query("save_erased"), self._values)
        raw = query("erase_raw", table=sql.Identifier(entity.raw_table))
        _, erased.counts[f"raw.{entity.raw_table}"] = self._count(raw)
        for view in entity.views():  # its own table comes last
            erased.lived, count = self._count(self._rows(view.into))
            erased.counts[f"warehouse.{view.into}"] = count
            self._cut(view.into)
        erased.counts["ops.sync_errors"] = self._erase_errors()
        erased.counts["staging.webhook_events"] = self._redact_events()
        erased.counts["staging.webhook_deliveries"] = self._redact_deliveries()
        self._audit(erased)
        return erased

    def _count(self, statement: sql.Composed) -> tuple[int, int]:
        row = self._conn.execute(statement, self._values).fetchone()
        assert row is not None  # noqa: S101  an aggregate returns one row
        return row[0], row[-1]

    def _rows(self, table: str) -> sql.Composed:
        names = self._conn.execute(query("list_emptied"), {"table": table}).fetchall()
        emptied = [
            sql.SQL("{} = NULL, ").format(sql.Identifier(name)) for (name,) in names
        ]
        return query(
            "erase_rows", table=sql.Identifier(table), emptied=sql.Composed(emptied)
        )

    def _cut(self, table: str) -> None:
        """Let nothing name the erased records of a table as parent or child."""
        several = {each.name for each in LINK_TABLES.values()}
        for link in links_to(table):
            if link.table in several:
                self._erase_links(link.table, link.child)
            else:
                self._conn.execute(_unlink(link), self._values)
        for (children, _), each in LINK_TABLES.items():
            if children == table:
                self._erase_links(each.name, f"{each.child}_source_id")

    def _erase_links(self, table: str, end: str) -> None:
        statement = query(
            "erase_links", table=sql.Identifier(table), end=sql.Identifier(end)
        )
        self._conn.execute(statement, self._values)

    def _erase_errors(self) -> int:
        either = "|".join(map(re.escape, self._ids))
        self._values["fingerprints"] = [f"id:{each}" for each in self._ids]
        self._values["pattern"] = rf'"(hs_object_id|id)": ?"?({either})"?[,}}]'
        return self._count(query("erase_errors"))[1]

    def _redact_events(self) -> int:
        found = self._conn.execute(query("events_of_records"), self._values).fetchall()
        left = {str(event_id): redact_event(payload) for event_id, payload in found}
        values = {**self._values, "events": Jsonb(left)}
        self._conn.execute(query("redact_events"), values)
        return len(left)

    def _redact_deliveries(self) -> int:
        """Look through all deliveries: what came twice left no events of its own."""
        parse = WEBHOOK_PARSERS.get(self._request.source.client)
        if parse is None:
            return 0
        named = re.compile("|".join(map(re.escape, self._ids)).encode())
        count = 0
        with self._conn.cursor(name="deliveries") as cursor:
            cursor.itersize = _DELIVERIES
            cursor.execute(query("deliveries_of_source"), self._values)
            for delivery_id, body in cursor:
                signed = _signed(body)
                if signed is not None and not named.search(signed):
                    continue
                redacted = redact_body(signed or b"", parse, self._is_erased)
                if redacted is not None:
                    redact_delivery(self._conn, delivery_id, signed or body, redacted)
                    count += 1
        return count

    def _is_erased(self, event: WebhookEvent) -> bool:
        is_ours = event.entity_type == self._entity.name
        return is_ours and event.object_id in self._ids

    def _audit(self, erased: Erased) -> None:
        row = self._conn.execute(query("load_erasure_key")).fetchone()
        assert row is not None  # noqa: S101  its migration wrote it
        request = self._request
        for source_id in erased.ids:
            name = f"{request.source_system}:{request.entity.name}:{source_id}"
            digest = hmac.new(row[0], name.encode(), hashlib.sha256).hexdigest()
            self._conn.execute(
                query("audit"),
                {
                    "actor": request.actor,
                    "action": "record.erased",
                    "object_type": "erased_record",
                    "object_id": digest,
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


def redact_delivery(
    conn: Connection, delivery_id: int, signed: bytes, redacted: bytes
) -> None:
    """Put a redacted body in place of a delivery's; part of a transaction."""
    digest = hashlib.sha256(signed).hexdigest()
    conn.execute(
        query("redact_delivery"),
        {"id": delivery_id, "body": redacted, "sha256": digest},
    )


def _signed(body: bytes) -> bytes | None:
    try:
        return unpack(body)
    except SourceError:
        return None


def _unlink(link: Link) -> sql.Composed:
    return query(
        "unlink_children",
        table=sql.Identifier(link.table),
        parents=sql.Identifier(link.parent),
        parent_id=sql.Identifier(link.column),
        parent_source_id=sql.Identifier(link.child),
    )
