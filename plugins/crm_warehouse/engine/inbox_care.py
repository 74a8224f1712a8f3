"""Look after the inbox: replay what is settled, discard what nobody wants.

Both go through what a choice lets pass, batch by batch, each a transaction with its
line in the audit trail: a kill leaves whole batches, and the same words go on. A merge
may run meanwhile; it sees a batch or does not.

A replayed event makes the next merge read its record again. That is why a replay can
bring back nothing old: what the source has now is merged, by the rules of every poll.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.redaction import unpack
from crm_warehouse.engine.share import hold_inbox, hold_rows
from crm_warehouse.spec import Source

#: Rows of one transaction; bodies of deliveries may be large.
_BATCH = {"events": 5_000, "deliveries": 100}
#: Types of events that later erasures go by, as a regular expression.
_TELLING = r"\.(merge|privacyDeletion)$"

#: What is done with a chosen row, or why nothing is.
REPLAYED, JUDGED_AGAIN, DISCARDED = "replayed", "judged_again", "discarded"
WAITING, EXPLODED, SETTLED = "waiting_already", "exploded", "settled"
ERASED, TELLING = "record_erased", "tells_of_merge_or_erasure"
#: Those of which something is done.
DONE = (REPLAYED, JUDGED_AGAIN, DISCARDED)

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Care:
    """Who changes what in the inbox.

    Attributes:
        choice: Deliveries or events.
        actor: Who does it, for the audit trail.
        write: Do it; otherwise only count.
    """

    choice: Choice
    actor: str
    write: bool


def replay(conn: Connection, care: Care) -> Counter[str]:
    """Set what was settled back, so that the next merge takes it up.

    Merged and ignored events are pending again. Those that failed, were discarded or
    name no record of ours are judged anew: their deliveries are exploded again, as are
    those that failed or were discarded.

    Args:
        conn: Connection in autocommit mode.
        care: What, and who.

    Returns:
        How many were replayed, and how many not and why, by the words above.
    """
    if care.choice.kind == "events":
        return _Round(conn, care, "replayed", _fate_of_event, _replay_events).run()
    return _Round(conn, care, "replayed", _fate_of_delivery, _replay_deliveries).run()


def discard(
    conn: Connection, care: Care, reason: str, sources: Mapping[str, Source]
) -> Counter[str]:
    """Settle what is pending or failed without merging it.

    What waits and says that records were merged or erased stays: erasures go by it.

    Args:
        conn: Connection in autocommit mode.
        care: What, and who.
        reason: Why, in a person's words.
        sources: All sources by name; their parsers look into pending deliveries.

    Returns:
        As of :func:`replay`.
    """
    kind = care.choice.kind

    def fate(row: _Row) -> str:
        if row["state"] not in ("pending", "failed"):
            return SETTLED
        if row["state"] == "pending" and _is_telling(row, sources):
            return TELLING
        return DISCARDED

    def write(conn: Connection, rows: dict[str, list[_Row]]) -> None:
        told = f"discarded by {care.actor}: {reason}"
        values = {"ids": _ids(rows[DISCARDED]), "reason": told}
        events = kind == "events"
        conn.execute(
            query("discard_events") if events else query("discard_deliveries"), values
        )

    return _Round(conn, care, "discarded", fate, write, reason).run()


@dataclass(frozen=True, slots=True)
class _Round:
    """One way through what a choice lets pass.

    Attributes:
        act: What is done, in the audit trail.
        fate: What becomes of a row.
        write: Does it, to rows by their fate; part of a transaction.
        reason: Why, if a person said so.
    """

    conn: Connection
    care: Care
    act: str
    fate: Callable[[_Row], str]
    write: Callable[[Connection, dict[str, list[_Row]]], None]
    reason: str | None = None

    def run(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for batch in self._batches():
            rows: dict[str, list[_Row]] = {word: [] for word in DONE}
            for row in batch:
                rows.setdefault(self.fate(row), []).append(row)
            found = Counter({word: len(each) for word, each in rows.items() if each})
            counts += found
            if self.care.write and any(found[word] for word in DONE):
                with self.conn.transaction():
                    self._do(rows, found)
        return counts

    def _batches(self) -> Iterator[list[_Row]]:
        choice, after = self.care.choice, 0
        events = choice.kind == "events"
        statement = (
            query("choose_events", filter=choice.condition)
            if events
            else query("choose_deliveries", filter=choice.condition)
        )
        values = {
            **choice.given,
            "telling": _TELLING,
            "with_body": self.act == "discarded",
            "limit": _BATCH[choice.kind],
        }
        while True:
            with self.conn.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(statement, {**values, "after": after}).fetchall()
            if not rows:
                return
            yield rows
            after = rows[-1]["id"]

    def _do(self, rows: dict[str, list[_Row]], found: Counter[str]) -> None:
        done = [row for word in DONE for row in rows[word]]
        # No delivery is exploded, and no erasure redacts, in the middle of it; nor does
        # a merge settle the same events, so that neither waits for the other for ever.
        for source_system in sorted({row["source_system"] for row in done}):
            hold_inbox(self.conn, source_system)
        of_entities = (row for row in done if row.get("entity_type"))
        places = {(row["source_system"], row["entity_type"]) for row in of_entities}
        for source_system, entity_type in sorted(places):
            hold_rows(self.conn, source_system=source_system, entity_type=entity_type)
        self.write(self.conn, rows)
        self.conn.execute(query("wake_merge"))
        choice = self.care.choice
        details = {
            "filters": {name: str(x) for name, x in choice.given.items()},
            "counts": {word: found[word] for word in DONE if found[word]},
            "ids": [min(row["id"] for row in done), max(row["id"] for row in done)],
            "reason": self.reason,
        }
        self.conn.execute(
            query("audit"),
            {
                "actor": self.care.actor,
                "action": f"webhooks.{self.act}",
                "object_type": f"webhook_{choice.kind}",
                "object_id": choice.given.get("source_system", "all"),
                "details": Jsonb(details),
            },
        )


def _fate_of_event(row: _Row) -> str:
    if row["state"] == "pending":
        return WAITING
    if row["erased"]:
        return ERASED
    if row["state"] in ("merged", "ignored") and row["usable"]:
        return REPLAYED
    return JUDGED_AGAIN


def _fate_of_delivery(row: _Row) -> str:
    words = {"pending": WAITING, "exploded": EXPLODED}
    return words.get(row["state"], REPLAYED)


def _replay_events(conn: Connection, rows: dict[str, list[_Row]]) -> None:
    conn.execute(query("replay_events"), {"ids": _ids(rows[REPLAYED])})
    judged = rows[JUDGED_AGAIN]
    # An event of another account must not count as told, not even until the next merge.
    conn.execute(query("recall_events"), {"ids": _ids(judged)})
    deliveries = sorted({row["delivery_id"] for row in judged})
    conn.execute(query("replay_deliveries"), {"ids": deliveries})


def _replay_deliveries(conn: Connection, rows: dict[str, list[_Row]]) -> None:
    conn.execute(query("replay_deliveries"), {"ids": _ids(rows[REPLAYED])})


def _ids(rows: list[_Row]) -> list[int]:
    return [row["id"] for row in rows]


def _is_telling(row: _Row, sources: Mapping[str, Source]) -> bool:
    """Whether an event, or a delivery by what its bytes say, tells of such."""
    if "telling" in row:
        return bool(row["telling"])
    source = sources.get(row["source_system"])
    parse = WEBHOOK_PARSERS.get(source.client) if source else None
    if parse is None:
        return False
    try:
        events = parse(unpack(row["body"]), portal_id=None, app_id=None)
    except Exception:  # noqa: BLE001  what cannot be read tells nothing
        return False
    return any(re.search(_TELLING, each.event_type) for each in events)
