"""Waits, in Airflow's triggerer, until the warehouse needs maintenance."""

import asyncio
from datetime import datetime
from typing import Any

import psycopg

from crm_warehouse.engine import due
from crm_warehouse.triggers.watching import WatchTrigger

#: What the event says: something cannot wait, or the whole round is due.
URGENT = "urgent"
WHOLE = "whole"

#: Between two looks.
_POLL_SECONDS = 10.0


class MaintenanceTrigger(WatchTrigger):
    """Fires once, with the word for what is due; ``quiet`` when it is too late.

    Args:
        sources: Source systems to look after.
        webhook_sources: Those of them that announce changes by webhook.
        until: Aware time to give up waiting.
    """

    application_name = "crm_warehouse maintenance watch"

    def __init__(
        self, sources: list[str], webhook_sources: list[str], until: datetime
    ) -> None:
        super().__init__(until)
        self.sources = sources
        self.webhook_sources = webhook_sources

    def watched(self) -> dict[str, Any]:
        """The source systems."""
        return {"sources": self.sources, "webhook_sources": self.webhook_sources}

    async def watch(self, conn: psycopg.AsyncConnection[Any]) -> str | None:
        """Look now and then."""
        values = due.values(self.sources, self.webhook_sources)
        while self.seconds_left() > 0:
            row = await (await conn.execute(due.is_due(), values)).fetchone()
            if word := due_word(row):
                return word
            await asyncio.sleep(self.seconds_left(_POLL_SECONDS))
        return None


def due_word(row: tuple[Any, ...] | None) -> str | None:
    """What the answer of :func:`crm_warehouse.engine.due.is_due` means, if anything."""
    urgent, whole = row or (False, False)
    if whole:
        return WHOLE
    return URGENT if urgent else None
