"""Guards: stop a load before harm that no run can undo, and say why.

Each compares what a source answers with what is known of it already, before anything
of it is written. A person who has looked lets a job pass with an override; the audit
trail keeps who did, and the figures.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from crm_warehouse.engine import jobs
from crm_warehouse.engine.chunk import Chunk, Entry
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.settings import Settings
from crm_warehouse.engine.values import NULL
from crm_warehouse.errors import GuardError
from crm_warehouse.spec import Entity, Guard

#: Guards that of all loads stop full ones only.
FULL_GUARDS = frozenset[Guard]({"mass_delete", "empty_list"})

#: ``mass_delete``: so few absences are none, however small the table.
ALWAYS_DELETED = 10
#: ``mass_delete``: live records that are asked for beside those that webhooks announce,
#: when none of these is found and they are not so few.
CONTROL_IDS = 20

#: ``volume``: so many records are no harm, whatever came before.
VOLUME_FLOOR = 10_000
#: ``volume``: share of the live records that one job may always bring.
VOLUME_SHARE = 0.5
#: ``volume``: with fewer jobs of the same mode there is nothing to compare with.
LEAST_JOBS = 5

#: ``schema_break``: a chunk of at least so many records, of which this share is
#: rejected although they are rows here, or have lost their ids.
LEAST_REJECTS, REJECTED_SHARE = 50, 0.5
#: ``schema_break``: of at least so many records that are rows here, a column is filled
#: in this share of the rows, and now comes empty in that share of the records.
LEAST_ROWS, FILLED_SHARE, EMPTY_SHARE = 200, 0.5, 0.99

#: Every so many-th record is looked at first, so that a sound chunk costs next to
#: nothing; a column that is this empty among them is looked at in all.
_SAMPLE, _SAMPLE_SHARE = 100, 0.95

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What chunks have shown so far of one table's columns.

    Attributes:
        into: The unified table.
        columns: Its mapped columns, in the order of a row's line.
        thin: Columns that most rows lack anyway, or that rules empty: they are no sign
            of anything.
        suspects: Columns that came empty in all that counts in ``known``.
        known: Records that are rows here.
        filled: Of these rows, those that have the column filled.
    """

    into: str
    columns: list[str]
    thin: set[str] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    known: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def narrow(self, empty: set[str]) -> None:
        """Keep the columns that are empty in this chunk, too."""
        both = self.suspects & empty
        if not both:
            self.known, self.filled = 0, Counter()
        self.suspects = both or empty

    def judge(self) -> list[str]:
        """Columns that a source has lost; then begin anew."""
        most = self.known * FILLED_SHARE
        lost = sorted(name for name in self.suspects if self.filled[name] >= most)
        self.thin |= self.suspects.difference(lost)
        return lost


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
    _lived: int = 0
    _watches: list[_Watch] = field(default_factory=list)

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
        before = self._gone_of_late()
        statement = query("count_live_ids", table=self._raw_table)
        gone = before + self._count(statement, ids=list(ids))
        if gone > max(before, ALWAYS_DELETED):
            live = self._lived_before(gone, before)
            if self._is_mass(gone, live):
                self._object(
                    "mass_delete",
                    f"the source denies {gone} of {live} live records that webhooks"
                    " announced of late, more than max_delete_share"
                    f" {self.settings.max_delete_share} allows; the last"
                    f" {gone - before} were not deleted. Look in the source whether"
                    " they are gone",
                    missing=gone,
                    live=live,
                )
        self._gone = gone

    def control(self, ids: Sequence[str]) -> list[str]:
        """Others that live here, to be asked for when the source finds none of these.

        Nobody is, while what webhooks would have deleted of late is no mass.
        """
        if self._gone_of_late() + len(ids) <= ALWAYS_DELETED:
            return []
        return self._live_beside(ids, CONTROL_IDS)

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
        """Before a chunk is written that the mapping no longer fits."""
        if "schema_break" in self._passed:
            return
        entries = list(chunk)
        self._check_rejects(entries, mapping)
        if not self._watches:
            tables = [*mapping.also, mapping]
            self._watches = [
                _Watch(each.into, each.columns, set(each.emptied)) for each in tables
            ]
        *besides, own = self._watches
        rows = [e for e in entries if e.row.line is not None]
        self._check_columns(own, [(e.source_id, e.row.line) for e in rows])
        for at, watch in enumerate(besides):
            self._check_columns(
                watch, [(e.source_id, e.row.also[at].line) for e in rows]
            )

    def _check_rejects(self, entries: list[Entry], mapping: Mapping) -> None:
        # What a rule rejects, somebody here wanted so.
        rejected = [e for e in entries if e.row.reject and not e.row.reject.rule_name]
        if len(entries) < LEAST_REJECTS or not _is_share(
            len(rejected), len(entries), REJECTED_SHARE
        ):
            return
        if not self._has_rows(LEAST_REJECTS):
            return
        ids = [e.source_id for e in rejected if e.source_id is not None]
        known, _ = self._count_filled(mapping.into, ids, [])
        broken = known + len(rejected) - len(ids)
        if not _is_share(broken, len(entries), REJECTED_SHARE):
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

    def _check_columns(
        self, watch: _Watch, rows: list[tuple[str | None, str | None]]
    ) -> None:
        lines = [line for _, line in rows if line is not None]
        empty = _empty_columns(lines, watch.columns, watch.thin)
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

    def _object(self, guard: Guard, message: str, **figures: Any) -> None:
        """Stop the job, or note that it overrides the guard, and why it would stop."""
        if guard not in self.job.overrides:
            finding = f"{self.entity.path}: {message}"
            raise GuardError(finding, guard, self.job.job_type)
        if guard not in self._passed:
            self._passed.add(guard)
            words = ", ".join(f"{name} {_told(each)}" for name, each in figures.items())
            _log.warning("job %d overrides %s: %s", self.job.id, guard, words)
            details = {"guard": guard, "entity": self.entity.name, **figures}
            jobs.audit(self.conn, self.job, "job.guard_overridden", **details)


def _told(figure: Any) -> str:
    return ", ".join(figure) if isinstance(figure, list) else str(figure)


def _empty_columns(lines: list[str], columns: list[str], thin: set[str]) -> set[str]:
    """Columns without a value in nearly all lines."""
    if not lines:
        return set()
    sample = lines[:: max(1, len(lines) // _SAMPLE)]
    empty = _emptier_than(_SAMPLE_SHARE, sample, columns) - thin
    return empty and empty & _emptier_than(EMPTY_SHARE, lines, columns)


def _emptier_than(share: float, lines: list[str], columns: Iterable[str]) -> set[str]:
    cells = zip(*(line.split("\t") for line in lines), strict=True)
    # Lists of parents follow the columns.
    return {
        name
        for name, values in zip(columns, cells, strict=False)
        if _is_share(values.count(NULL) + values.count(""), len(lines), share)
    }


def _is_share(part: int, whole: int, share: float) -> bool:
    return part >= share * whole
