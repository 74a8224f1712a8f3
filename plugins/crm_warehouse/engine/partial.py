"""Records that say only part of what is known of them, laid over what is stored."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg import sql

from crm_warehouse.clients.interface import Page, Unreadable
from crm_warehouse.engine import payload
from crm_warehouse.engine.chunk import ANONYMOUS, Chunk, SeenIds
from crm_warehouse.engine.jobs import Job
from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.reading import Reader
from crm_warehouse.engine.share import hold_rows

_EMPTY = (None, "")


class PartialChunk(Chunk):
    """Keeps records as they came until what is stored of them is at hand.

    Args:
        mapping: Mapping of the records.
        seen: What the job has seen before.
    """

    def __init__(self, mapping: Mapping, seen: SeenIds) -> None:
        super().__init__(mapping, seen)
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
        del indexed  # no index is asked
        self._waiting.append((record, observed_at, page))
        if type(record) is dict:
            self.size_bytes += sum(map(len, filter(_is_text, record.values())))

    def source_ids(self) -> list[str]:
        """Ids of the records that wait."""
        ids = (self._mapping.source_id(record) for record, _, _ in self._waiting)
        return [source_id for source_id in ids if source_id is not None]

    def lay_over(self, stored: dict[str, Any]) -> None:
        """Map what waits, each record with what it does not say itself.

        Args:
            stored: Source id -> the record as the raw layer holds it.
        """
        waiting, self._waiting, self.size_bytes = self._waiting, [], 0
        for record, observed_at, page in waiting:
            if isinstance(record, Unreadable):
                self._set_aside(record, observed_at, page)
                continue
            source_id = self._mapping.source_id(record)
            if source_id is not None:
                record = _laid_over(self._known(source_id, stored), record)
            super().add(record, observed_at, page=page)

    def _known(self, source_id: str, stored: dict[str, Any]) -> Any:
        """What is known of the record: from earlier in the chunk, or the raw layer."""
        entry = self._entries.get(source_id)
        if entry is not None:
            return payload.decode(entry.payload.text, entry.payload.exact)
        return stored.get(source_id)

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
        return PartialChunk(self.mapping, self.seen)

    def _add(self, chunk: Chunk, page: Page) -> None:
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
            chunk.lay_over(self._stored(chunk.source_ids()))
            self.anonymous_repeats += chunk.anonymous_repeats
            return super()._save(chunk, last)

    def _stored(self, source_ids: list[str]) -> dict[str, Any]:
        statement = query("read_raw_of", table=sql.Identifier(self.entity.raw_table))
        values = {"source_system": self.job.source_system, "ids": source_ids}
        return {
            source_id: payload.decode(text, exact)
            for source_id, text, exact in self.conn.execute(statement, values)
        }


def _is_text(value: Any) -> bool:
    return type(value) is str


def _laid_over(known: Any, record: dict[str, Any]) -> dict[str, Any]:
    """The record, with what is known besides.

    What it says is empty becomes empty; what is empty already stays in its own form,
    so that a file does not make a change of null and no text.
    """
    if type(known) is not dict:
        return record
    said = {
        key: value
        for key, value in record.items()
        if value not in _EMPTY or known.get(key) not in _EMPTY
    }
    return {**known, **said}
