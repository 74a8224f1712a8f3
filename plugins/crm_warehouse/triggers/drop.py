"""Waits, in Airflow's triggerer, until a dropped file does not grow any more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import ObjectStoragePath
from airflow.triggers.base import BaseTrigger, TriggerEvent

from crm_warehouse.csv_files.drop import Dropped, waiting
from crm_warehouse.triggers.watching import QUIET

#: Between two looks. A file that two of them find the same is finished.
_LOOK_SECONDS = 10.0


class DropTrigger(BaseTrigger):
    """Fires once: with the files that are finished, or ``quiet`` when it is too late.

    Bears a store that does not answer. The event is a list of
    ``[name, size_bytes, modified]``.

    Args:
        url: The folder.
        until: Aware time to give up waiting.
    """

    def __init__(self, url: str, until: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.url = url
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"url": self.url, "until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look now and then."""
        before: set[Dropped] = set()
        while datetime.now(UTC) < self.until:
            found = await self._look()
            if finished := [each for each in found if each in before]:
                event = [list(astuple(each)) for each in finished]
                yield TriggerEvent(event)  # type: ignore[no-untyped-call]
                return
            before = set(found)
            left = (self.until - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0.0, min(_LOOK_SECONDS, left)))
        yield TriggerEvent(QUIET)  # type: ignore[no-untyped-call]

    async def _look(self) -> list[Dropped]:
        try:
            # In a thread: a store answers over the network, others wait here, too.
            return await asyncio.to_thread(waiting, ObjectStoragePath(self.url))
        except Exception as error:  # noqa: BLE001  every store has errors of its own
            self.log.warning(
                "the drop folder cannot be read (%s); looking again in %.0f s",
                type(error).__name__,
                _LOOK_SECONDS,
            )
            return []
