"""Walking a list in which each page brings the cursor of the next.

A cursor is a place, not a position: what is created or deleted elsewhere does not move
it. So the walk only goes forward, and ends where no cursor follows.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.position import MAX_EMPTY_PAGES
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, Paging, Path

#: How sources refuse a cursor that has grown too old.
_EXPIRED_STATUSES = (400, 410)

_log = logging.getLogger(__name__)


def walk_cursor_pages(
    request_path: RequestPath,
    entity: Entity,
    paging: Paging,
    *,
    params: Mapping[str, str],
    checkpoint: dict[str, Any] | None,
    page_size: int,
    read: Callable[[Any], Listing],
) -> Iterator[Page]:
    """Yield every page from the first, or from the checkpoint, to the last.

    Args:
        request_path: Sends the requests.
        entity: Gives the list's path.
        paging: Gives the names of the query parameters, and the place of the cursor.
        params: Query besides cursor and size.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        page_size: Records to ask for per request; bounded by ``paging.max_size``.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    trail = _Trail(paging.next_path, _kept_cursor(checkpoint))
    size = max(1, min(page_size, paging.max_size))

    def shown(decoded: Any) -> tuple[Listing, str | None]:
        following, listing = trail.following(decoded), read(decoded)
        trail.check(_ids(listing, entity.id_path))
        return listing, following

    def ask() -> Answer[tuple[Listing, str | None]]:
        query = {**params, paging.size_param: str(size)}
        if trail.cursor is not None:
            query[paging.page_param] = trail.cursor
        return request_path.get(entity.path, query, shown)

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
            trail, resumed, spent = _Trail(paging.next_path, None), False, 1
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
        next_path: Place of the next cursor in an answer.
        cursor: Cursor to begin with; None begins at the first page.
    """

    def __init__(self, next_path: Path, cursor: str | None) -> None:
        self.cursor = cursor
        self._next_path = next_path
        # Hashes, because a list may have very many pages and long cursors.
        self._used = {hash(cursor)}
        self._ids: list[Any] = []
        self._empty_pages = 0

    def following(self, decoded: Any) -> str | None:
        """Cursor of the next page; None at the end of the list.

        Raises:
            TransientSourceError: No cursor that leads on, or no place for one.
        """
        # A bare list tells nothing of what follows, so it must not end the walk.
        if not isinstance(decoded, dict):
            raise TransientSourceError("the answer has no place for a cursor")
        value = value_at(decoded, self._next_path)
        if value is None or value == "":
            return None
        cursor = str(value) if type(value) is int else value
        if type(cursor) is not str or not cursor.isprintable():
            raise TransientSourceError(
                "the next page's cursor is neither text nor a whole number"
            )
        if hash(cursor) in self._used:
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
