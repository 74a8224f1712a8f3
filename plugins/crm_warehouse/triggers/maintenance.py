"""Waits, in Airflow's triggerer, until the warehouse needs maintenance."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from airflow.triggers.base import BaseTrigger, TriggerEvent

from crm_warehouse.engine import due
from crm_warehouse.triggers.warehouse import connect

#: What the event says: something cannot wait, the whole round is due, or neither.
URGENT = "urgent"
WHOLE = "whole"
QUIET = "quiet"

#: Between two looks.
_POLL_SECONDS = 10.0
#: Pauses before the warehouse is called again grow from the first to the second.
_PAUSE_SECONDS = (1.0, 30.0)


class MaintenanceTrigger(BaseTrigger):
    """Fires once, with the word for what is due.

    Bears a warehouse that restarts or does not answer. Nothing secret is stored in
    Airflow's database: the connection is looked up here, again for each attempt.

    Args:
        sources: Source systems to look after.
        webhook_sources: Those of them that announce changes by webhook.
        until: Aware time to give up waiting.
    """

    def __init__(
        self, sources: list[str], webhook_sources: list[str], until: datetime
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sources = sources
        self.webhook_sources = webhook_sources
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {
            "sources": self.sources,
            "webhook_sources": self.webhook_sources,
            "until": self.until,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire."""
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def _wait(self) -> str:
        pause, longest = _PAUSE_SECONDS
        while self._seconds_left() > 0:
            try:
                async with await connect("crm_warehouse maintenance watch") as conn:
                    pause = _PAUSE_SECONDS[0]
                    return await self._watch(conn)
            except psycopg.OperationalError as error:
                self.log.warning(
                    "the warehouse does not answer (%s); asked again in %.0f s",
                    type(error).__name__,
                    pause,
                )
                await asyncio.sleep(min(pause, self._seconds_left()))
                pause = min(pause * 2, longest)
        return QUIET

    async def _watch(self, conn: psycopg.AsyncConnection[Any]) -> str:
        while self._seconds_left() > 0:
            if word := await self._look(conn):
                return word
            await asyncio.sleep(max(0.0, min(_POLL_SECONDS, self._seconds_left())))
        return QUIET

    async def _look(self, conn: psycopg.AsyncConnection[Any]) -> str | None:
        values = due.values(self.sources, self.webhook_sources)
        row = await (await conn.execute(due.is_due(), values)).fetchone()
        return due_word(row)

    def _seconds_left(self) -> float:
        return (self.until - datetime.now(UTC)).total_seconds()


def due_word(row: tuple[Any, ...] | None) -> str | None:
    """What the answer of :func:`crm_warehouse.engine.due.is_due` means, if anything."""
    urgent, whole = row or (False, False)
    if whole:
        return WHOLE
    return URGENT if urgent else None
