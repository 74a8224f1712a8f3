"""Take the values of erased persons out of what was pushed: the inbox.

After the erasure is committed, not with it: the inbox may be long, and loads must not
wait for it. Deliveries that are taken apart from then on are redacted by whoever does
that (:mod:`crm_warehouse.engine.inbox`). What a kill leaves is marked as such in
``ops.erased_records``; the next erasure, merge of webhooks or round of maintenance goes
on.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import (
    Forgotten,
    redact_body,
    redact_event,
    unpack,
)
from crm_warehouse.engine.share import hold_inbox
from crm_warehouse.errors import SourceError
from crm_warehouse.spec import Source

#: Deliveries, or events, looked through at once.
_BATCH = 500


def redact_inbox(
    conn: Connection,
    source: Source,
    source_system: str,
    *,
    actor: str,
    job_id: int | None = None,
    beat: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Look through the inbox for all erased records that it was not yet redacted for.

    Args:
        conn: Connection in autocommit mode.
        source: Definition of the source.
        source_system: Instance name.
        actor: Who does it, for the audit trail.
        job_id: The job that does it, if one does.
        beat: Called between batches.

    Returns:
        Events and deliveries redacted, by table.
    """
    values = {"source_system": source_system}
    found = conn.execute(query("find_unredacted"), values).fetchall()
    redactor = Redactor(conn, source, source_system, Forgotten(found), job_id, beat)
    if not found:
        return redactor.counts
    with conn.transaction():
        # Whoever took deliveries apart without knowing of the erasure is done by then.
        hold_inbox(conn, source_system)
    redactor.run(write=True)
    with conn.transaction():
        conn.execute(query("mark_redacted"), {**values, **redactor.names})
        told = {"erased": len(found), "records": redactor.counts}
        conn.execute(
            query("audit"),
            {
                "actor": actor,
                "action": "inbox.redacted",
                "object_type": "source_system",
                "object_id": source_system,
                "details": Jsonb(told),
            },
        )
    return redactor.counts


class Redactor:
    """Looks through one inbox.

    Attributes:
        names: The erased records as statements take them.
        counts: Events and deliveries found, by table.
    """

    def __init__(
        self,
        conn: Connection,
        source: Source,
        source_system: str,
        forgotten: Forgotten,
        job_id: int | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._conn = conn
        self._parse = WEBHOOK_PARSERS.get(source.client)
        self._source_system = source_system
        self._forgotten = forgotten
        self._job_id = job_id
        self._beat = beat
        records = sorted(forgotten.records)
        self.names = {
            "entities": [entity for entity, _ in records],
            "ids": [source_id for _, source_id in records],
        }
        self.counts = {"staging.webhook_events": 0, "staging.webhook_deliveries": 0}

    def run(self, *, write: bool) -> None:
        """Redact what is found, a batch a transaction, or only count it."""
        if self._parse is None:
            return
        for events in self._batches(query("events_of_records")):
            left = {
                str(event_id): redact_event(payload)
                for event_id, entity, object_id, payload in events
                if self._forgotten.concerns(entity, object_id, payload)
            }
            self.counts["staging.webhook_events"] += len(left)
            if write and left:
                values = {"events": Jsonb(left), "job_id": self._job_id}
                self._conn.execute(query("redact_events"), values)
        for deliveries in self._batches(query("deliveries_of_source")):
            found = [each for each, body in deliveries if self._redacted(body)]
            self.counts["staging.webhook_deliveries"] += len(found)
            if write and found:
                self._redact(found)

    def _batches(self, statement: sql.Composed) -> Iterator[list[tuple[Any, ...]]]:
        values = {**self.names, "source_system": self._source_system, "limit": _BATCH}
        after = 0
        while True:
            limits = {**values, "after": after}
            rows = self._conn.execute(statement, limits).fetchall()
            if not rows:
                return
            yield rows
            self._beat()
            after = rows[-1][0]

    def _redacted(self, body: bytes) -> tuple[bytes, bytes] | None:
        """The signed bytes, and what is to stand in their place; None: it may stay."""
        assert self._parse is not None  # noqa: S101  run looks
        try:
            signed = unpack(body)
        except SourceError:
            signed = None
        if signed is not None and not self._forgotten.may_stand_in(signed):
            return None
        redacted = redact_body(signed or b"", self._parse, self._forgotten)
        return None if redacted is None else (signed or body, redacted)

    def _redact(self, ids: list[int]) -> None:
        """Read them once more: another erasure may have redacted them meanwhile."""
        with self._conn.transaction():
            hold_inbox(self._conn, self._source_system)
            rows = self._conn.execute(query("load_deliveries"), {"deliveries": ids})
            for delivery_id, body in rows.fetchall():
                if (found := self._redacted(body)) is not None:
                    redact_delivery(self._conn, delivery_id, *found)


def redact_delivery(
    conn: Connection, delivery_id: int, signed: bytes, redacted: bytes
) -> None:
    """Put a redacted body in place of a delivery's; part of a transaction."""
    digest = hashlib.sha256(signed).hexdigest()
    conn.execute(
        query("redact_delivery"),
        {"id": delivery_id, "body": redacted, "sha256": digest},
    )
