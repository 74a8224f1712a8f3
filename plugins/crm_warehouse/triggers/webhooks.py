"""Waits, in Airflow's triggerer, until webhooks of a source can be merged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from airflow.triggers.base import BaseTrigger, TriggerEvent

from crm_warehouse.engine.queries import query
from crm_warehouse.triggers.warehouse import connect

#: What the event says: webhooks are there, or none came in time.
PENDING = "pending"
QUIET = "quiet"

#: Where the receiver announces each new delivery.
_CHANNEL = "crm_webhooks"
#: How often is looked without having been told: an announcement can be lost.
_POLL_SECONDS = 15.0
#: Pauses before the warehouse is called again grow from the first to the second.
_PAUSE_SECONDS = (1.0, 30.0)


class WebhookTrigger(BaseTrigger):
    """Fires once: ``pending`` when webhooks wait, ``quiet`` when it is too late.

    Bears a warehouse that restarts or does not answer. Nothing secret is stored in
    Airflow's database: the connection is looked up here, again for each attempt.

    Args:
        source_system: Whose webhooks.
        until: Aware time to give up waiting.
    """

    def __init__(self, source_system: str, until: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source_system = source_system
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"source_system": self.source_system, "until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire."""
        word = PENDING if await self._wait() else QUIET
        yield TriggerEvent(word)  # type: ignore[no-untyped-call]

    async def _wait(self) -> bool:
        """Whether webhooks came in time."""
        first, longest = _PAUSE_SECONDS
        pause = first
        while self._seconds_left() > 0:
            try:
                async with await _connect() as conn:
                    pause = first
                    if await self._listen(conn):
                        return True
            except psycopg.OperationalError as error:
                self.log.warning(
                    "the warehouse does not answer (%s); asked again in %.0f s",
                    type(error).__name__,
                    pause,
                )
                await asyncio.sleep(min(pause, self._seconds_left()))
                pause = min(pause * 2, longest)
        return False

    async def _listen(self, conn: psycopg.AsyncConnection[Any]) -> bool:
        # First listen, then look: what comes in between is announced.
        await conn.execute(f"LISTEN {_CHANNEL}")
        while self._seconds_left() > 0:
            if await self._is_pending(conn):
                return True
            seconds = max(0.0, min(_POLL_SECONDS, self._seconds_left()))
            async for _ in conn.notifies(timeout=seconds, stop_after=1):
                pass
        return False

    async def _is_pending(self, conn: psycopg.AsyncConnection[Any]) -> bool:
        values = {"source_system": self.source_system}
        cursor = await conn.execute(query("find_pending_webhooks"), values)
        row = await cursor.fetchone()
        return bool(row and row[0])

    def _seconds_left(self) -> float:
        return (self.until - datetime.now(UTC)).total_seconds()


async def _connect() -> psycopg.AsyncConnection[Any]:
    return await connect("crm_warehouse webhooks")
