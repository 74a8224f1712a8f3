"""ActiveProspect's leads, of which others are told."""

from collections.abc import Callable
from datetime import datetime

from include.sandbox.records import Blueprint, Fields, Record
from include.sandbox.table import Table


class LeadTable(Table):
    """Leads that tell when one comes or changes. Nobody is told that one is deleted."""

    def __init__(
        self, blueprint: Blueprint, seed: str, count: int, dirty: float
    ) -> None:
        #: Told of every lead as it is then, in this order.
        self.listeners: list[Callable[[Record], None]] = []
        super().__init__(blueprint, seed, count, dirty)

    def create(self, count: int, now: datetime) -> list[int]:
        """Add new leads; returns their keys."""
        keys = super().create(count, now)
        for key in keys:
            self._tell(self.live[key])
        return keys

    def _rewrite(self, record: Record, fields: Fields, now: datetime) -> None:
        super()._rewrite(record, fields, now)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        for listener in self.listeners:
            listener(record)
