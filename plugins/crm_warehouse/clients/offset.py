"""Walking a list whose pages begin behind so many records, while others change it.

An offset is a position, and positions move: a deletion pulls every later record
forward. So each page begins with the last record of the page before. An answer is
believed when it shows a record of that page, unchanged, for whatever stood behind that
record still stands behind it. Otherwise the walker steps back until it meets one, or to
the beginning. It may read a record twice; it must never miss one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.marks import Seen, marks_of
from crm_warehouse.clients.overlap import MAX_STALLS, MAX_STEPS_BACK
from crm_warehouse.clients.position import SPARE_REREADS
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Paging

#: One record to overlap, one to go on.
_LEAST_SIZE = 2


def walk_offset_pages(
    request_path: RequestPath,
    entity: Entity,
    paging: Paging,
    *,
    params: Mapping[str, str],
    checkpoint: dict[str, Any] | None,
    page_size: int,
    read: Callable[[Any], Listing],
) -> Iterator[Page]:
    """Yield every record once at least, from the first or behind the checkpoint.

    Args:
        request_path: Sends the requests.
        entity: Gives the list's path and the places of id and version.
        paging: Gives the names of the query parameters, and the place of the flag.
        params: Query besides offset and size.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        page_size: Records to ask for per request; bounded by ``paging.max_size``.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    size = max(_LEAST_SIZE, min(page_size, paging.max_size))

    def ask(begun: int) -> Answer[tuple[Listing, bool | None]]:
        place = {paging.page_param: str(begun), paging.size_param: str(size)}
        return request_path.get(
            entity.path,
            {**params, **place},
            lambda decoded: (read(decoded), _more(decoded, paging)),
        )

    walk = _Walk(entity, size, checkpoint)
    while not walk.ended:
        answer = ask(walk.begun)
        listing, more = answer.value
        records = walk.take(listing, more)
        walk.spent += answer.requests
        if records is None:
            continue
        spent, walk.spent = walk.spent, 0
        yield Page(
            records=records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            checkpoint=walk.as_checkpoint(),
            total=listing.total,
            requests=spent,
        )


def _more(decoded: Any, paging: Paging) -> bool | None:
    """What the flag says of further pages; None: the source has none.

    Raises:
        TransientSourceError: It has one, but not in this answer: no end of a list.
    """
    if not paging.more_path:
        return None
    flag = value_at(decoded, paging.more_path)
    if type(flag) is not bool:
        place = ".".join(map(str, paging.more_path))
        raise TransientSourceError(f"the answer holds no true or false at {place!r}")
    return flag


class _Walk:
    """Where the next page begins, and what is known of the list.

    Attributes:
        begun: Records of the list before the next page.
        ended: Whether nothing is left to ask.
        spent: Requests that no page has told yet.
    """

    def __init__(
        self, entity: Entity, size: int, checkpoint: dict[str, Any] | None
    ) -> None:
        self.ended = False
        self.spent = 0
        self._entity = entity
        self._size = size
        self._end, self._marks = _kept(checkpoint)
        self.begun = max(0, self._end - 1)
        #: Mark -> record, of the last page.
        self._known: dict[str, Any] = {}
        self._seen = Seen()
        self._steps_back = self._stalls = self._rereads = self._furthest = 0
        self._idle = 0

    def as_checkpoint(self) -> dict[str, Any]:
        """JSON object to go on from."""
        return {"offset": {"end": self._end, "marks": self._marks}}

    def take(self, listing: Listing, more: bool | None) -> list[Any] | None:
        """Take in the answer to the request; None: it is not believed.

        The list ends by the source's word, a flag or a total that was reached, and
        where it has none of them, with a page that shows nothing behind a known record.
        A short page is no end, for sources filter and cap.

        Args:
            listing: The page.
            more: Whether the source says that more pages follow; None: it says nothing.

        Returns:
            The records that did not come in the page before, unchanged.

        Raises:
            TransientSourceError: The source keeps us from ever reaching the end.
        """
        marks = marks_of(listing.records, self._entity)
        if self.begun and set(self._marks).isdisjoint(marks):
            self._step_back()
            return None
        self._count_circle(marks)
        ends_known = not marks or marks[-1] in self._marks
        # Behind a known record stands nothing: is it the end, or the same page again?
        repeats = ends_known and len(marks) > self._end - self.begun
        self._count_stall(repeats=repeats)
        end = self.begun + len(marks)
        if end <= self._furthest:
            self._count_reread()
        self._furthest = max(self._furthest, end)
        if not repeats:
            told = listing.total == end if more is None else not more
            self.ended = told or (ends_known and more is None)
        fresh = self._fresh(listing.records, marks)
        self._end, self._marks, self._steps_back = end, marks, 0
        self.begun = max(0, end - 1)
        return fresh

    def _fresh(self, records: list[Any], marks: list[str]) -> list[Any]:
        known, self._known = self._known, dict(zip(marks, records, strict=True))
        return [
            record
            for mark, record in zip(marks, records, strict=True)
            if mark not in known or known[mark] != record
        ]

    def _step_back(self) -> None:
        """Ask further ahead, where the known records may have moved to."""
        self._count_reread()
        self._steps_back += 1
        back = self.begun - (self._size - 1)
        self.begun = 0 if self._steps_back > MAX_STEPS_BACK else max(0, back)

    def _count_stall(self, *, repeats: bool) -> None:
        self._stalls = self._stalls + 1 if repeats else 0
        if self._stalls > MAX_STALLS:
            raise TransientSourceError(
                f"the source repeats page after page: {self._stalls} in a row end "
                f"with a record of the page before; does it know the offset parameter?"
            )

    def _count_circle(self, marks: list[str]) -> None:
        """Give up on a list that runs in a circle."""
        self._idle = 0 if self._seen.add(marks) else self._idle + 1
        # A list that begins anew shows all that came once more.
        if self._idle > 2 * self._seen.count // self._size + SPARE_REREADS:
            raise TransientSourceError(
                f"the list runs in a circle: {self._idle} pages in a row brought "
                f"nothing new"
            )

    def _count_reread(self) -> None:
        """Give up on a list that would never end."""
        self._rereads += 1
        if self._rereads > self._furthest // self._size + SPARE_REREADS:
            raise TransientSourceError(
                f"the list changes faster than it can be read: {self._rereads} pages "
                f"were read again"
            )


def _kept(checkpoint: dict[str, Any] | None) -> tuple[int, list[str]]:
    if checkpoint is None:
        return 0, []
    kept = checkpoint.get("offset")
    if not isinstance(kept, dict):
        raise ConfigurationError(
            "the job's checkpoint is not one of offset pages: the source's paging was "
            "changed while the job was interrupted; begin anew with --restart"
        )
    return kept["end"], kept["marks"]
