"""Lists in which each page brings the cursor of the next, for the query."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crm_warehouse.clients.chain import walk_chain
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.clients.transport import Query
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity, Paging


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
    size = max(1, min(page_size, paging.max_size))
    guide = _CursorGuide(entity, paging, {**params, paging.size_param: str(size)})
    return walk_chain(
        request_path, entity, paging, guide, checkpoint=checkpoint, read=read
    )


class _CursorGuide:
    """Every page has the same address; the cursor is a parameter of the query."""

    def __init__(self, entity: Entity, paging: Paging, query: dict[str, str]) -> None:
        self._path = entity.path
        self._paging = paging
        self._query = query

    def following(self, decoded: Any, headers: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """The cursor at its place in the answer; see :class:`Guide`."""
        # A bare list tells nothing of what follows, so it must not end the walk.
        if not isinstance(decoded, dict):
            raise TransientSourceError("the answer has no place for a cursor")
        value = value_at(decoded, self._paging.next_path)
        if value is None or value == "":
            return None
        cursor = str(value) if type(value) is int else value
        if type(cursor) is not str or not cursor.isprintable():
            raise TransientSourceError(
                "the next page's cursor is neither text nor a whole number"
            )
        return cursor

    def request(self, cursor: str | None) -> tuple[str, Query]:
        """The entity's path, with the cursor where there is one."""
        if cursor is None:
            return self._path, self._query
        return self._path, {**self._query, self._paging.page_param: cursor}
