"""HubSpot: cursor lists for everything, search for changes, batches by id."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from crm_warehouse.clients.hubspot_list import ListWalk, properties_query
from crm_warehouse.clients.hubspot_objects import Objects, is_id, key_of
from crm_warehouse.clients.hubspot_search import (
    EARLIEST,
    MAX_LIMIT,
    SearchWalk,
    Span,
)
from crm_warehouse.clients.interface import Found, Gate, Page, Window
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.clients.transport import Transport
from crm_warehouse.spec import Entity, Source


class HubSpotClient(RestClient):
    """Client of HubSpot's CRM API (v3, associations v4)."""

    headers: ClassVar[dict[str, str]] = {
        **RestClient.headers,
        "Content-Type": "application/json",
    }

    def __init__(
        self,
        source: Source,
        *,
        base_url: str,
        token: str,
        gate: Gate,
        transport: Transport,
    ) -> None:
        super().__init__(
            source, base_url=base_url, token=token, gate=gate, transport=transport
        )
        self._objects = Objects(self._request_path)

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All pages of the window; see :class:`SourceClient`.

        Without a start the whole list, which has no total; else a search, whose pages
        may be larger than asked for.
        """
        paging = self._source.paging
        size = max(1, min(page_size, paging.max_size))
        if window.since is None or entity.since_param is None:
            listed = ListWalk(self._request_path, self._objects, entity, paging, size)
            yield from listed.pages(checkpoint)
            return
        walk = SearchWalk(
            self._request_path,
            self._objects,
            entity,
            paging.next_path,
            self._span(window.since, window.until),
            self._source.overlap,
            # Searches are the scarcest requests: whoever asks for all that a list
            # gives gets all that a search gives.
            MAX_LIMIT if size == paging.max_size else size,
        )
        yield from walk.pages(checkpoint)

    def _span(self, since: datetime, until: datetime | None) -> Span:
        since = max(since, EARLIEST)
        return Span(since, max(since, until or self._gate.now()))

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        """One record by id; see :class:`RestClient`.

        A merged record does not exist, although its survivor answers in its place.
        """
        if not is_id(source_id):
            return None
        query = properties_query(self._objects.property_names(entity))
        answer = self._ask_for(
            entity, source_id, query or {"properties": "hs_object_id"}
        )
        records = [] if answer is None else [answer.value]
        if query is None:
            records = self._objects.read(entity, [source_id] if records else [])
        records = [record for record in records if key_of(record) == source_id]
        self._objects.finish(entity, records)
        return records[0] if records else None

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """Records by id, a hundred per request; see :class:`SourceClient`.

        For a merged record its survivor comes, under the survivor's id.
        """
        begun, sent = self._gate.now(), self._request_path.sent
        ids = dict.fromkeys(filter(is_id, source_ids))
        records = {key_of(each): each for each in self._objects.read(entity, ids)}
        found = list(records.values())
        missing = [each for each in dict.fromkeys(source_ids) if each not in records]
        self._objects.finish(entity, found)
        return Found(found, missing, begun, self._request_path.sent - sent)
