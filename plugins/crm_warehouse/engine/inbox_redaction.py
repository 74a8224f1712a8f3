"""Take the values of erased persons out of what was pushed: the inbox.

After the erasure is committed, not with it: the inbox may be long, and loads must not
wait for it. Deliveries that are taken apart from then on are redacted by whoever does
that (:mod:`crm_warehouse.engine.inbox`). Merges of webhooks, which must not wait
either, go by the events of the erased records. For what these do not tell, as of events
that came twice, all of the inbox is looked through by the next erasure or round of
maintenance: ``ops.erased_records`` has what is still to be done, after a kill, too.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookParser
from crm_warehouse.engine.erased_keys import (
    ErasureKey,
    drop_repeated,
    hide_known_events,
)
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import (
    EMPTIED,
    Forgotten,
    is_emptied,
    redact_body,
    redact_event,
    unpack,
    unreadable_keys,
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
    told_only: bool = False,
) -> dict[str, int]:
    """Look through the inbox for all erased records that it was not yet redacted for.

    Args:
        conn: Connection in autocommit mode.
        source: Definition of the source.
        source_system: Instance name.
        actor: Who does it, for the audit trail.
        job_id: The job that does it, if one does.
        beat: Called between batches.
        told_only: Look at nothing but the events of these records and their deliveries,
            which takes milliseconds; the rest remains to be done.

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
    if told_only:
        redactor.run_told()
    else:
        redactor.run(write=True)
    if told_only and not any(redactor.counts.values()):
        return redactor.counts
    with conn.transaction():
        if not told_only:
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

    @cached_property
    def _key(self) -> ErasureKey:
        return ErasureKey(self._conn)

    def run(self, *, write: bool) -> None:
        """Redact what is found, a batch a transaction, or only count it."""
        if self._parse is None:
            return
        self._redact_events(write=write)
        self._redact_deliveries(query("deliveries_of_source"), write=write)

    def run_told(self) -> None:
        """Redact the events that name the records, and what brought these.

        In the other order: while an event has its values, its delivery is found.
        """
        if self._parse is None:
            return
        self._redact_deliveries(query("deliveries_of_records"), write=True)
        self._redact_events(write=True, told_only=True)

    def _redact_events(self, *, write: bool, told_only: bool = False) -> None:
        statement = query("events_of_records")
        for events in self._batches(statement, told_only=told_only):
            left = [
                {
                    "id": event_id,
                    "payload": redact_event(payload),
                    "plain": plain,
                    "hidden": self._key.hide_event(plain, *place),
                }
                for event_id, entity, object_id, payload, plain, *place in events
                if self._forgotten.concerns(entity, object_id, payload)
            ]
            self.counts["staging.webhook_events"] += len(left)
            if write and left:
                values = {"events": Jsonb(left), "job_id": self._job_id}
                with self._conn.transaction():
                    # Who takes deliveries apart hides keys of the same events.
                    hold_inbox(self._conn, self._source_system)
                    self._conn.execute(query("redact_events"), values)

    def _redact_deliveries(self, statement: sql.Composed, *, write: bool) -> None:
        for deliveries in self._batches(statement):
            found = [
                each for each, *sent in deliveries if self._redacted(*sent) is not None
            ]
            self.counts["staging.webhook_deliveries"] += len(found)
            if write and found:
                self._redact(found)

    def _batches(
        self, statement: sql.Composed, **more: Any
    ) -> Iterator[list[tuple[Any, ...]]]:
        names = {"source_system": self._source_system, **self.names}
        values = {**names, "limit": _BATCH, **more}
        after = 0
        while True:
            limits = {**values, "after": after}
            rows = self._conn.execute(statement, limits).fetchall()
            if not rows:
                return
            yield rows
            self._beat()
            after = rows[-1][0]

    def _redacted(self, body: bytes, content_type: str) -> tuple[bytes, bytes] | None:
        """The signed bytes, and what is to stand in their place; None: it may stay."""
        assert self._parse is not None  # noqa: S101  run looks
        try:
            signed = unpack(body)
        except SourceError:
            # Nobody can say whose a damaged one is.
            return None if is_emptied(body) else (body, EMPTIED)
        if not self._parse.carries and not self._forgotten.may_stand_in(signed):
            return None
        redacted = redact_body(signed, content_type, self._parse, self._forgotten)
        return None if redacted is None else (signed, redacted)

    def _redact(self, ids: list[int]) -> None:
        """Read them once more: another erasure may have redacted them meanwhile."""
        with self._conn.transaction():
            hold_inbox(self._conn, self._source_system)
            found = self._conn.execute(query("load_deliveries"), {"deliveries": ids})
            rows = found.fetchall()
            gone = drop_repeated(self._conn, {row[0]: row[3] for row in rows})
            for delivery_id, body, content_type, replay_key in rows:
                left = self._redacted(body, content_type)
                if left is None or delivery_id in gone:
                    continue
                name = delivery_id, replay_key
                redact_delivery(self._conn, self._key, name, *left)
                gone_keys = keys_taken_out(*left, content_type, self._parse)
                hidden = {each: self._key.hide(each) for each in gone_keys}
                hide_known_events(self._conn, self._source_system, hidden)


def keys_taken_out(
    signed: bytes, redacted: bytes, content_type: str, parse: WebhookParser | None
) -> set[str]:
    """Dedupe keys of elements that could not be read, and are not there any more."""
    if parse is None:
        return set()
    left = unreadable_keys(zlib.decompress(redacted), "application/json", parse)
    return unreadable_keys(signed, content_type, parse) - left


def redact_delivery(
    conn: Connection,
    key: ErasureKey,
    name: tuple[int, str],
    signed: bytes,
    redacted: bytes,
) -> None:
    """Put a redacted body in place of a delivery's; part of a transaction.

    Args:
        conn: In a transaction that holds the inbox.
        key: Hides what is derived from the body.
        name: The delivery's number, and its replay key.
        signed: The signed bytes.
        redacted: The redacted body, compressed.
    """
    delivery_id, replay_key = name
    conn.execute(
        query("redact_delivery"),
        {
            "id": delivery_id,
            "body": redacted,
            "sha256": key.hide(hashlib.sha256(signed).hexdigest()),
            "replay_key": key.hide(replay_key),
        },
    )
