"""The records of one entity: born from a seed, changed by admin calls, served in pages.

Each record is rendered once and kept as bytes; a page is a join of a slice of them.
"""

from datetime import datetime, timedelta
from random import Random

from include.sandbox.clock import EPOCH
from include.sandbox.errors import BadRequestError
from include.sandbox.records import Birth, Blueprint, Fields, Record

_PAST = timedelta(days=730)
#: Filtered lists kept until the next change: one per reader that pages in parallel.
_VIEWS = 16


def first_draws(seed: str, index: int) -> tuple[Random, datetime, datetime]:
    """What makes a record: its randomness, when it was created, when changed.

    Args:
        seed: Words of its table: ``<seed>/<system>/<entity>``.
        index: Position there, from 0.
    """
    rng = Random(f"{seed}/{index}")
    past = EPOCH - _PAST * rng.random()
    later = past + (EPOCH - past) * max(0.0, rng.uniform(-0.4, 1.0))
    return rng, past, later


class Table:
    """Live and deleted records of one entity.

    Args:
        blueprint: What the records are.
        seed: Words that make this table's randomness its own.
        count: Records to begin with.
        dirty: Share of records born with a defect.
    """

    def __init__(
        self, blueprint: Blueprint, seed: str, count: int, dirty: float
    ) -> None:
        self.blueprint = blueprint
        self.live: dict[int, Record] = {}
        #: Key -> when it was deleted.
        self.deleted: dict[int, datetime] = {}
        #: What they were then, for a service that tells of inactive records.
        self.graves: dict[int, Record] = {}
        #: Grows with every change.
        self.edition = 0
        self._seed = f"{seed}/{blueprint.name}"
        self._dirty = dirty
        self._born = 0
        self._spoiled: dict[str, int] = {}
        self._views: dict[float | None, list[Record]] = {}
        for _ in range(count):
            self._bear(None)

    def view(self, since: float | None) -> list[Record]:
        """Records in id order, last changed at ``since`` (Unix seconds) or later."""
        found = self._views.get(since)
        if found is None:
            records = self.live.values()
            found = [r for r in records if since is None or r.modified >= since]
            if len(self._views) >= _VIEWS:
                self._views.clear()
            self._views[since] = found
        return found

    def find(self, wire_id: str) -> Record | None:
        """Live record whose id the API writes so; None when there is none."""
        try:
            record = self.live.get(self.blueprint.key_of(wire_id))
        except ValueError:
            return None
        if record is None or record.defect == "missing_id":
            return None
        # A number has more spellings than the one that the API writes.
        written = str(self.blueprint.wire_id(record.key))
        return record if written == wire_id else None

    def create(self, count: int, now: datetime) -> list[int]:
        """Add new records; returns their keys."""
        keys = [self._bear(self._tick(now)) for _ in range(count)]
        self._renew()
        return keys

    def change(self, count: int, now: datetime, rng: Random) -> list[int]:
        """Change random records visibly; returns their keys."""
        now = self._tick(now)
        picked = self._pick(list(self.live.values()), count, rng)
        for record in picked:
            fields = self.blueprint.parse(record.body)
            self.blueprint.touch(fields, rng, now, record.defect is None)
            self._rewrite(record, fields, now)
        return [record.key for record in picked]

    def delete(self, count: int, now: datetime, rng: Random) -> list[int]:
        """Remove random records; returns their keys."""
        picked = self._pick(list(self.live.values()), count, rng)
        for record in picked:
            self.remove(record, now)
        return [record.key for record in picked]

    def remove(self, record: Record, now: datetime) -> None:
        """Remove this record."""
        del self.live[record.key]
        self.deleted[record.key] = now
        self.graves[record.key] = record
        self._renew()

    def spoil(
        self, count: int, kind: str | None, now: datetime, rng: Random
    ) -> list[int]:
        """Put a defect into random clean records; returns their keys."""
        now = self._tick(now)
        if kind is not None and kind not in self.blueprint.defects:
            raise BadRequestError(
                f"unknown kind {kind!r}; {self.blueprint.name} knows "
                f"{', '.join(self.blueprint.defects)}"
            )
        clean = [r for r in self.live.values() if r.defect is None]
        picked = self._pick(clean, count, rng)
        for record in picked:
            record.defect = kind or rng.choice(list(self.blueprint.defects))
            fields = self._remake(record, now)
            self.blueprint.defects[record.defect].spoil(fields, rng)
            self._rewrite(record, fields, now)
        return [record.key for record in picked]

    def mend(self, now: datetime) -> list[int]:
        """Free every record of its defect; returns their keys."""
        now = self._tick(now)
        bad = [r for r in self.live.values() if r.defect is not None]
        for record in bad:
            record.defect = None
            fields = self._remake(record, now)
            self._rewrite(record, fields, now)
        return [record.key for record in bad]

    def _pick(self, among: list[Record], count: int, rng: Random) -> list[Record]:
        if count > len(among):
            raise BadRequestError(
                f"{self.blueprint.name} has {len(among)} such records, not {count}"
            )
        return rng.sample(among, count)

    def _rewrite(self, record: Record, fields: Fields, now: datetime) -> None:
        record.modified = now.timestamp()
        record.body = self.blueprint.render(fields)
        self._renew()

    def _renew(self) -> None:
        """The records are others now."""
        self._views.clear()
        self.edition += 1

    def _remake(self, record: Record, now: datetime) -> Fields:
        birth = self._birth(record.index, record.created, now)
        return self.blueprint.make(birth)

    def _birth(
        self, index: int, created: datetime | None, modified: datetime | None
    ) -> Birth:
        rng, past, later = first_draws(self._seed, index)
        key = self.blueprint.first_id + index
        return Birth(
            rng, index, key, created or self._tick(past), modified or self._tick(later)
        )

    def _tick(self, moment: datetime) -> datetime:
        """The moment, as precisely as the records say it."""
        micro = moment.microsecond // 1000 * 1000 if self.blueprint.milliseconds else 0
        return moment.replace(microsecond=micro)

    def _bear(self, now: datetime | None) -> int:
        birth = self._birth(self._born, now, now)
        self._born += 1
        fields = self.blueprint.make(birth)
        defect = self._draw_defect(birth.index, fields) if self._dirty else None
        self.live[birth.key] = Record(
            key=birth.key,
            index=birth.index,
            created=birth.created,
            modified=birth.modified.timestamp(),
            body=self.blueprint.render(fields),
            defect=defect,
        )
        return birth.key

    def _draw_defect(self, index: int, fields: Fields) -> str | None:
        rng = Random(f"{self._seed}/{index}/dirt")
        if rng.random() >= self._dirty:
            return None
        kinds = {
            name: kind
            for name, kind in self.blueprint.defects.items()
            if kind.limit is None or self._spoiled.get(name, 0) < kind.limit
        }
        name: str = rng.choice(list(kinds))
        self._spoiled[name] = self._spoiled.get(name, 0) + 1
        kinds[name].spoil(fields, rng)
        return name
