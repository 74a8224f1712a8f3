"""Ask a source again for records that seemed to differ."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from crm_warehouse.clients.interface import Found, SourceClient, Window
from crm_warehouse.errors import RequestRefusedError
from crm_warehouse.spec import Entity

#: Records judged in one transaction; as many as one request reads where the source
#: reads batches.
_BATCH = 100
#: Where each record costs a request of its own, more than these wait for a full load.
_MOST_SINGLE = 200


class Asked(NamedTuple):
    """Some suspects, and what the source says of them.

    Attributes:
        ids: Who was asked for; perhaps nobody.
        found: The answer, or None: there is none.
        place: JSON object from which a second list goes on behind this, or None.
    """

    ids: list[str]
    found: Found | None
    place: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks in the way that costs least: in batches, one by one, or for the whole list.

    Attributes:
        entity: What is asked for.
        client: The source.
        id_of: Id of a record as it stands in a list.
        page_size: Records asked for per request of a list.
        list_requests: What the whole list has cost when it was read.
        known: Ids that the source ought to find, to learn whether it finds any.
        place: Where a second list was left; None: it has not begun.
    """

    entity: Entity
    client: SourceClient
    id_of: Callable[[Any], str | None]
    page_size: int
    list_requests: int
    known: Sequence[str]
    place: dict[str, Any] | None = None

    def answers(self, suspects: list[str]) -> Iterator[Asked]:
        """Every suspect once, with the answer."""
        if "read" in self.entity.endpoints:
            yield from self._by_id(suspects, _BATCH)
            return
        has_address = self.entity.deletes.confirm_path is not None
        is_dear = len(suspects) > self.list_requests
        if not has_address or self.place is not None or is_dear:
            suspects, begun = yield from self._by_list(suspects)
            if not has_address:
                yield from _missing_twice(suspects, begun)
                return
        yield from self._by_id(suspects[:_MOST_SINGLE], 1)
        if rest := suspects[_MOST_SINGLE:]:
            yield Asked(rest, None)

    def _by_list(
        self, suspects: list[str]
    ) -> Generator[Asked, None, tuple[list[str], datetime | None]]:
        """Look for them in the whole list, from where that was left.

        Returns:
            Who was not in it, and when its first page was asked for.
        """
        place = self.place or {}
        begun = datetime.fromisoformat(place["begun"]) if place else None
        if "after" in place and place["after"] is None:
            return suspects, begun
        waiting = dict.fromkeys(suspects)
        for page in self.client.iter_pages(
            self.entity,
            Window(None, None),
            checkpoint=place.get("after"),
            page_size=self.page_size,
        ):
            begun = begun or page.observed_at
            place = {"begun": begun.isoformat(), "after": page.checkpoint}
            came = {self.id_of(record): record for record in page.records}
            found = [each for each in came if each in waiting and each is not None]
            for each in found:
                del waiting[each]
            records = [came[each] for each in found]
            answer = Found(records, [], page.observed_at, page.requests)
            yield Asked(found, answer, place)
        if begun is not None:
            ended = {"begun": begun.isoformat(), "after": None}
            yield Asked([], Found([], [], begun, 0), ended)
        return list(waiting), begun

    def _by_id(self, ids: list[str], size: int) -> Iterator[Asked]:
        knows: bool | None = None
        for batch in _batches(ids, size):
            try:
                found = self.client.fetch_many(self.entity, batch)
            except RequestRefusedError:
                if size > 1:
                    raise
                yield Asked(batch, None)
                continue
            # An archive that names them is an answer, too.
            is_told = bool(found.records or found.archived)
            if not is_told and knows is None:
                knows = self._knows()
            yield Asked(batch, found if is_told or knows else None)

    def _knows(self) -> bool:
        """Whether the source finds by id what it ought to.

        A source without such an endpoint answers 404 to every id, which would prove
        every record gone.
        """
        return bool(
            self.known and self.client.fetch_many(self.entity, self.known).records
        )


def _missing_twice(ids: list[str], begun: datetime | None) -> Iterator[Asked]:
    """Two whole lists without them prove as much as two full loads would."""
    for batch in _batches(ids, _BATCH):
        yield Asked(batch, None if begun is None else Found([], batch, begun, 0))


def _batches(ids: list[str], size: int) -> Iterator[list[str]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))
