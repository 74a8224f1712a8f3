"""What triggers share that watch the warehouse from Airflow's triggerer."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg
from airflow.triggers.base import BaseTrigger, TriggerEvent

from crm_warehouse.triggers.warehouse import connect

#: What the event says when there was nothing to see until the end.
QUIET = "quiet"

#: Pauses before the warehouse is called again grow from the first to the second.
_PAUSE_SECONDS = (1.0, 30.0)


class WatchTrigger(BaseTrigger):
    """Fires once: with a word for what it saw, or ``quiet`` when it is too late.

    Bears a warehouse that restarts or does not answer. Nothing secret is stored in
    Airflow's database: the connection is looked up here, again for each attempt.

    Args:
        until: Aware time to give up waiting.
    """

    #: What PostgreSQL calls the session.
    application_name: ClassVar[str]

    def __init__(self, until: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {**self.watched(), "until": self.until}

    @abstractmethod
    def watched(self) -> dict[str, Any]:
        """Arguments of the constructor that say what is watched."""

    @abstractmethod
    async def watch(self, conn: psycopg.AsyncConnection[Any]) -> str | None:
        """Look until there is something to see, or no time is left.

        Returns:
            The word for it; None when the time is over.

        Raises:
            psycopg.OperationalError: The warehouse went away; it is called again.
        """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire."""
        yield TriggerEvent(await self._wait() or QUIET)  # type: ignore[no-untyped-call]

    async def _wait(self) -> str | None:
        first, longest = _PAUSE_SECONDS
        pause = first
        while self.seconds_left() > 0:
            try:
                async with await connect(self.application_name) as conn:
                    pause = first
                    return await self.watch(conn)
            except psycopg.OperationalError as error:
                self.log.warning(
                    "the warehouse does not answer (%s); asked again in %.0f s",
                    type(error).__name__,
                    pause,
                )
                await asyncio.sleep(min(pause, self.seconds_left()))
                pause = min(pause * 2, longest)
        return None

    def seconds_left(self, most: float = float("inf")) -> float:
        """Seconds until the end, at most ``most``; 0 when it is over."""
        left = (self.until - datetime.now(UTC)).total_seconds()
        return max(0.0, min(most, left))
