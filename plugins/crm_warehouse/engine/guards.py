"""Guards: stop a load before harm that no run can undo, and say why.

Each compares what a source answers with what is known of it already, before anything
of it is written. A person who has looked lets a job pass with an override; the audit
trail keeps who did, and the figures.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk, Entry
from crm_warehouse.engine.emptied_columns import (
    ColumnWatch,
    Lines,
    empty_columns,
    is_share,
    lacking,
)
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.settings import Settings
from crm_warehouse.errors import GuardError
from crm_warehouse.spec import Entity, Guard

#: Guards that of all loads stop full ones only.
FULL_GUARDS = frozenset[Guard]({"mass_delete", "empty_list"})

#: ``mass_delete``: so few absences are none, however small the table.
ALWAYS_DELETED = 10
#: ``mass_delete``: live records that are asked for beside those that webhooks announce,
#: when none of these is found and they are not so few.
CONTROL_IDS = 20
#: Live records that show whether the source answers at all.
_WITNESSES = 2

#: ``volume``: so many records are no harm, whatever came before.
VOLUME_FLOOR = 10_000
#: ``volume``: share of the live records that one job may always bring.
VOLUME_SHARE = 0.5
#: ``volume``: with fewer jobs of the same mode there is nothing to compare with.
LEAST_JOBS = 5

#: ``schema_break``: a chunk of at least so many records, of which this share is
#: rejected although they are rows here, or have lost their ids.
LEAST_REJECTS, REJECTED_SHARE = 50, 0.5
#: ``schema_break``: only of at least so many records that are rows here is an empty
#: column a sign.
LEAST_ROWS = 200

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Guards:
    """The guards of one job and entity.

    Every check raises ``GuardError`` unless the job overrides its guard.
    """

    conn: Connection
    job: Job
    entity: Entity
    settings: Settings
    _passed: set[Guard] = field(default_factory=set)
    _most_volume: float | None = None
    _gone: int | None = None
    _inactive: int | None = None
    _lived: int = 0
    _watches: list[ColumnWatch] = field(default_factory=list)

    def check_absences(self, missing: int, received: int, *, approved: int) -> None:
        """Before a full load marks what it did not see.

        Args:
            missing: Live records that it did not see.
            received: Records that it saw.
            approved: Those of the missing that a load missed before it which was told
                to ignore that: somebody has looked, and they count as gone.
        """
        if missing == approved:
            return
        missing -= approved
        live = self._count_live() - approved
        if not received:
            self._object(
                "empty_list",
                f"the source returned an empty list, and {live} live records are here;"
                " nothing was deleted. Look whether the source and the credentials'"
                " rights are well",
                live=live,
            )
        elif self._is_mass(missing, live):
            self._object(
                "mass_delete",
                f"the source did not return {missing} of {live} live records, more than"
                f" max_delete_share {self.settings.max_delete_share} allows; nothing"
                " was deleted. Look in the source whether they are gone",
                missing=missing,
                live=live,
            )

    def check_gone(self, ids: Sequence[str], *, silent: bool) -> None:
        """Before records are marked that webhooks announced and the source denies.

        Args:
            ids: These records. What webhooks marked of late counts with them, in this
                job or before: many small merges do the harm of a large one.
            silent: The source finds none of them, nor any of :meth:`control`.
        """
        if "mass_delete" in self._passed:
            return
        if silent:
            self._object(
                "mass_delete",
                f"the source finds none of {len(ids)} records that webhooks announce,"
                " nor others that live here; nothing was deleted. Look whether the"
                " source and the credentials' rights are well",
                announced=len(ids),
            )
        elif ids:
            self._check_denied(ids)

    def _check_denied(self, ids: Sequence[str]) -> None:
        words = "denies {} of {} live records that webhooks announced of late"
        self._gone = self._check_ended(ids, self._gone_of_late(), words)

    def _check_inactive(self, entries: list[Entry]) -> None:
        """Before records are marked that say of themselves that they were deleted."""
        ids = [e.source_id for e in entries if e.is_gone and e.source_id is not None]
        if ids and "mass_delete" not in self._passed:
            words = "says of {} of {} live records that they were deleted there"
            before = self._inactive
            if before is None:  # what an earlier attempt of the job marked
                before = self.job.records_deleted
            self._inactive = self._check_ended(ids, before, words)

    def _check_ended(self, ids: Sequence[str], before: int, words: str) -> int:
        """How many have ended with these, after so many before; no mass of them."""
        statement = query("count_live_ids", table=self._raw_table)
        gone = before + self._count(statement, ids=list(ids))
        if gone > max(before, ALWAYS_DELETED):
            live = self._lived_before(gone, before)
            if self._is_mass(gone, live):
                self._object(
                    "mass_delete",
                    f"the source {words.format(gone, live)}, more than"
                    f" max_delete_share {self.settings.max_delete_share} allows; the"
                    f" last {gone - before} were not deleted. Look in the source"
                    " whether they are gone",
                    missing=gone,
                    live=live,
                )
        return gone

    def control(self, ids: Sequence[str]) -> list[str]:
        """Others that live here, to be asked for when the source finds none of these.

        Nobody is, while what webhooks would have deleted of late is no mass.
        """
        if self._gone_of_late() + len(ids) <= ALWAYS_DELETED:
            return []
        return self._live_beside(ids, CONTROL_IDS)

    def witnesses(self, ids: Sequence[str]) -> list[str]:
        """Others that live here, which show whether the source answers at all."""
        return self._live_beside(ids, _WITNESSES)

    def _gone_of_late(self) -> int:
        if self._gone is None:
            statement = query("count_gone", table=self._raw_table)
            self._gone = self._count(statement, entity_type=self.entity.name)
        return self._gone

    def _lived_before(self, gone: int, before: int) -> int:
        """Records that lived before these were gone, or more than a judgement needs."""
        if self._is_mass(gone, self._lived):
            share = self.settings.max_delete_share
            most = int(2 * gone / share) + 1 if share else None
            self._lived = before + self._count_live(most)
        return self._lived

    def _is_mass(self, missing: int, live: int) -> bool:
        return missing > max(ALWAYS_DELETED, self.settings.max_delete_share * live)

    def check_volume(self, records: int, *, announced: bool = False) -> None:
        """Before a chunk of a list that grows out of all proportion is written.

        Args:
            records: Different records of this job so far, or all that are announced.
            announced: Which of these.
        """
        if records <= VOLUME_FLOOR or "volume" in self._passed:
            return
        if self._most_volume is None:
            self._most_volume = self._volume_limit()
        if records > self._most_volume:
            self._object(
                "volume",
                f"the source {'announces' if announced else 'has sent'} {records}"
                f" records, and no more than {self._most_volume:.0f} are believed"
                f" after the jobs before (max_volume_factor"
                f" {self.settings.max_volume_factor:g}). Look whether so much changed"
                " in the source, or its list lost its filter",
                records=records,
                limit=round(self._most_volume),
            )

    def _volume_limit(self) -> float:
        job = self.job
        if job.arguments.get("since") is not None:
            return float("inf")  # somebody wants more than usual
        if job.job_type == "incremental" and job.window_start is None:
            return float("inf")  # the first load
        found = self.conn.execute(
            query("usual_volume"),
            {
                "source_system": job.source_system,
                "entity_type": job.entity_type,
                "job_type": job.job_type,
                "via": job.via,
            },
        ).fetchone()
        count, most, per_second = found or (0, 0, None)
        if count < LEAST_JOBS:
            return float("inf")
        usual = float(most)
        if job.window_start is not None and per_second is not None:
            # After a pause of days the window is long; what it holds is no surprise.
            until = job.window_end or datetime.now(UTC)
            usual = max(usual, per_second * (until - job.window_start).total_seconds())
        return max(
            VOLUME_FLOOR,
            VOLUME_SHARE * self._count_live(),
            self.settings.max_volume_factor * usual,
        )

    def check_chunk(self, chunk: Chunk, mapping: Mapping) -> None:
        """Before a chunk is written that does not fit the mapping, or ends much."""
        entries = list(chunk)
        self._check_inactive(entries)
        if "schema_break" in self._passed:
            return
        self._check_rejects(entries, mapping)
        for watch, rows in self._watched(entries, mapping):
            self._check_columns(watch, rows)

    def check_pushed(self, chunk: Chunk, mapping: Mapping) -> list[GuardError]:
        """Likewise of what was pushed; what it tells of is to be left out of the chunk.

        Nobody reads it again, so no record is to hold up others. What is rejected is
        no matter here: quarantine keeps it.
        """
        entries, found = list(chunk), []
        self._check_inactive(entries)
        for watch, rows in self._watched(entries, mapping):
            try:
                self._check_columns(watch, rows)
            except GuardError as error:
                found.append(error)
        return found

    def _watched(
        self, entries: list[Entry], mapping: Mapping
    ) -> Iterator[tuple[ColumnWatch, Lines]]:
        """Lines of each table, with what is known of its columns; unless overridden."""
        if "schema_break" in self._passed:
            return
        if not self._watches:
            tables = [mapping, *mapping.also]
            self._watches = [
                ColumnWatch(each.into, each.columns, set(each.emptied))
                for each in tables
            ]
        rows = [e for e in entries if e.row.line is not None]
        for at, watch in enumerate(self._watches):
            made = ((e, e.row.also[at - 1] if at else e.row) for e in rows)
            yield watch, [(e.source_id, row.line) for e, row in made]

    def _check_rejects(self, entries: list[Entry], mapping: Mapping) -> None:
        # What a rule rejects, somebody here wanted so.
        rejected = [e for e in entries if e.row.reject and not e.row.reject.rule_name]
        if len(entries) < LEAST_REJECTS or not is_share(
            len(rejected), len(entries), REJECTED_SHARE
        ):
            return
        if not self._has_rows(LEAST_REJECTS):
            return
        ids = [e.source_id for e in rejected if e.source_id is not None]
        known, _ = self._count_filled(mapping.into, ids, [])
        broken = known + len(rejected) - len(ids)
        if not is_share(broken, len(entries), REJECTED_SHARE):
            return  # as bad when they came first: quarantine keeps them
        [(reason, _)] = Counter(
            (e.row.reject.error_type, e.row.reject.field)
            for e in rejected
            if e.row.reject is not None
        ).most_common(1)
        self._object(
            "schema_break",
            f"{broken} of {len(entries)} records were rows and cannot be any more, most"
            f" because of {' '.join(reason).rstrip()}; they were not written. Look"
            " whether the source renamed or retyped a field, and correct the mapping",
            rejected=broken,
            records=len(entries),
        )

    def _check_columns(self, watch: ColumnWatch, rows: Lines) -> None:
        lines = [line for _, line in rows if line is not None]
        empty = empty_columns(lines, watch.columns, watch.thin)
        watch.narrow(empty)
        if not empty or not self._has_rows(LEAST_ROWS):
            return
        ids = [source_id for source_id, _ in rows if source_id is not None]
        known, filled = self._count_filled(watch.into, ids, sorted(watch.suspects))
        watch.known += known
        watch.filled.update(filled)
        if watch.known < LEAST_ROWS or not (lost := watch.judge()):
            return
        self._object(
            "schema_break",
            f"{', '.join(lost)} of warehouse.{watch.into} came empty in all but a few"
            f" of {watch.known} records, and most of their rows have a value there"
            f" ({', '.join(f'{name} {watch.filled[name]}' for name in lost)}); they"
            " were not written. Look whether the source renamed, dropped or retyped a"
            " field, and correct the mapping",
            lacking(rows, [watch.columns.index(name) for name in lost]),
            columns=lost,
            records=watch.known,
        )

    def _count_filled(
        self, table: str, ids: list[str], columns: Sequence[str]
    ) -> tuple[int, dict[str, int]]:
        """Rows of these records, and for each column how many have it filled."""
        counts = [
            sql.SQL("count(nullif({}::text, ''))").format(sql.Identifier(name))
            for name in columns
        ]
        statement = query(
            "count_filled",
            table=sql.Identifier(table),
            filled=sql.SQL(", ").join([sql.SQL("0"), *counts]),
        )
        values = {"source_system": self.job.source_system, "ids": ids}
        known, _, *filled = self.conn.execute(statement, values).fetchone() or (0, 0)
        return known, dict(zip(columns, filled, strict=False))

    def _live_beside(self, ids: Sequence[str], limit: int) -> list[str]:
        statement = query("live_ids_beside", table=self._raw_table)
        values = {"ids": list(ids), "limit": limit}
        found = self.conn.execute(statement, self._values(values))
        return [source_id for (source_id,) in found]

    def _has_rows(self, least: int) -> bool:
        return self._count_live(least) == least

    def _count_live(self, most: int | None = None) -> int:
        return self._count(query("count_live", table=self._raw_table), most=most)

    def _count(self, statement: sql.Composed, **values: Any) -> int:
        row = self.conn.execute(statement, self._values(values)).fetchone()
        return row[0] if row else 0

    def _values(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"source_system": self.job.source_system, **values}

    @property
    def _raw_table(self) -> sql.Identifier:
        return sql.Identifier(self.entity.raw_table)

    def _object(
        self,
        guard: Guard,
        message: str,
        source_ids: Sequence[str] = (),
        **figures: Any,
    ) -> None:
        """Stop the job, or note that it overrides the guard, and why it would stop."""
        if guard not in self.job.overrides:
            finding = f"{self.entity.path}: {message}"
            mode = self.job.job_type
            if mode == "incremental" and guard in FULL_GUARDS:
                mode = "full"  # the one that such an override goes with
            raise GuardError(finding, guard, mode, source_ids)
        if guard not in self._passed:
            self._passed.add(guard)
            words = ", ".join(f"{name} {_told(each)}" for name, each in figures.items())
            _log.warning("job %d overrides %s: %s", self.job.id, guard, words)
            details = {"guard": guard, "entity": self.entity.name, **figures}
            jobs.audit(self.conn, self.job, "job.guard_overridden", **details)


def _told(figure: Any) -> str:
    return ", ".join(figure) if isinstance(figure, list) else str(figure)
