"""Walking a list whose next page begins behind the last record of the one before.

The answer tells nothing of what follows: the id of its last record is the place to go
on from. A place is no position, so that what others create or delete does not move it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, Paging, Path

#: An empty page is all that ends such a list, and all that a source in trouble may
#: send: so many in a row are believed.
_EMPTY_PAGES = 2
#: How sources refuse a place that they do not know any more.
_EXPIRED_STATUSES = (400, 410)
#: Key of such checkpoints.
_KEY = "keyset"

_log = logging.getLogger(__name__)


def walk_keyset_pages(
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
        paging: Gives the names of the query parameters, and the place of a record's
            id, which need not be the one that the entity goes by.
        params: Query besides place and size.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        page_size: Records to ask for per request; bounded by ``paging.max_size``.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list does not move on.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    trail = _Trail(entity, paging.next_path, _kept_place(checkpoint))
    size = max(1, min(page_size, paging.max_size))

    def ask() -> Answer[Listing]:
        query = {**params, paging.size_param: str(size)}
        if trail.place is not None:
            query[paging.page_param] = trail.place
        return request_path.get(
            entity.path, query, lambda decoded: trail.check(read(decoded), size)
        )

    resumed, spent, empty = trail.place is not None, 0, 0
    while empty < _EMPTY_PAGES:
        try:
            answer = ask()
        except RequestRefusedError as error:
            if not resumed or error.status not in _EXPIRED_STATUSES:
                raise
            _log.warning(
                "%s: the source refuses the checkpoint's place (status %d); the list "
                "begins anew",
                entity.path,
                error.status,
            )
            trail = _Trail(entity, paging.next_path, None)
            resumed, spent = False, 1
            continue
        resumed = False
        empty = 0 if trail.go_on(answer.value) else empty + 1
        yield Page(
            records=answer.value.records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            checkpoint={_KEY: {"last": trail.place}},
            total=answer.value.total,
            requests=answer.requests + spent,
        )
        spent = 0


class _Trail:
    """Where a walk is, and where it has been.

    Args:
        entity: Gives the place of the id that its records go by.
        id_path: Place of the id that the next page begins behind.
        place: Id to go on behind; None begins at the first page.
    """

    def __init__(self, entity: Entity, id_path: Path, place: str | None) -> None:
        self.place = place
        self._entity = entity
        self._id_path = id_path
        # Hashes, because a list may have very many pages.
        self._used = {hash(place)}
        self._ids: list[str] = []

    def check(self, listing: Listing, size: int) -> Listing:
        """Give the page back when it leads on, or may be the last.

        Raises:
            TransientSourceError: It is one that came before, or shows no place to go on
                from and is full, or of records that have an id otherwise. A repetition
                heals a stale cache.
        """
        ids = self._ids_of(listing)
        if not ids and (len(listing.records) >= size or self._are_named(listing)):
            raise TransientSourceError("no record of the page has an id to go on from")
        if ids and (ids == self._ids or hash(ids[-1]) in self._used):
            raise TransientSourceError(
                "the source repeats a page; does it know the parameter of the place?"
            )
        return listing

    def go_on(self, listing: Listing) -> bool:
        """Move behind this page; False when it shows no record to go on from."""
        ids = self._ids_of(listing)
        if ids:
            self._ids, self.place = ids, ids[-1]
            self._used.add(hash(self.place))
        return bool(ids)

    def _ids_of(self, listing: Listing) -> list[str]:
        """Ids of the records that have one, as the query writes them."""
        values = [value_at(record, self._id_path) for record in listing.records]
        texts = [str(each) if type(each) is int else each for each in values]
        return [
            each for each in texts if type(each) is str and each.isprintable() and each
        ]

    def _are_named(self, listing: Listing) -> bool:
        """Whether records have the ids that they go by: no odd one at a list's end."""
        names = [value_at(record, self._entity.id_path) for record in listing.records]
        return sum(name not in (None, "") for name in names) > 1


def _kept_place(checkpoint: dict[str, Any] | None) -> str | None:
    if checkpoint is None:
        return None
    kept = checkpoint.get(_KEY)
    place = kept.get("last", kept) if isinstance(kept, dict) else kept
    if isinstance(kept, dict) and (place is None or isinstance(place, str)):
        return place
    raise ConfigurationError(
        "the job's checkpoint is not one of a list by ids: the source's paging was "
        "changed while the job was interrupted; begin anew with --restart"
    )
