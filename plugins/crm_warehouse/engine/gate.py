"""The gate of a job: quota shared by all processes, warehouse time, and stopping."""

import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.engine.lessons import Lessons
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.turn import Turn
from crm_warehouse.errors import CrmWarehouseError, QuotaWaitError, WaitError
from crm_warehouse.spec import Quota

#: Waits above this are worth giving the worker slot back, and getting it again.
SLOT_SECONDS = 5.0
#: Pauses that a process without a worker slot sits out.
PAUSE_SECONDS = 60.0

_log = logging.getLogger(__name__)


def with_options(conninfo: str, options: str) -> str:
    """Server options of the connection string, and ours behind them."""
    given = conninfo_to_dict(conninfo).get("options") or ""
    return f"{given} {options}".strip()


class StoppedError(CrmWarehouseError):
    """Internal: the job ends and its reading thread with it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Longest waits inside a job's process; longer ones park the job.

    Attributes:
        quota_seconds: For quota; a few seconds are always waited.
        pause_seconds: For what the source or the retry policy asks for.
    """

    quota_seconds: float = SLOT_SECONDS
    pause_seconds: float = PAUSE_SECONDS


class QuotaGate:
    """The part of :class:`crm_warehouse.clients.interface.Gate` that counts and waits.

    Threads share it. Of those that want a request of one kind, one asks and waits for
    all, or each would ask again at the end of each wait.

    Args:
        conninfo: Warehouse; the gate keeps one connection of its own, because the
            client asks from threads of its own while a chunk is being written.
        source_system: Account whose quotas count.
        quotas: Its limits; None: of an API that this job does not ask.
        stop: Ends every wait.
        asker: Entity that shares the quotas with the others; ``webhooks``: a merge,
            which may use what is kept for it.
        webhook_share: Share of the general quotas that only merges may use.
        patience: Longest waits in here.
    """

    def __init__(
        self,
        conninfo: str,
        source_system: str,
        quotas: Sequence[Quota] | None,
        stop: threading.Event,
        *,
        asker: str,
        webhook_share: float = 0.0,
        patience: Patience | None = None,
    ) -> None:
        self._names = {"source_system": source_system, "asker": asker}
        self._patience = patience or Patience()
        self._stop = stop
        self._is_parked = False
        #: Held by who uses the connection, over all statements of one transaction.
        self.lock = threading.RLock()
        self._turns: dict[str, threading.Lock] = {}
        self._of_thread = threading.local()
        # A lost count of a few requests after a crash is cheaper than a disk flush
        # before each request.
        self._conn: psycopg.Connection[Any] = psycopg.connect(
            conninfo,
            autocommit=True,
            application_name="crm_warehouse gate",
            options=with_options(conninfo, "-c synchronous_commit=off"),
        )
        if quotas is not None:
            self._save(quotas, webhook_share)
        told = self._conn.execute(query("told_limits"), self._names).fetchall()
        self._lessons = Lessons(quotas or (), dict(told))
        row = self._conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101  a SELECT without FROM returns one row
        self._ahead: timedelta = row[0] - datetime.now(UTC)

    def _save(self, quotas: Sequence[Quota], webhook_share: float) -> None:
        account = {**self._names, "names": [quota.name for quota in quotas]}
        with self._conn.transaction():
            self._conn.execute(query("lock_quotas"), account)
            for quota in quotas:
                values = {
                    **account,
                    "name": quota.name,
                    "kind": quota.kind,
                    "limit_requests": quota.requests,
                    "per_seconds": quota.per_seconds,
                    "webhook_share": webhook_share,
                }
                self._conn.execute(query("rename_quota"), values)
                self._conn.execute(query("save_quotas"), values)
            self._conn.execute(query("forget_quotas"), account)

    def take(self, kind: str = "") -> None:
        """Wait until every quota of this kind allows one request, and count it."""
        with self._turns.setdefault(kind, threading.Lock()):
            self._heed_stop()
            while (turn := self._ask(kind)).wait:
                reason = f"{self._names['source_system']} {turn.reason}"
                if turn.held:
                    self.pause(turn.wait, reason)
                else:
                    limit = max(SLOT_SECONDS, self._patience.quota_seconds)
                    self._wait(turn.wait, limit, reason, QuotaWaitError)
        self._of_thread.taken_at = turn.taken_at
        with self.lock:
            for standing in turn.standings():
                self._lessons.note(*standing)
        self._heed_stop()

    def now(self) -> datetime:
        """Aware UTC time by the warehouse's clock."""
        return datetime.now(UTC) + self._ahead

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before a repetition."""
        patience = self._patience
        limit = max(patience.pause_seconds, patience.quota_seconds)
        self._wait(seconds, limit, reason, WaitError)

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        """Let nobody who uses the account ask before a pause is over."""
        values = {"seconds": seconds, "reason": reason, "kind": kind}
        with self.lock:
            self._conn.execute(query("save_hold"), {**self._names, **values})

    def seconds_of_day_left(self) -> float | None:
        """Seconds until a new day begins for the account; None: its zone is unknown."""
        with self.lock:
            row = self._conn.execute(query("end_of_day"), self._names).fetchone()
        return None if row is None else row[0]

    def lacks_time_zone(self) -> bool:
        """Whether the account is to be asked for its zone, for the sake of its days."""
        with self.lock:
            row = self._conn.execute(query("lacks_time_zone"), self._names).fetchone()
        return row is not None and bool(row[0])

    def save_time_zone(self, name: str | None) -> None:
        """Remember the zone that the account tells, or that it tells none."""
        values = {**self._names, "time_zone": name}
        with self.lock:
            rows = self._conn.execute(query("save_time_zone"), values).fetchall()
        if name is not None and (name,) not in rows:
            _log.warning(
                "PostgreSQL does not know the account's time zone %r: a limit of the "
                "day is asked for again each hour",
                name,
            )

    def learn(self, allowances: Sequence[Allowance]) -> None:
        """Hear what an answer to this thread's latest request tells of the quotas."""
        if any(each.is_used_up_day() for each in allowances):
            self._rest_until_tomorrow()
        asked_at = getattr(self._of_thread, "taken_at", None)
        with self.lock:
            for lesson in self._lessons.news(allowances):
                self._conn.execute(
                    query("learn_quota"),
                    {
                        **self._names,
                        "name": lesson.name,
                        "told": lesson.told,
                        "remaining": lesson.remaining,
                        "asked_at": asked_at or self.now(),
                    },
                )

    def _rest_until_tomorrow(self) -> None:
        seconds = self.seconds_of_day_left()
        if seconds is not None:
            self.hold(seconds, "the account's requests of the day are used up")

    @property
    def conn(self) -> psycopg.Connection[Any]:
        """Its connection, in autocommit mode; for who holds :attr:`lock`."""
        return self._conn

    def do_without(self) -> None:
        """Hear that the job goes on without the request that it would wait for."""
        self._is_parked = False

    def close(self) -> None:
        """Give back the connection; and the share, unless the job waits for it."""
        with contextlib.suppress(psycopg.Error):
            if not self._is_parked:
                self._conn.execute(query("forget_wants"), self._names)
        self._conn.close()

    def _ask(self, kind: str) -> Turn:
        with self.lock, self._conn.cursor(row_factory=class_row(Turn)) as cursor:
            cursor.execute(query("take_request"), {**self._names, "kind": kind})
            turn = cursor.fetchone()
        assert turn is not None  # noqa: S101  the function returns one row
        return turn

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def _wait(
        self, seconds: float, limit: float, reason: str, error: type[WaitError]
    ) -> None:
        if seconds > limit:
            self._is_parked = error is QuotaWaitError
            raise error(self.now() + timedelta(seconds=seconds), reason)
        if seconds > SLOT_SECONDS:
            _log.info("%s; waiting %.0f s", reason, seconds)
        if self._stop.wait(seconds):
            raise StoppedError
