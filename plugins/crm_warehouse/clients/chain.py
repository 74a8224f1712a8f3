"""Walking a list in which each page says where the next one is.

The say-so is a cursor or an address: a place, not a position, which nothing moves that
is created or deleted elsewhere. So the walk only goes forward, and ends where nothing
follows.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.position import MAX_EMPTY_PAGES
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.clients.transport import Query
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, Paging, Path

#: How sources refuse a cursor that has grown too old.
_EXPIRED_STATUSES = (400, 410)

_log = logging.getLogger(__name__)


class Guide(Protocol):
    """Reads where the next page is, and asks for it."""

    def following(self, decoded: Any, headers: Mapping[str, str]) -> str | None:
        """Cursor of the next page; None at the end of the list.

        Raises:
            TransientSourceError: No cursor that leads on, or no place for one.
        """

    def request(self, cursor: str | None) -> tuple[str, Query]:
        """Path and query of a page; None: of the first."""


def walk_chain(
    request_path: RequestPath,
    entity: Entity,
    paging: Paging,
    guide: Guide,
    *,
    checkpoint: dict[str, Any] | None,
    read: Callable[[Any], Listing],
) -> Iterator[Page]:
    """Yield every page from the first, or from the checkpoint, to the last.

    Args:
        request_path: Sends the requests.
        entity: Gives the list's path and the place of ids.
        paging: Gives the place of the flag for "more follow".
        guide: Leads from page to page.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    trail = _Trail(_kept_cursor(checkpoint))

    def shown(decoded: Any, headers: Mapping[str, str]) -> tuple[Listing, str | None]:
        following = None
        if _may_follow(decoded, paging.more_path):
            following = trail.checked(guide.following(decoded, headers))
        if following is None and _says_more(decoded, paging.more_path):
            raise TransientSourceError("the answer says that more follow, not where")
        listing = read(decoded)
        trail.check(_ids(listing, entity.id_path))
        return listing, following

    def ask() -> Answer[tuple[Listing, str | None]]:
        path, query = guide.request(trail.cursor)
        return request_path.get_whole(path, query, shown)

    resumed, spent = trail.cursor is not None, 0
    while True:
        try:
            answer = ask()
        except RequestRefusedError as error:
            if not resumed or error.status not in _EXPIRED_STATUSES:
                raise
            _log.warning(
                "%s: the source refuses the checkpoint's cursor (status %d); the list "
                "begins anew",
                entity.path,
                error.status,
            )
            trail, resumed, spent = _Trail(None), False, 1
            continue
        listing, following = answer.value
        resumed = False
        yield Page(
            records=listing.records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            # After the last page it names that page again: a resumed walk needs a
            # page to learn there that the list has ended.
            checkpoint={"cursor": following or trail.cursor},
            total=listing.total,
            requests=answer.requests + spent,
        )
        if following is None:
            return
        spent = 0
        trail.go_on(following, _ids(listing, entity.id_path))


class _Trail:
    """Where a walk is, and where it has been.

    Args:
        cursor: Cursor to begin with; None begins at the first page.
    """

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        # Hashes, because a list may have very many pages and long cursors.
        self._used = {hash(cursor)}
        self._ids: list[Any] = []
        self._empty_pages = 0

    def checked(self, cursor: str | None) -> str | None:
        """The cursor that follows, unless it leads back.

        Raises:
            TransientSourceError: It came before: the list would never end.
        """
        if cursor is not None and hash(cursor) in self._used:
            raise TransientSourceError(
                "the source repeats a cursor; does it know the cursor's parameter?"
            )
        return cursor

    def check(self, ids: list[Any]) -> None:
        """Take note of what a page shows.

        Raises:
            TransientSourceError: It is the page before. Without a total, nothing later
                would show that a page is missing.
        """
        if ids and ids == self._ids:
            raise TransientSourceError("the source repeats the page before")

    def go_on(self, cursor: str, ids: list[Any]) -> None:
        """Move to the next page, behind one that showed these ids.

        Raises:
            TransientSourceError: The list shows nothing but cursors.
        """
        self._ids = ids
        self._empty_pages = 0 if ids else self._empty_pages + 1
        if self._empty_pages > MAX_EMPTY_PAGES:
            raise TransientSourceError(
                f"the source sent {self._empty_pages} empty pages in a row and says "
                f"that more pages follow"
            )
        self.cursor = cursor
        self._used.add(hash(cursor))


def _may_follow(decoded: Any, more_path: Path) -> bool:
    return not more_path or _says_more(decoded, more_path)


def _says_more(decoded: Any, more_path: Path) -> bool:
    """What the flag says, where the source has one.

    Raises:
        TransientSourceError: It has one, but not in this answer: no end of a list.
    """
    if not more_path:
        return False
    flag = value_at(decoded, more_path)
    if type(flag) is not bool:
        place = ".".join(map(str, more_path))
        raise TransientSourceError(f"the answer holds no true or false at {place!r}")
    return flag


def _ids(listing: Listing, id_path: Path) -> list[Any]:
    """Ids of a page's records; one without an id stands for itself."""
    return [value_at(record, id_path) or record for record in listing.records]


def _kept_cursor(checkpoint: dict[str, Any] | None) -> str | None:
    if checkpoint is None:
        return None
    cursor = checkpoint.get("cursor", checkpoint)
    if cursor is None or isinstance(cursor, str):
        return cursor
    raise ConfigurationError(
        "the job's checkpoint is not one of cursor pages: the source's paging was "
        "changed while the job was interrupted; begin anew with --restart"
    )
