"""Waits, in Airflow's triggerer, until webhooks of a source can be merged."""

from datetime import datetime
from typing import Any

import psycopg

from crm_warehouse.engine.queries import query
from crm_warehouse.triggers.watching import WatchTrigger

#: What the event says when webhooks are there.
PENDING = "pending"

#: Where the receiver announces each new delivery.
_CHANNEL = "crm_webhooks"
#: How often is looked without having been told: an announcement can be lost.
_POLL_SECONDS = 15.0


class WebhookTrigger(WatchTrigger):
    """Fires once: ``pending`` when webhooks wait, ``quiet`` when it is too late.

    Args:
        source_system: Whose webhooks.
        until: Aware time to give up waiting.
    """

    application_name = "crm_warehouse webhooks"

    def __init__(self, source_system: str, until: datetime) -> None:
        super().__init__(until)
        self.source_system = source_system

    def watched(self) -> dict[str, Any]:
        """The source system."""
        return {"source_system": self.source_system}

    async def watch(self, conn: psycopg.AsyncConnection[Any]) -> str | None:
        """Look, and look again whenever the receiver announces a delivery."""
        # First listen, then look: what comes in between is announced.
        await conn.execute(f"LISTEN {_CHANNEL}")
        while self.seconds_left() > 0:
            if await self._is_pending(conn):
                return PENDING
            seconds = self.seconds_left(_POLL_SECONDS)
            async for _ in conn.notifies(timeout=seconds, stop_after=1):
                pass
        return None

    async def _is_pending(self, conn: psycopg.AsyncConnection[Any]) -> bool:
        values = {"source_system": self.source_system}
        cursor = await conn.execute(query("find_pending_webhooks"), values)
        row = await cursor.fetchone()
        return bool(row and row[0])
