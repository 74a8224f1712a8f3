"""Records that say only part of what is known of them, laid over what is stored."""

from collections.abc import Collection, Iterable
from collections.abc import Mapping as MappingType
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, NamedTuple

from psycopg import sql

from crm_warehouse.clients.interface import Page, Unreadable
from crm_warehouse.engine import payload
from crm_warehouse.engine.chunk import ANONYMOUS, Chunk, Entry, SeenIds
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import Reader
from crm_warehouse.engine.share import hold_rows
from crm_warehouse.spec import Entity


class Known(NamedTuple):
    """What is known of a record.

    Attributes:
        record: As the raw layer holds it.
        observed_at: When that was observed.
    """

    record: Any
    observed_at: datetime


class PartialChunk(Chunk):
    """Keeps records as they came until what is stored of them is at hand.

    Args:
        mapping: Mapping of the records.
        seen: What the job has seen before.
        version_key: Key of a record's version, if it has one.
        scope: Put before the keys of a job that reads several entities.

    Class attributes:
        may_be_late: Whether what comes may be older than it looks; then it brings no
            deleted record back unless it was changed after the deletion.
    """

    may_be_late: ClassVar[bool] = False

    def __init__(
        self,
        mapping: Mapping,
        seen: SeenIds,
        version_key: str | None = None,
        scope: str = "",
    ) -> None:
        super().__init__(mapping, seen, scope)
        self.version_key = version_key
        self._waiting: list[tuple[Any, datetime, str | None]] = []

    def __len__(self) -> int:
        return len(self._waiting) or super().__len__()

    def add(
        self,
        record: Any,
        observed_at: datetime,
        *,
        indexed: bool = False,
        page: str | None = None,
    ) -> None:
        """Keep a record, or an :class:`Unreadable` in its place."""
        del indexed  # no index is asked; a subclass says what may be late
        self._waiting.append((record, observed_at, page))
        if type(record) is dict:
            self.size_bytes += sum(map(len, filter(_is_text, record.values())))

    def source_ids(self) -> list[str]:
        """Ids of the records that wait."""
        ids = (self._mapping.source_id(record) for record, _, _ in self._waiting)
        return [source_id for source_id in ids if source_id is not None]

    def lay_over(self, stored: MappingType[str, Known]) -> None:
        """Map what waits, each record with what it does not say itself.

        Args:
            stored: Source id -> what the raw layer holds of the record.
        """
        waiting, self._waiting, self.size_bytes = self._waiting, [], 0
        for record, observed_at, page in waiting:
            if isinstance(record, Unreadable):
                self._set_aside(record, observed_at, page)
                continue
            source_id = self._mapping.source_id(record)
            if source_id is not None:
                known = self._known(source_id, stored)
                record, observed_at = self.combine(known, record, observed_at)
            super().add(record, observed_at, indexed=self.may_be_late, page=page)

    def combine(
        self, known: Known | None, record: dict[str, Any], observed_at: datetime
    ) -> tuple[Any, datetime]:
        """What the chunk takes of a record, and when that counts as observed.

        Args:
            known: What is known of it, if anything.
            record: What was said of it.
            observed_at: When that was observed.
        """
        stored = known.record if known else None
        return laid_over(stored, record, self.version_key), observed_at

    def _known(self, source_id: str, stored: MappingType[str, Known]) -> Known | None:
        """What is known of the record: from earlier in the chunk, or the raw layer."""
        entry = self._entries.get(self._scope + source_id)
        if entry is None:
            return stored.get(source_id)
        record = payload.decode(entry.payload.text, entry.payload.exact)
        return Known(record, datetime.fromisoformat(entry.observed_at))

    def _set_aside(
        self, unreadable: Unreadable, observed_at: datetime, page: str | None
    ) -> None:
        """Reject it, without an id: the good record of that id is not to be lost."""
        super().add(unreadable.data, observed_at, page=page)
        digest = payload.encode(unreadable.data).digest
        problem = Problem(unreadable.error_type, unreadable.message, "")
        self._entries[ANONYMOUS + digest].row = Row(None, None, problem, [])
        if unreadable.source_id is not None:
            self.note(unreadable.source_id)


class PartialReader(Reader):
    """Reads records that are laid over what the raw layer holds of them.

    That is read in the transaction that writes them: nobody renews it between.
    """

    def _open_chunk(self) -> Chunk:
        return PartialChunk(self.mapping, self.seen, version_key(self.entity))

    def _entries(self, page: Page) -> list[Entry]:
        del page  # what its records do not say themselves is not known yet
        return []

    def _add(self, chunk: Chunk, page: Page, entries: list[Entry]) -> None:
        del entries
        chunk.pages += 1
        chunk.requests += page.requests
        places: Iterable[str | None] = page.places or [None] * len(page.records)
        for record, place in zip(page.records, places, strict=True):
            chunk.add(record, page.observed_at, page=place)

    def _save(self, chunk: Chunk, last: Page) -> Job:
        assert isinstance(chunk, PartialChunk)  # noqa: S101  _open_chunk made it
        with self.conn.transaction():
            hold_rows(
                self.conn,
                source_system=self.job.source_system,
                entity_type=self.job.entity_type,
            )
            chunk.lay_over(
                stored_records(
                    self.conn,
                    self.entity,
                    self.job.source_system,
                    chunk.source_ids(),
                )
            )
            self.anonymous_repeats += chunk.anonymous_repeats
            return super()._save(chunk, last)


def version_key(entity: Entity) -> str | None:
    """The key of an entity's records that holds their version, if they have one."""
    path = entity.version_path
    return str(path[0]) if path else None


def stored_records(
    conn: Connection, entity: Entity, source_system: str, source_ids: Collection[str]
) -> dict[str, Known]:
    """What the raw layer holds of some records, deleted ones included, by source id."""
    statement = query("read_raw_of", table=sql.Identifier(entity.raw_table))
    values = {"source_system": source_system, "ids": list(source_ids)}
    return {
        source_id: Known(payload.decode(text, exact), fetched_at)
        for source_id, text, exact, fetched_at in conn.execute(statement, values)
    }


def laid_over(
    known: Any, said: dict[str, Any], version_key: str | None = None
) -> dict[str, Any]:
    """What is said, with what is known besides; likewise inside of objects.

    What is said to be empty becomes empty; what is empty already stays in its own form,
    so that a file does not make a change of null and no text. So does a number that is
    said in other letters. A version that is left empty is not cleared: without one, any
    older record would win over this one.

    It goes no deeper than what is said, which deliveries and files bound; what is known
    may be a poll's, of more levels than Python recurses.
    """
    if type(known) is not dict:
        return said
    result = dict(known)
    for key, value in said.items():
        old = known.get(key)
        if type(value) is dict and type(old) is dict:
            result[key] = laid_over(old, value)
        elif _is_empty(value):
            if not _is_empty(old) and key != version_key:
                result[key] = value
        elif not _is_same(old, value):
            result[key] = value
    return result


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _is_same(known: Any, said: Any) -> bool:
    """Whether a text says a number or a truth that is known."""
    if type(said) is not str:
        return False
    if type(known) is bool:
        return said == ("true" if known else "false")
    if type(known) not in (int, float):
        return False
    try:
        return Decimal(said) == Decimal(str(known))
    except InvalidOperation:
        return False
