"""The circuit breaker of a source account: while it is down, nobody asks it.

All processes share its row in ``ops.circuit_breakers``. As long as all is well, it is
looked at when a job begins and every few seconds, never for each request.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from crm_warehouse.engine.queries import query
from crm_warehouse.spec import Source

#: Failures in a row that open it: more than the retry policy of any one request has.
MOST_FAILURES = 8
#: Pause before the first probe; each that fails doubles it, up to the longest.
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 15 * 60.0
#: How long entities whose requests failed let others probe first: they may be the ones
#: that are broken, while others would be answered.
YIELD_SECONDS = 15.0
#: Shortest wait, so that no job looks again and again.
_LEAST_SECONDS = 1.0
#: While another process probes: when to look again.
_PROBE_SECONDS = 10.0
_LOOK_SECONDS = 5.0

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class _Row:
    state: str
    failures: int
    reason: str | None
    failed_ago: float | None
    wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The source is not to be asked.

    Attributes:
        seconds: Look again after these.
        reason: Why, for people.
    """

    seconds: float
    reason: str


class Breaker:
    """What one job does with the breaker of its source account.

    Threads that ask the source share it, one call at a time.

    Args:
        conn: Connection in autocommit mode, which nobody else uses during a call.
        source: Definition of the source.
        source_system: The account.
        entity_type: Whose job this is: the lock makes it the only one of its name.
    """

    def __init__(
        self, conn: Connection, source: Source, source_system: str, entity_type: str
    ) -> None:
        self._conn = conn
        self._names = {"source_system": source_system, "entity_type": entity_type}
        # A single broken entity must not keep us from the others.
        self._least_entities = min(2, len(source.entities))
        self._lease_seconds = source.timeout_seconds + 30.0
        self._look_at = 0.0
        self._in_doubt = True
        #: Whether the request that a thread is about to send may be the probe.
        self._of_thread = threading.local()
        self._answered_at = float("-inf")

    def look(self) -> Refusal | None:
        """Before a request: why not to send it, or None."""
        self._of_thread.may_probe = False
        if not self._in_doubt and time.monotonic() < self._look_at:
            return None
        row = self._load()
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._in_doubt = row is not None and row.failures > 0
        if row is None or row.state == "closed":
            return None
        if time.monotonic() - self._answered_at < (row.failed_ago or 0.0):
            self._close()  # what others met, we did not: the source is up
            return None
        if row.wait_seconds is not None and row.wait_seconds > 0:
            return self._refusal(row, row.wait_seconds)
        self._of_thread.may_probe = True
        return None

    def enter(self) -> Refusal | None:
        """Just before a request: take the probe, when there is one to take."""
        if not getattr(self._of_thread, "may_probe", False):
            return None
        values = {**self._names, "lease_seconds": self._lease_seconds}
        if self._conn.execute(query("probe_breaker"), values).fetchone() is not None:
            return None
        row = self._load()
        if row is None or row.state == "closed":
            return None
        return self._refusal(row, row.wait_seconds or 0.0)

    def answered(self) -> None:
        """The source answered: whatever failed before, it is up."""
        self._answered_at = time.monotonic()
        if self._in_doubt:
            self._close()

    def _close(self) -> None:
        with self._conn.transaction():
            row = self._execute(query("close_breaker"), self._names)
            if row is not None and row["state"] != "closed":
                self._audit("breaker.closed", row)
        self._in_doubt = False

    def failed(self, reason: str) -> None:
        """A request failed because the source seemed down."""
        self._in_doubt = True
        values = {
            **self._names,
            "reason": reason,
            "most_failures": MOST_FAILURES,
            "least_entities": self._least_entities,
            "first_pause_seconds": FIRST_PAUSE_SECONDS,
            "longest_pause_seconds": LONGEST_PAUSE_SECONDS,
        }
        with self._conn.transaction():
            self._conn.execute(query("count_failure"), values)
            row = self._execute(query("open_breaker"), values)
            if row is not None and row["was_closed"]:
                self._audit("breaker.opened", row)

    def _load(self) -> _Row | None:
        values = {**self._names, "yield_seconds": self._yield_seconds}
        with self._conn.cursor(row_factory=class_row(_Row)) as cursor:
            return cursor.execute(query("load_breaker"), values).fetchone()

    @property
    def _yield_seconds(self) -> float:
        return YIELD_SECONDS if self._least_entities > 1 else 0.0

    def _refusal(self, row: _Row, seconds: float) -> Refusal:
        if row.state == "half_open":
            seconds = min(seconds, _PROBE_SECONDS)
        seconds = max(seconds, _LEAST_SECONDS)
        name = self._names["source_system"]
        times = f"{row.failures} times in a row"
        return Refusal(seconds, f"{name} does not answer ({row.reason}, {times})")

    def _execute(
        self, statement: sql.Composed, values: dict[str, Any]
    ) -> dict[str, Any] | None:
        with self._conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, values).fetchone()

    def _audit(self, action: str, row: dict[str, Any]) -> None:
        details: dict[str, Any] = {
            "failures": row["failures"],
            "reason": row["reason"],
            "entity_type": self._names["entity_type"],
        }
        self._conn.execute(
            query("audit"),
            {
                "actor": None,
                "action": action,
                "object_type": "source",
                "object_id": self._names["source_system"],
                "details": Jsonb(details),
            },
        )
