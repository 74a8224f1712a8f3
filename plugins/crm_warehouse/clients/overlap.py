"""Walking a list of numbered pages that tells no counts, while others change it.

Without a total nothing says that a deletion pulled an unread record into a page that
was read. So each request asks again for the last record at least: pages of different
sizes begin at different places. An answer is believed when it shows a record of the
page before, unchanged, for whatever stood behind that record still stands behind it.
Otherwise the walker steps back until it meets one, or to the beginning.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing
from crm_warehouse.clients.marks import Seen, marks_of
from crm_warehouse.clients.position import SPARE_REREADS
from crm_warehouse.clients.request_path import Answer
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity

#: Steps back in search of a known record, before the list is begun anew.
MAX_STEPS_BACK = 10
#: Answers in a row that may end with a record of the answer before. Insertions cause
#: some; a source that ignores the page number would send them forever.
MAX_STALLS = 8

#: Asks for a page by number and size.
Ask = Callable[[int, int], Answer[Listing]]


def is_of_overlap(checkpoint: dict[str, Any] | None) -> bool:
    """Whether a checkpoint is one of :func:`walk_overlapping`."""
    return checkpoint is not None and "overlap" in checkpoint


def walk_overlapping(
    ask: Ask,
    entity: Entity,
    size: int,
    *,
    checkpoint: dict[str, Any] | None = None,
    first: Answer[Listing] | None = None,
    spent: int = 0,
) -> Iterator[Page]:
    """Yield every record once at least, from the first or behind the checkpoint.

    Args:
        ask: Sends a request.
        entity: Gives the places of id and version.
        size: Most records to ask for per request.
        checkpoint: ``Page.checkpoint`` of this walk's last page that was kept, or None.
        first: Answer to page 1 of ``size``, where it is known.
        spent: Requests that nobody counted yet.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
    """
    walk = _Walk(ask, entity, size, spent)
    aligned = walk.resume(checkpoint["overlap"]) if checkpoint else None
    if aligned is None:
        aligned = yield from walk.read_overlapping(first)
    if aligned is not None:
        yield from walk.read_aligned(aligned)


@dataclass(frozen=True, slots=True)
class _Window:
    page: int
    size: int

    @property
    def begun(self) -> int:
        """Records of the list before it."""
        return (self.page - 1) * self.size

    @property
    def reached(self) -> int:
        """Records of the list up to its end."""
        return self.page * self.size


def window_behind(end: int, largest: int) -> _Window:
    """The page that reaches furthest among those that hold the record before ``end``.

    Args:
        end: Records read; 1 or more.
        largest: Largest size of a page.
    """

    def reach(size: int) -> tuple[int, int]:
        return ((end - 1) // size + 1) * size, size

    size = max(range(1, largest + 1), key=reach)
    return _Window((end - 1) // size + 1, size)


def _window_before(begun: int, largest: int) -> _Window:
    """The page that begins first among those that hold the record before ``begun``."""
    size = min(
        range(largest, 0, -1), key=lambda size: (begun - 1) // size * size
    )  # of equal ones the largest
    return _Window((begun - 1) // size + 1, size)


class _Walk:
    """What is known of the list so far.

    Two ways of reading are its generators. Each returns None at the list's end, or the
    number of the page of full size at which the other way has to go on.
    """

    def __init__(self, ask: Ask, entity: Entity, size: int, spent: int) -> None:
        self._ask = ask
        self._size = size
        self._spent = spent
        self._entity = entity
        self._end = 0
        #: Page number of full size; None while pages overlap.
        self._page: int | None = None
        self._marks: list[str] = []
        #: Mark -> record, of the last page.
        self._known: dict[str, Any] = {}
        self._seen = Seen()
        self._sizes_count = False
        self._steps_back = self._stalls = self._rereads = self._furthest = 0
        self._idle = 0

    def resume(self, kept: dict[str, Any]) -> int | None:
        """Take up a checkpoint; return the page where aligned reading goes on.

        Where the source has sizes of its own, its pages of one size say nothing about
        those of another, and a list that is to be read in smaller ones begins anew.
        """
        if kept["page"] is None:
            self._end, self._marks = kept["end"], kept["marks"]
        elif self._size >= kept["size"]:
            self._size, self._marks = kept["size"], kept["marks"]
            self._page = kept["page"]
        return self._page

    def read_overlapping(
        self, first: Answer[Listing] | None
    ) -> Generator[Page, None, int | None]:
        """Read pages of which each holds the last record of the one before."""
        window = _Window(1, self._size)
        if self._end:
            window = window_behind(self._end, self._size)
        answer = first or self._request(window)
        while True:
            held = len(answer.value.records)
            if held > window.size:
                return self._page_at(self._end, held)
            if window.page > 1 and not self._meets(answer.value):
                step = self._step_back(window)
                if isinstance(step, int):
                    return step
                window = step
            else:
                self._sizes_count |= self._size > window.size == held
                yield self._keep(answer, window.begun + held)
                if not held:
                    return None  # An empty list: no page behind the first is believed.
                if held < window.size:
                    return (yield from self._confirm_end(window))
                window = window_behind(self._end, self._size)
                if window.reached <= self._end:
                    return self._page_at(self._end, self._size)
            answer = self._request(window)

    def _confirm_end(self, window: _Window) -> Generator[Page, None, int | None]:
        """After a short page: the list ends, or the source cuts or filters pages."""
        beyond = self._request(_Window(window.page + 1, window.size))
        if beyond.value.records:
            return self._page_at(window.reached, self._size)
        yield self._as_page(beyond, [])
        return None

    def _step_back(self, window: _Window) -> _Window | int:
        """Where to ask after an answer without a known record.

        Returns:
            A page further ahead; or a number, when the source turns out to have a page
            size of its own, so that pages do not overlap.
        """
        self._count_reread()
        self._steps_back += 1
        if not self._sizes_count:
            probe = self._request(_Window(1, window.size))
            held = len(probe.value.records)
            if held > window.size:
                return self._page_at(self._end, held)
            self._sizes_count = held == window.size
        if not self._sizes_count or self._steps_back > MAX_STEPS_BACK:
            return _Window(1, self._size)
        return _window_before(window.begun, self._size)

    def read_aligned(self, page: int) -> Generator[Page, None, None]:
        """Read pages of one size, from the one that shows a known record.

        They cannot overlap. So after each page the one before it is asked for again,
        and must still end with the same record.
        """
        while True:
            answer = self._request(_Window(page, self._size))
            if page > 1 and not self._meets(answer.value):
                self._count_reread()
                self._steps_back += 1
                page = 1 if self._steps_back > MAX_STEPS_BACK else page - 1
                continue
            self._page = page
            yield self._keep(answer, page * self._size)
            if not answer.value.records:
                return  # Of page 1: the list is empty.
            while True:
                answer = self._request(_Window(page + 1, self._size))
                if not self._meets(answer.value) and not self._still_ends(page):
                    break
                if not answer.value.records:
                    yield self._as_page(answer, [])
                    return
                page += 1
                self._page = page
                yield self._keep(answer, page * self._size)

    def _still_ends(self, page: int) -> bool:
        """Whether a page, asked for again, ends with the record that it ended with."""
        again = self._request(_Window(page, self._size))
        return self._marks_of(again.value)[-1:] == self._marks[-1:]

    def _request(self, window: _Window) -> Answer[Listing]:
        answer = self._ask(window.page, window.size)
        self._spent += answer.requests
        return answer

    def _keep(self, answer: Answer[Listing], end: int) -> Page:
        """Take in a page that is believed; ``end`` is the list's part before its end.

        Records that came in the page before and are the same are left out.
        """
        records, marks = answer.value.records, self._marks_of(answer.value)
        stalled = bool(marks) and marks[-1] in self._marks
        self._stalls = self._stalls + 1 if stalled else 0
        if self._stalls > MAX_STALLS:
            raise TransientSourceError(
                f"the source repeats page after page: {self._stalls} in a row end "
                f"with a record of the page before; does it know the page parameter?"
            )
        self._count_idle(marks)
        known, self._known = self._known, dict(zip(marks, records, strict=True))
        self._steps_back, self._end = 0, end
        self._marks = marks
        if end <= self._furthest:
            self._count_reread()
        self._furthest = max(self._furthest, end)
        return self._as_page(
            answer,
            [
                record
                for mark, record in zip(marks, records, strict=True)
                if mark not in known or known[mark] != record
            ],
        )

    def _as_page(self, answer: Answer[Listing], records: list[Any]) -> Page:
        spent, self._spent = self._spent, 0
        place = {"end": self._end, "page": self._page, "size": self._size}
        return Page(
            records=records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            checkpoint={"overlap": {**place, "marks": self._marks}},
            total=answer.value.total,
            requests=spent,
        )

    def _count_idle(self, marks: list[str]) -> None:
        """Give up on a list that runs in a circle, whatever size its pages have."""
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

    @staticmethod
    def _page_at(reached: int, size: int) -> int:
        return max(1, -(-reached // size))

    def _meets(self, listing: Listing) -> bool:
        return not set(self._marks).isdisjoint(self._marks_of(listing))

    def _marks_of(self, listing: Listing) -> list[str]:
        return marks_of(listing.records, self._entity)
