"""Where a walk over numbered pages stands, and where it goes next."""

from dataclasses import dataclass
from typing import Any

from crm_warehouse.clients.listing import Listing
from crm_warehouse.errors import ConfigurationError, TransientSourceError

#: Empty pages in a row, before the last page by the source's own count, that are
#: believed: such pages exist where a source filters after cutting pages.
MAX_EMPTY_PAGES = 100
#: Pages that may be read again beyond the number of pages that were new. Real changes
#: cost a few; a source whose total swings would have us step back forever.
SPARE_REREADS = 100


@dataclass(slots=True)
class Position:
    """The next request of a walk.

    Attributes:
        page: Page number to ask for, from 1.
        size: Records per page to ask for.
        total: Latest total of the whole list, or None.
    """

    page: int
    size: int
    total: int | None
    _furthest: int = 0
    _rereads: int = 0
    _empty_pages: int = 0
    _past_end: bool = False
    _longest: int = 0
    _size_is_told: bool = False

    @classmethod
    def start(cls, checkpoint: dict[str, Any] | None, size: int) -> "Position":
        """Begin at page 1, or behind the checkpoint.

        A checkpoint counts in pages of its own size. The smaller of the two sizes is
        used: the source may have capped it, or a person may have lowered it. A source
        that never told its size may have used another than asked; then pages of one
        size say nothing about pages of another, and the list begins anew.

        Raises:
            ConfigurationError: The checkpoint is not of this class.
        """
        if checkpoint is None:
            return cls(page=1, size=size, total=None)
        page = _count(checkpoint.get("page"), 1)
        kept_size = _count(checkpoint.get("size"), 1)
        total = checkpoint.get("total")
        if total is not None:
            total = _count(total, 0)
        if size < kept_size and not checkpoint.get("told"):
            return cls(page=1, size=size, total=None)
        size = min(size, kept_size)
        read = (page - 1) * kept_size
        return cls(page=read // size + 1, size=size, total=total, _furthest=read)

    def as_checkpoint(self) -> dict[str, Any]:
        """JSON object for :meth:`start`.

        After the last page, or what the source counts as such, it names that page
        again: reading it once more tells a resumed walk the total and the end, while
        a page beyond the end may be an error to the source.
        """
        page = self.page - 1 if self._past_end else self.page
        return {
            "page": page,
            "size": self.size,
            "told": self._size_is_told,
            "total": self.total,
        }

    def advance(self, listing: Listing) -> bool:
        """Take in the answer to this request, and move on unless it was the last page.

        Returns:
            True when the source says that the list has ended.

        Raises:
            TransientSourceError: The source keeps us from ever reaching the end.
        """
        asked, wanted = self.size, (self.page - 1) * self.size
        self._size_is_told = listing.per_page is not None
        self._longest = max(self._longest, len(listing.records))
        shrunk = self._take_total(listing)
        self.size = listing.page_size(asked)
        begun, reached = (self.page - 1) * self.size, self.page * self.size
        # A page no longer than asked does not prove that a larger size is at work.
        doubtful = self.size > asked >= len(listing.records)
        self._past_end = False
        if shrunk and self.page > 1:
            self._step_back(wanted, shrunk)
        elif begun > wanted or reached < wanted or doubtful:
            # This was another part of the list than wanted: ask in the other size.
            self.page = wanted // self.size + 1
        elif self._is_last(listing):
            return True
        else:
            pages = listing.total_pages
            self._past_end = pages is not None and self.page >= pages
            self.page += 1
        self._bound(listing)
        return False

    def _take_total(self, listing: Listing) -> int:
        """Remember the latest total; return by how much it fell."""
        before, now = self.total, listing.total
        if now is None:
            return 0
        self.total = now
        return max(0, before - now) if before is not None else 0

    def _step_back(self, wanted: int, shrunk: int) -> None:
        """Return to where the first record may be that moved behind us.

        What is still unread moved forward by at most ``shrunk`` places. A source that
        does not tell its page size may have capped it in silence; then the longest
        page counts, for a step too long only costs requests.
        """
        unit = self.size
        if not self._size_is_told:
            unit = min(unit, max(self._longest, 1))
        pages = -(-shrunk // unit)
        self.page = max(1, wanted // self.size + 1 - pages)

    def _is_last(self, listing: Listing) -> bool:
        """Whether the list ends with this page, by the source's word.

        Page count, total and the page's length must agree where they are told: an end
        too early loses records, one too late costs a request. Without a page count
        only an empty page is an end, for a short one may be filtered or capped.
        """
        held, total = len(listing.records), listing.total
        if listing.total_pages is None:
            return not held
        if self.page < listing.total_pages:
            return False
        if not held or total is None:
            return True
        overfull = self._size_is_told and (self.page - 1) * self.size + held > total
        return self.page * self.size >= total and not overfull

    def _bound(self, listing: Listing) -> None:
        """Give up on a list that would never end."""
        reached = (self.page - 1) * self.size
        self._rereads += reached <= self._furthest
        self._furthest = max(self._furthest, reached)
        if self._rereads > self._furthest // self.size + SPARE_REREADS:
            raise TransientSourceError(
                f"the list changes faster than it can be read: {self._rereads} pages "
                f"were read again"
            )
        self._empty_pages = 0 if listing.records else self._empty_pages + 1
        if self._empty_pages > MAX_EMPTY_PAGES:
            raise TransientSourceError(
                f"the source sent {self._empty_pages} empty pages in a row and says "
                f"that more pages follow"
            )


def _count(value: Any, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise ConfigurationError(
        "the job's checkpoint is not one of numbered pages: the source's paging was "
        "changed while the job was interrupted; begin anew with --restart"
    )
