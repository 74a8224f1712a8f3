"""Read what webhooks announce; a record that the source cannot answer stops no other.

A batch that fails is halved until the record is found that fails alone. It is to blame
only where the source answers for others afterwards: a passing outage blames nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crm_warehouse.clients.interface import Found, SourceClient
from crm_warehouse.errors import AuthenticationError, SourceError
from crm_warehouse.spec import Entity

#: Questions about a batch that may fail, for each costs all its repetitions: enough to
#: find two records in a batch of 500. What was not asked for by then stays pending; of
#: many bad ones each merge finds two, for a search goes to the end of a half first.
_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one entity to be read again.

    Attributes:
        control: Others that live here, to be asked for when none of these exists.
        witnesses: Others that live here, to be asked for one after the other when
            these cannot be read.
        looked_at: Number of the last event that was looked at for this.
    """

    entity: Entity
    source_ids: list[str]
    control: list[str]
    witnesses: list[str]
    looked_at: int


@dataclass(frozen=True, slots=True)
class Read:
    """What the source has of a batch.

    Attributes:
        silent: Neither a record of the batch nor one of its control.
    """

    found: Found
    silent: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The source does not let us read an entity, or cannot at present."""

    error: SourceError


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The source answers for others of the entity, but not for these records."""

    error: SourceError


Answer = Read | Refused | Unreadable


def read(
    client: SourceClient, batches: Sequence[Batch]
) -> Iterator[tuple[Batch, Answer]]:
    """What the source has of each batch, or of its parts where the whole fails."""
    for batch in batches:
        try:
            yield batch, _ask(client, batch)
        except AuthenticationError as error:
            yield batch, Refused(error)
        except SourceError as error:
            yield from _Search(client, batch, error).answers()


def _ask(client: SourceClient, batch: Batch) -> Read:
    """Read a batch; a source that finds nothing is asked for what must be there."""
    found = client.fetch_many(batch.entity, batch.source_ids)
    if found.records or not batch.control:
        return Read(found, silent=False)
    control = client.fetch_many(batch.entity, batch.control)
    return Read(found, silent=not control.records)


class _Search:
    """Reads a batch that failed in ever smaller parts.

    Args:
        client: Asks the source.
        batch: What it could not answer.
        error: How it failed.
    """

    def __init__(self, client: SourceClient, batch: Batch, error: SourceError) -> None:
        self._client = client
        self._batch = batch
        self._error = error
        self._failures = 1
        first, *_, last = [*batch.source_ids] * 2
        self._witnesses = batch.witnesses or [first, last]
        #: Records that failed alone; to blame once others were answered after them.
        self._suspects: list[str] = []
        self._culprits: list[str] = []
        self._waiting = self._halves(batch.source_ids)

    def answers(self) -> Iterator[tuple[Batch, Answer]]:
        """Answers for what can be read, then who cannot be, or that nobody can."""
        try:
            if self._is_up():
                yield from self._parts()
            if self._suspects and self._is_up():
                self._clear()
        except AuthenticationError as refusal:
            yield self._batch, Refused(refusal)
            return
        if self._culprits:
            found = replace(self._batch, source_ids=self._culprits)
            yield found, Unreadable(self._error)
        elif self._suspects or self._waiting:
            yield self._batch, Refused(self._error)

    def _parts(self) -> Iterator[tuple[Batch, Read]]:
        """Halve what fails; every answer proves that the source works."""
        while self._waiting and self._failures < _MOST_FAILURES:
            ids = self._waiting.pop(0)
            part = replace(self._batch, source_ids=ids)
            try:
                answer = _ask(self._client, part)
            except AuthenticationError:
                raise
            except SourceError as error:
                self._error, self._failures = error, self._failures + 1
                self._waiting[:0] = self._halves(ids)
                continue
            self._clear()
            yield part, answer

    def _halves(self, ids: list[str]) -> list[list[str]]:
        if len(ids) == 1:
            self._suspects += ids
            return []
        half = len(ids) // 2
        return [ids[:half], ids[half:]]

    def _clear(self) -> None:
        self._culprits += self._suspects
        self._suspects = []

    def _is_up(self) -> bool:
        """Whether the source answers for a record that it can answer for."""
        for source_id in self._witnesses:
            try:
                self._client.fetch_many(self._batch.entity, [source_id])
            except AuthenticationError:
                raise
            except SourceError:
                continue
            return True
        return False
