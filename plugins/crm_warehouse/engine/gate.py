"""The gate of a job: quota shared by all processes, warehouse time, and stopping."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from crm_warehouse.engine.queries import query
from crm_warehouse.errors import CrmWarehouseError, QuotaWaitError
from crm_warehouse.spec import Quota

#: Waits for quota above this give the worker slot back.
_QUOTA_WAIT_SECONDS = 5.0
#: Pauses before repetitions, and Retry-After, above this give the slot back.
_PAUSE_SECONDS = 60.0


def with_options(conninfo: str, options: str) -> str:
    """Server options of the connection string, and ours behind them."""
    given = conninfo_to_dict(conninfo).get("options") or ""
    return f"{given} {options}".strip()


class StoppedError(CrmWarehouseError):
    """Internal: the job ends and its reading thread with it."""


class QuotaGate:
    """Implements :class:`crm_warehouse.clients.interface.Gate` on ``ops.api_quota``.

    Args:
        conninfo: Warehouse; the gate keeps one connection of its own, because the
            client asks from the reading thread while a chunk is being written.
        source_system: Account whose quotas count.
        quotas: Its limits; none: nothing is counted.
        max_wait_seconds: Longest wait in here, where that is more than the defaults.
        stop: Ends every wait.
    """

    def __init__(
        self,
        conninfo: str,
        source_system: str,
        quotas: tuple[Quota, ...],
        max_wait_seconds: float,
        stop: threading.Event,
    ) -> None:
        self._source_system = source_system
        self._has_quotas = bool(quotas)
        self._max_wait_seconds = max_wait_seconds
        self._stop = stop
        # A lost count of a few requests after a crash is cheaper than a disk flush
        # before each request.
        self._conn: psycopg.Connection[Any] = psycopg.connect(
            conninfo,
            autocommit=True,
            application_name="crm_warehouse gate",
            options=with_options(conninfo, "-c synchronous_commit=off"),
        )
        self._conn.execute(
            query("forget_quotas"),
            {"source_system": source_system, "names": [q.name for q in quotas]},
        )
        for quota in quotas:
            self._conn.execute(
                query("save_quotas"),
                {
                    "source_system": source_system,
                    "name": quota.name,
                    "kind": quota.kind,
                    "limit_requests": quota.requests,
                    "per_seconds": quota.per_seconds,
                },
            )
        row = self._conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101  a SELECT without FROM returns one row
        self._ahead: timedelta = row[0] - datetime.now(UTC)

    def take(self, kind: str = "") -> None:
        """Wait until every quota of this kind allows one request, and count it."""
        while self._has_quotas:
            row = self._conn.execute(
                "SELECT ops.take_quota(%s, %s)", [self._source_system, kind]
            ).fetchone()
            wait = row[0] if row else 0.0
            if not wait:
                break
            self._wait(wait, _QUOTA_WAIT_SECONDS, "the quota is used up")
        if self._stop.is_set():
            raise StoppedError

    def now(self) -> datetime:
        """Aware UTC time by the warehouse's clock."""
        return datetime.now(UTC) + self._ahead

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before a repetition."""
        self._wait(seconds, _PAUSE_SECONDS, reason)

    def close(self) -> None:
        """Give back the connection."""
        self._conn.close()

    def _wait(self, seconds: float, limit: float, reason: str) -> None:
        if seconds > max(limit, self._max_wait_seconds):
            raise QuotaWaitError(self.now() + timedelta(seconds=seconds), reason)
        if self._stop.wait(seconds):
            raise StoppedError
