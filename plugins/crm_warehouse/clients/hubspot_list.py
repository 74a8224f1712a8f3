"""Walking a whole list of HubSpot's by its cursor."""

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from crm_warehouse.clients.hubspot_batches import key_of
from crm_warehouse.clients.hubspot_objects import Objects
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import read_listing, value_at
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import (
    ConfigurationError,
    RequestRefusedError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, Paging

#: Characters of a query that every proxy on the way lets pass.
MAX_QUERY = 6_000

_log = logging.getLogger(__name__)

#: Records of a page, and the cursor of the next or None.
_Listed = tuple[list[Any], str | None]


def properties_query(names: list[str]) -> dict[str, str] | None:
    """Query that asks for these properties, or None when an address cannot hold it."""
    query = {"properties": ",".join(names)}
    return query if len(urlencode(query)) < MAX_QUERY else None


class ListWalk:
    """One walk through a list.

    Args:
        request_path: Sends the requests.
        objects: Completes the records.
        entity: What to list.
        paging: Names of the query parameters and place of the next cursor.
        page_size: Records to ask for per request.
    """

    def __init__(
        self,
        request_path: RequestPath,
        objects: Objects,
        entity: Entity,
        paging: Paging,
        page_size: int,
    ) -> None:
        self._request_path = request_path
        self._objects = objects
        self._entity = entity
        self._paging = paging
        self._page_size = page_size
        self._asked: set[str] = set()
        self._before: set[str] = set()

    def pages(self, checkpoint: dict[str, Any] | None) -> Iterator[Page]:
        """Every page, or those from the checkpoint on.

        The list ends when an answer names no next cursor, and at nothing else: pages
        may be short or empty.

        Raises:
            SourceError: A page could not be read, or the cursors run in a circle.
            ConfigurationError: The checkpoint is not of this walk.
        """
        sent = self._request_path.sent
        query = properties_query(self._objects.property_names(self._entity))
        after = _cursor(checkpoint)
        resumed = after is not None
        while True:
            try:
                answer = self._ask(query, after)
            except RequestRefusedError as error:
                # Nothing is said about how long a cursor lives.
                if error.status != 400 or not resumed:
                    raise
                _log.warning(
                    "%s: the cursor of the interrupted walk is refused; the list "
                    "begins anew",
                    self._entity.path,
                )
                after, resumed = None, False
                continue
            resumed = False
            records, following = answer.value
            self._before = _keys(records)
            if query is None:
                records = self._objects.read_again(self._entity, records)
            self._objects.finish(self._entity, records)
            # The last page is asked for again by a resumed walk, to see its end.
            kept = after if following is None else following
            yield Page(
                records=records,
                observed_at=answer.observed_at,
                source_time=answer.source_time,
                checkpoint={"list": {"after": kept}},
                total=None,
                requests=self._request_path.sent - sent,
            )
            if following is None:
                return
            sent, after = self._request_path.sent, following

    def _ask(self, query: dict[str, str] | None, after: str | None) -> Answer[_Listed]:
        params = {
            **(query or {"properties": "hs_object_id"}),
            self._paging.size_param: str(self._page_size),
            "archived": "false",
        }
        if after is not None:
            params[self._paging.page_param] = after
            self._asked.add(after)
        return self._request_path.get(self._entity.path, params, self._read)

    def _read(self, decoded: Any) -> _Listed:
        if not isinstance(decoded, dict):
            raise TransientSourceError("the answer is no page of a list")
        following = value_at(decoded, self._paging.next_path)
        if following is not None:
            following = str(following)
            if following in self._asked:
                raise TransientSourceError("the source repeats a cursor")
        records = read_listing(decoded, self._entity.records_path).records
        # Without a total, nothing later would show that a page is missing.
        keys = _keys(records)
        if keys and keys <= self._before:
            raise TransientSourceError("the source repeats the page before")
        return records, following


def _keys(records: list[Any]) -> set[str]:
    return {key for key in map(key_of, records) if key is not None}


def _cursor(checkpoint: dict[str, Any] | None) -> str | None:
    if checkpoint is None:
        return None
    try:
        cursor: str | None = checkpoint["list"]["after"]
    except (KeyError, TypeError):
        raise ConfigurationError(
            "the job's checkpoint is not one of a list: the source file was changed "
            "while the job was interrupted; begin anew with --restart"
        ) from None
    return cursor
