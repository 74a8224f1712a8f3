"""HubSpot's records of one type: archived instead of gone, shown by property."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Literal

from include.sandbox.clock import iso_milliseconds
from include.sandbox.hubspot.records import stamp
from include.sandbox.hubspot.render import show
from include.sandbox.records import Blueprint, Fields, Record
from include.sandbox.table import Table

#: Sets of properties whose bytes are kept: one reader asks for one.
_SETS = 4


@dataclass(frozen=True, slots=True)
class Move:
    """Something happened to a record.

    Attributes:
        entity: Object type.
        kind: What, as webhooks call it.
        record: As it is now.
        before: The record's bytes until then; None for a new one.
    """

    entity: str
    kind: Literal["creation", "deletion", "propertyChange"]
    record: Record
    before: bytes | None = None


class HubSpotTable(Table):
    """Live and archived records of one object type."""

    def __init__(
        self, blueprint: Blueprint, seed: str, count: int, dirty: float
    ) -> None:
        self._shown: dict[tuple[str, ...], dict[int, bytes]] = {}
        #: Told of every move, in this order.
        self.listeners: list[Callable[[Move], None]] = []
        self.archived: dict[int, Record] = {}
        super().__init__(blueprint, seed, count, dirty)

    def shown(self, record: Record, names: tuple[str, ...]) -> bytes:
        """The record as answers have it, with these properties."""
        archived_at = self.deleted.get(record.key)
        if archived_at is not None:
            fields = self.blueprint.parse(record.body)
            return show(fields, names, iso_milliseconds(archived_at))
        bodies = self._shown.get(names)
        if bodies is None:
            if len(self._shown) >= _SETS:
                self._shown.clear()
            bodies = self._shown[names] = {}
        body = bodies.get(record.key)
        if body is None:
            body = show(self.blueprint.parse(record.body), names)
            bodies[record.key] = body
        return body

    def find_archived(self, wire_id: str) -> Record | None:
        """Archived record with this id; None when there is none."""
        key = int(wire_id) if wire_id.isdecimal() else None
        record = self.archived.get(key) if key is not None else None
        return record if record and record.defect != "missing_id" else None

    def pages(self, *, archived: bool) -> list[Record]:
        """Records in id order."""
        if not archived:
            return self.view(None)
        return sorted(self.archived.values(), key=lambda record: record.key)

    def create(self, count: int, now: datetime) -> list[int]:
        """Add new records; returns their keys."""
        keys = super().create(count, now)
        for key in keys:
            self._tell(Move(self.blueprint.name, "creation", self.live[key]))
        return keys

    def remove(self, record: Record, now: datetime) -> None:
        """Archive this record; its time of change stays as it is."""
        super().remove(record, now)
        self.archived[record.key] = record
        self._forget(record)
        self._tell(Move(self.blueprint.name, "deletion", record, record.body))

    def stamp(self, count: int, at: datetime, rng: Random) -> list[int]:
        """Give random records one and the same time of change; returns their keys."""
        picked = self.pick(count, rng)
        for record in picked:
            self.touch(record, at)
        return [record.key for record in picked]

    def pick(self, count: int, rng: Random) -> list[Record]:
        """Random live records."""
        return self._pick(list(self.live.values()), count, rng)

    def touch(self, record: Record, at: datetime) -> None:
        """Change nothing about a record but its time of change."""
        at = self._tick(at)
        fields = self.blueprint.parse(record.body)
        stamp(self.blueprint.name, fields, at)
        self._rewrite(record, fields, at)

    def _rewrite(self, record: Record, fields: Fields, now: datetime) -> None:
        before = record.body
        super()._rewrite(record, fields, now)
        self._forget(record)
        self._tell(Move(self.blueprint.name, "propertyChange", record, before))

    def _forget(self, record: Record) -> None:
        for bodies in self._shown.values():
            bodies.pop(record.key, None)

    def _tell(self, move: Move) -> None:
        for listener in self.listeners:
            listener(move)
