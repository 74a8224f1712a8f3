"""Waits, in Airflow's triggerer, until a job may ask its source again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from crm_warehouse.moments import utc_text

#: How often the clock is looked at: it may be put right during a wait of hours.
_LOOK_SECONDS = 60.0


class WaitTrigger(BaseTrigger):
    """Fires once, at a moment; its log says why that long.

    Airflow shows the class of a trigger and its log, never its arguments.

    Args:
        moment: Aware time at which the job may go on.
        reason: What has to pass first, for people.
    """

    def __init__(self, moment: datetime, reason: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment
        self.reason = reason

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"moment": self.moment, "reason": self.reason}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire."""
        until = self.moment.astimezone(UTC)
        self.log.info("waiting until %s: %s", utc_text(until), self.reason)
        while (seconds := (until - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(seconds, _LOOK_SECONDS))
        yield TriggerEvent(until.isoformat())  # type: ignore[no-untyped-call]
