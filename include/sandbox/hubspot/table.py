"""HubSpot's records of one type: archived instead of gone, shown by property."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

from include.sandbox.clock import iso_milliseconds
from include.sandbox.hubspot.properties import PROPERTIES
from include.sandbox.hubspot.records import stamp
from include.sandbox.hubspot.render import show
from include.sandbox.records import Blueprint, Fields, Record
from include.sandbox.table import Table

#: Sets of properties whose bytes are kept: one reader asks for one.
_SETS = 4
#: HubSpot forgets what was archived so long ago.
_ARCHIVE = timedelta(days=90)
Kind = Literal[
    "creation", "deletion", "propertyChange", "merge", "restore", "privacyDeletion"
]


@dataclass(frozen=True, slots=True)
class Move:
    """Something happened to a record.

    Attributes:
        entity: Object type.
        kind: What, as webhooks call it.
        record: As it is now; of a merge, the record that others were merged into.
        before: The record's bytes until then; None for a new one.
        gone: Keys of the records that are no longer found.
        more: What the event tells besides.
    """

    entity: str
    kind: Kind
    record: Record
    before: bytes | None = None
    gone: tuple[int, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


class HubSpotTable(Table):
    """Live and archived records of one object type."""

    def __init__(
        self, blueprint: Blueprint, seed: str, count: int, dirty: float
    ) -> None:
        self._shown: dict[tuple[str, ...], dict[int, bytes]] = {}
        #: Told of every move, in this order.
        self.listeners: list[Callable[[Move], None]] = []
        self.archived: dict[int, Record] = {}
        #: Key of a merged record -> that of the record that answers for it.
        self.merged: dict[int, int] = {}
        #: Keys of records of which nothing is left.
        self.erased: list[int] = []
        #: What objects of the type may have, by name.
        self.properties = dict(PROPERTIES[blueprint.name])
        self.shows_sensitive = False
        super().__init__(blueprint, seed, count, dirty)

    def readable(self) -> set[str]:
        """Names of the properties that the token may read."""
        return {
            name
            for name, each in self.properties.items()
            if self.shows_sensitive or each.sensitivity == "non_sensitive"
        }

    def write(self, record: Record, values: Fields, now: datetime) -> None:
        """Give a record these values of properties, as an edit does."""
        now = self._tick(now)
        fields = self.blueprint.parse(record.body)
        fields["properties"].update(values)
        stamp(self.blueprint.name, fields, now)
        self._rewrite(record, fields, now)

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

    def find(self, wire_id: str) -> Record | None:
        """Live record with this id, or the one that it was merged into."""
        record = super().find(wire_id)
        if record is None and wire_id.isdecimal() and int(wire_id) in self.merged:
            return super().find(str(self.merged[int(wire_id)]))
        return record

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
        gone = (record.key,)
        self._tell(Move(self.blueprint.name, "deletion", record, record.body, gone))

    def restore(self, record: Record) -> None:
        """Bring an archived record back; its time of change stays as it is."""
        del self.archived[record.key], self.deleted[record.key]
        after = {k: self.live.pop(k) for k in [*self.live] if k > record.key}
        self.live.update({record.key: record, **after})
        self._views.clear()
        self._tell(Move(self.blueprint.name, "restore", record, record.body))

    def purge(self, now: datetime) -> None:
        """Forget what was archived more than 90 days ago."""
        for key in [k for k in self.archived if self.deleted[k] + _ARCHIVE < now]:
            del self.archived[key]

    def erase(self, key: int) -> None:
        """Leave nothing of a record, nor of those that were merged into it."""
        record = self.live.pop(key, None) or self.archived.pop(key)
        self.deleted.pop(key, None)
        self.archived.pop(key, None)
        self.merged = {k: to for k, to in self.merged.items() if to != key}
        self.erased.append(key)
        self._views.clear()
        self._forget(record)
        self._tell(Move(self.blueprint.name, "privacyDeletion", record, gone=(key,)))

    def twin(self, record: Record, now: datetime) -> Record:
        """The record again under a new id: what a merge makes in newer accounts."""
        now = self._tick(now)
        key = self.blueprint.first_id + self._born
        fields = self.blueprint.parse(record.body)
        fields["id"] = str(key)
        fields["properties"]["hs_object_id"] = str(key)
        twin = replace(
            record, key=key, index=self._born, body=self.blueprint.render(fields)
        )
        self._born += 1
        self.live[key] = twin
        self._views.clear()
        self._tell(Move(self.blueprint.name, "creation", twin))
        return twin

    def merge(
        self, survivor: Record, losers: list[Record], fields: Fields, now: datetime
    ) -> None:
        """Let a record, which becomes ``fields``, answer for others."""
        now = self._tick(now)
        for loser in losers:
            del self.live[loser.key]
            self._forget(loser)
            for key, into in self.merged.items():
                if into == loser.key:
                    self.merged[key] = survivor.key
            self.merged[loser.key] = survivor.key
        stamp(self.blueprint.name, fields, now)
        self._rewrite(survivor, fields, now)

    def tell_merge(self, survivor: Record, gone: list[int], **more: Any) -> None:
        """Announce a merge."""
        self._tell(
            Move(self.blueprint.name, "merge", survivor, gone=tuple(gone), more=more)
        )

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
