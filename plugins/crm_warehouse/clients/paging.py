"""Walking a list whose pages are counted from 1, while others change it.

Page numbers are positions, and positions move: a deletion before the next page pulls
every later record forward, so that the next page begins too late. The walker sees the
total fall and steps back. It may therefore read a record twice, which the engine counts
as repeated; it must never miss one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crm_warehouse.clients.anchor import Anchor
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.overlap import is_of_overlap, walk_overlapping
from crm_warehouse.clients.position import Position
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity, Paging

_log = logging.getLogger(__name__)


def walk_numbered_pages(
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
        entity: Gives the list's path and the place of ids.
        paging: Gives the names of the query parameters.
        params: Query besides page number and size.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        page_size: Records to ask for per request; bounded by ``paging.max_size``.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    size = max(1, min(page_size, paging.max_size))

    def ask(
        page: int, size: int, read: Callable[[Any], Listing] = read
    ) -> Answer[Listing]:
        numbers = {paging.page_param: str(page), paging.size_param: str(size)}
        answer = request_path.get(entity.path, {**params, **numbers}, read)
        _log.debug(
            "%s page %d: status %d, %d records",
            entity.path,
            page,
            answer.status,
            len(answer.value.records),
        )
        return answer

    if is_of_overlap(checkpoint):
        yield from walk_overlapping(ask, entity, size, checkpoint=checkpoint)
        return
    position = Position.start(checkpoint, size)
    repeats = _RepeatCheck(entity)
    anchor = Anchor.of_checkpoint(checkpoint)
    searching, spent, begins = anchor is not None, 0, True
    if anchor is not None:
        position.page = anchor.begun // position.size + 1
    while True:
        answer = ask(
            position.page,
            position.size,
            lambda decoded: repeats.check(read(decoded), position),
        )
        listing = answer.value
        if begins and position.total is None and not listing.is_counted:
            # A checkpoint of pages that did not overlap proves nothing: begin anew.
            yield from walk_overlapping(
                ask,
                entity,
                size,
                first=answer if checkpoint is None else None,
                spent=answer.requests,
            )
            return
        begins = False
        if searching and anchor is not None:
            if position.page > 1 and not anchor.holds(repeats.ids_of(listing)):
                position.page -= 1
                spent += answer.requests
                continue
            searching, position.total = False, listing.total
        here = Anchor.at_page(
            (position.page - 1) * position.size, repeats.remember(listing, position)
        )
        anchor = here if here.ids or anchor is None else anchor
        ended = position.advance(listing)
        yield Page(
            records=listing.records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            checkpoint={**position.as_checkpoint(), "last": anchor.as_json()},
            total=position.total,
            requests=answer.requests + spent,
        )
        spent = 0
        if ended:
            return


class _RepeatCheck:
    """Notices a source that sends the previous page again, which could go on forever.

    Compared are ids, because times of serving inside records may differ.
    """

    def __init__(self, entity: Entity) -> None:
        self._id_path = entity.id_path
        self._page = 0
        self._ids: list[Any] = []

    def check(self, listing: Listing, position: Position) -> Listing:
        """Give the listing back unless it is the previous page's.

        Raises:
            TransientSourceError: It is. A repetition heals a stale cache; a source
                that ignores the page number fails for good.
        """
        # After a step back the same ids are to be expected, and after growth they
        # may be: a whole page's worth was inserted before them.
        follows = position.page == self._page + 1
        grew = (
            position.total is not None
            and listing.total is not None
            and listing.total > position.total
        )
        if follows and not grew and self._ids and self._ids == self.ids_of(listing):
            raise TransientSourceError(
                f"the source repeats page {self._page} as page {position.page}; does "
                f"it know the page parameter?"
            )
        return listing

    def remember(self, listing: Listing, position: Position) -> list[Any]:
        """Keep what the next page is compared with, and return it."""
        self._page = position.page
        self._ids = self.ids_of(listing)
        return self._ids

    def ids_of(self, listing: Listing) -> list[Any]:
        """Ids of a page's records; one without an id stands for itself."""
        path = self._id_path
        if len(path) == 1:
            key: Any = path[0]
            return [
                record.get(key, record) if type(record) is dict else record
                for record in listing.records
            ]
        return [value_at(record, path) or record for record in listing.records]
