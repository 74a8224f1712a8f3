"""Records that webhooks carry, laid over what the raw layer holds of them.

Whoever sets up a delivery chooses its fields, so it says part of a record. It may come
late, and again: what it says is older than the newest known, or it is not.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import WebhookParser
from crm_warehouse.engine.chunk import SeenIds, order_of
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.partial import Known, PartialChunk, laid_over
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import unpack
from crm_warehouse.errors import GuardError, SourceError

#: Events, and bytes of their deliveries, that are merged in one transaction.
_BATCH = 1_000
_BATCH_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Carried:
    """Records of one entity that pending events carry, in the order of their arrival.

    Attributes:
        events: Numbers of the events.
        lost: Those among them that cannot be read any more.
        records: Each with the number of its event, and when its delivery came.
    """

    events: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    records: list[tuple[int, Any, datetime]] = field(default_factory=list)

    def settle(
        self, conn: Connection, job: Job, mapping: Mapping, objected: dict[str, str]
    ) -> None:
        """Settle the events; part of the transaction that merges the records.

        Args:
            conn: In that transaction.
            job: The job that merges them.
            mapping: Mapping of the records.
            objected: Source id of each record that is not written -> why.
        """
        failed = self._failed(mapping, objected)
        values = {"ids": self.events, "failed": Jsonb(failed), "job_id": job.id}
        conn.execute(query("settle_carried"), values)

    def _failed(self, mapping: Mapping, objected: dict[str, str]) -> dict[int, str]:
        """Events that are not merged, each with the reason."""
        found = dict.fromkeys(self.lost, "its delivery cannot be read any more")
        for event_id, record, _ in self.records if objected else ():
            source_id = mapping.source_id(record)
            if source_id is not None and source_id in objected:
                found[event_id] = objected[source_id]
        return found


def pending_records(
    conn: Connection,
    request: WebhookRequest,
    entities: Collection[str],
    last: dict[int, list[Any]],
) -> dict[str, Carried]:
    """What the longest pending events carry, by entity; empty when none is left.

    Records are read from the signed bytes: what jsonb cannot hold is not lost.

    Args:
        conn: Connection in autocommit mode.
        request: Whose events.
        entities: Those that can be merged.
        last: Records of the delivery that was read last, by its number, for the next
            time, which goes on with it; empty at first.
    """
    values = {
        "source_system": request.source_system,
        "entities": list(entities),
        "limit": _BATCH,
    }
    rows = conn.execute(query("pending_carried"), values).fetchall()
    deliveries = _first_deliveries(rows)
    records = _records_of(conn, request, deliveries, last)
    found: dict[str, Carried] = {}
    for event_id, entity, delivery, position, received_at, _ in sorted(
        (row for row in rows if row[2] in deliveries), key=lambda row: (row[4], row[0])
    ):
        carried = found.setdefault(entity, Carried())
        carried.events.append(event_id)
        delivered = records.get(delivery, [])
        record = delivered[position] if position < len(delivered) else None
        if record is None:
            carried.lost.append(event_id)
        else:
            carried.records.append((event_id, record, received_at))
    return found


def _first_deliveries(rows: list[Any]) -> set[int]:
    """As many deliveries as may be held at once, but one at least."""
    found: set[int] = set()
    size = 0
    for _, _, delivery, _, _, body_bytes in rows:
        if delivery in found:
            continue
        size += body_bytes
        if found and size > _BATCH_BYTES:
            break
        found.add(delivery)
    return found


def _records_of(
    conn: Connection,
    request: WebhookRequest,
    deliveries: Collection[int],
    last: dict[int, list[Any]],
) -> dict[int, list[Any]]:
    """Records by delivery, in their order; remembers those of the newest one.

    An erasure may have redacted what is remembered; its events are pending no more.
    """
    parse = WEBHOOK_PARSERS[request.source.client]
    found = {each: last[each] for each in deliveries if each in last}
    unread = {"deliveries": [each for each in deliveries if each not in last]}
    stored = conn.execute(query("load_deliveries"), unread)
    for delivery, body, content_type, _ in stored:
        found[delivery] = _parsed(parse, body, content_type)
    last.clear()
    if found:
        newest = max(found)
        last[newest] = found[newest]
    return found


def _parsed(parse: WebhookParser, body: bytes, content_type: str) -> list[Any]:
    try:
        events = parse(unpack(body), content_type=content_type)
        return [None if event.problem else event.record for event in events]
    except SourceError:
        return []


def losing(objections: Iterable[GuardError], stored: Collection[str]) -> dict[str, str]:
    """Stored records to which guards object, and why; of a new one nothing is lost."""
    return {
        source_id: f"{each.guard}: {each.finding}"
        for each in objections
        for source_id in each.source_ids
        if source_id in stored
    }


def as_told(error: GuardError) -> GuardError:
    """The objection with what became of the events."""
    finding = (
        f"{error.finding}. Their events are set aside as failed: replay them first"
    )
    return GuardError(finding, error.guard, "webhook")


class CarriedChunk(PartialChunk):
    """Records of deliveries, each laid over the newest that is known of it.

    Args:
        mapping: Mapping of the records.
        seen: What the job has seen before.
        version_key: Key of a record's version, if it has one.
        scope: Put before the keys of a job that reads several entities.
        drafts: As the parser says it.
    """

    may_be_late = True

    def __init__(
        self,
        mapping: Mapping,
        seen: SeenIds,
        version_key: str | None,
        scope: str,
        *,
        drafts: bool,
    ) -> None:
        super().__init__(mapping, seen, version_key, scope)
        self._drafts = drafts

    def combine(
        self, known: Known | None, record: dict[str, Any], observed_at: datetime
    ) -> tuple[Any, datetime]:
        """The record over what is known; what is known alone where that is newer.

        A record that says less than is known counts as observed no later than that,
        and the first one of all no later than it was changed: what a poll reads of
        the same version, which is all of it, is never held to be older.
        """
        version = self._mapping.version(record)
        if known is None:
            changed = datetime.fromisoformat(version) if version else observed_at
            return record, min(observed_at, changed)
        if not self._is_news(known, version, observed_at):
            return known
        if not _says_all(known.record, record):
            observed_at = min(observed_at, known.observed_at)
        return laid_over(known.record, record, self.version_key), observed_at

    def _is_news(
        self, known: Known, version: str | None, observed_at: datetime
    ) -> bool:
        """Whether it is newer than what is known; as ``merge_raw.sql`` decides it."""
        old = self._mapping.version(known.record) if _is_object(known.record) else None
        if old and version and order_of(old) != order_of(version):
            return order_of(version) > order_of(old)
        if old and not version and self._drafts:
            return False
        return observed_at >= known.observed_at


def _says_all(known: Any, said: Any) -> bool:
    """Whether what is said names everything that is known; as deep as it says it."""
    if not _is_object(known):
        return True
    return _is_object(said) and all(
        key in said and _says_all(value, said[key]) for key, value in known.items()
    )


def _is_object(value: Any) -> bool:
    return type(value) is dict
