"""HubSpot: cursor lists for everything, search for changes, batches by id."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from crm_warehouse.clients.auth import TokenSource
from crm_warehouse.clients.cost import pages_of
from crm_warehouse.clients.hubspot_batches import BATCH, is_id, key_of
from crm_warehouse.clients.hubspot_directories import directory_pages, iter_directory
from crm_warehouse.clients.hubspot_list import ListWalk, properties_query
from crm_warehouse.clients.hubspot_objects import Objects
from crm_warehouse.clients.hubspot_search import (
    EARLIEST,
    MAX_LIMIT,
    SearchWalk,
    Span,
    check_changed_property,
)
from crm_warehouse.clients.hubspot_states import find_fates, iter_archived
from crm_warehouse.clients.hubspot_ways import LANE_REQUESTS, LIST_RECORDS, Way
from crm_warehouse.clients.interface import Cost, Found, Gate, Page, Property, Window
from crm_warehouse.clients.request_path import Answer
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
        token: str | TokenSource,
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

        Without a start the whole list, which has no total, or everything in lanes;
        else a search, whose pages may be larger than asked for.
        """
        paging = self._source.paging
        if "properties" not in entity.endpoints:
            yield from iter_directory(
                self._request_path,
                entity,
                paging,
                checkpoint=checkpoint,
                page_size=page_size,
            )
            return
        check_changed_property(entity)
        size = max(1, min(page_size, paging.max_size))
        since = window.since if entity.since_param is not None else None
        walk = self._search(entity, self._span(since, window.until), size)
        if since is None and not self._reads_in_lanes(entity, walk, checkpoint):
            listed = ListWalk(self._request_path, self._objects, entity, paging, size)
            yield from listed.pages(checkpoint)
            return
        yield from walk.pages(checkpoint)

    def _search(self, entity: Entity, span: Span, size: int) -> SearchWalk:
        return SearchWalk(
            self._request_path,
            self._objects,
            entity,
            self._source.paging.next_path,
            span,
            self._source.overlap,
            self._search_limit(size),
            self._source.in_flight,
        )

    def _search_limit(self, size: int) -> int:
        # Searches are the scarcest requests: whoever asks for all that a list gives
        # gets all that a search gives.
        return MAX_LIMIT if size == self._source.paging.max_size else size

    def _span(self, since: datetime | None, until: datetime | None) -> Span:
        until = until or self._gate.now()
        if since is None:
            return Span(None, until)
        since = max(since, EARLIEST)
        return Span(since, max(since, until))

    def _reads_in_lanes(
        self, entity: Entity, walk: SearchWalk, checkpoint: dict[str, Any] | None
    ) -> bool:
        """Whether everything is read in lanes, rather than as one list.

        A walk goes on as it began. A new one asks what a list of this length costs.
        """
        if checkpoint is not None:
            return "search" in checkpoint
        if self._source.in_flight == 1 or entity.created_param is None:
            return False
        names = self._objects.property_names(entity)
        answer = walk.count()
        trip = (self._gate.now() - answer.observed_at).total_seconds()
        return self._is_faster_in_lanes(entity, names, answer.value.total, trip)

    def _is_faster_in_lanes(
        self, entity: Entity, names: list[str], total: int, trip: float
    ) -> bool:
        if total <= LIST_RECORDS:
            return False
        beside = len(entity.associations)
        as_list = Way(beside + (1 if properties_query(names) else 2), at_once=1)
        in_lanes = Way(beside + LANE_REQUESTS, at_once=self._source.in_flight)
        quotas = self._source.quotas
        return in_lanes.pages_per_second(trip, quotas) > as_list.pages_per_second(
            trip, quotas
        )

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        """One record by id; see :class:`RestClient`.

        A merged record does not exist, although its survivor answers in its place.
        """
        if not is_id(source_id):
            return None
        if "properties" not in entity.endpoints:
            return super().fetch(entity, source_id)
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

    def _ask_for(
        self, entity: Entity, source_id: str, params: Mapping[str, str] | None = None
    ) -> Answer[dict[str, Any]] | None:
        answer = super()._ask_for(entity, source_id, params)
        if answer is None and "properties" not in entity.endpoints:
            # A directory keeps whom it has put away, and tells of them when asked to.
            answer = super()._ask_for(entity, source_id, {"archived": "true"})
        return answer

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """Records by id, a hundred per request; see :class:`SourceClient`.

        For a merged record its survivor comes, under the survivor's id.
        """
        if "read" not in entity.endpoints:
            return super().fetch_many(entity, source_ids)
        begun, sent = self._gate.now(), self._request_path.sent
        ids = dict.fromkeys(filter(is_id, source_ids))
        records = {key_of(each): each for each in self._objects.read(entity, ids)}
        found = list(records.values())
        missing = [each for each in dict.fromkeys(source_ids) if each not in records]
        merged, archived = find_fates(self._request_path, entity, source_ids, records)
        self._objects.finish(entity, found)
        spent = self._request_path.sent - sent
        return Found(found, missing, begun, spent, merged, archived)

    def iter_archived(self, entity: Entity) -> Iterator[dict[str, datetime]]:
        """What the portal archived and has not yet forgotten; see the interface."""
        if "read" in entity.endpoints:
            yield from iter_archived(self._request_path, entity, self._source.paging)

    def cost(
        self, entity: Entity, page_size: int, known: int | None, *, asks: bool = True
    ) -> Cost:
        """What a full load costs, as a list or in lanes; see the interface."""
        if "properties" not in entity.endpoints:
            pages = directory_pages(entity, known or 0, self._source.paging.max_size)
            return Cost(known, pages, 0, 1, 0.0, 0, exact=False)
        sent = self._request_path.sent
        size = max(1, min(page_size, self._source.paging.max_size))
        if not asks:
            # How many properties there are is not known either: the dearer way counts.
            pages = 2 * pages_of(known or 0, size)
            parts = pages_of(known, BATCH) * len(entity.associations) if known else 0
            requests = None if known is None else 2 + pages + parts
            return Cost(known, requests, 1, 1, 0.0, 0, exact=False)
        names = self._objects.property_names(entity)
        answer = self._search(entity, self._span(None, None), size).count()
        total = answer.value.total
        trip = (self._gate.now() - answer.observed_at).total_seconds()
        asks_first = self._source.in_flight > 1 and entity.created_param is not None
        lanes = asks_first and self._is_faster_in_lanes(entity, names, total, trip)
        searches = int(asks_first)
        batches = pages_of(total, BATCH) * len(entity.associations) if total else 0
        if lanes:
            searches += pages_of(total, self._search_limit(size)) + 1
            # Lanes are cut while others end, some six times for eight requests in
            # flight; each ends with a page, a part and its associations half full.
            ends = 3 * self._source.in_flight * (2 + len(entity.associations)) // 8
            requests = searches + pages_of(total, BATCH) + ends
        else:
            listed = pages_of(total, size)
            requests = searches + (listed if properties_query(names) else 2 * listed)
        return Cost(
            records=total,
            requests=1 + requests + batches,
            searches=searches,
            in_flight=self._source.in_flight if lanes else 1,
            trip_seconds=trip,
            spent=self._request_path.sent - sent,
            exact=True,
        )

    def read_associations(
        self, entity: Entity, source_ids: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Associations alone, a hundred records a request; see the interface."""
        bare: dict[str, dict[str, Any]] = {
            each: {"id": each, "properties": {}} for each in source_ids
        }
        self._objects.finish(entity, list(bare.values()))
        return {each: record["associations"] for each, record in bare.items()}

    def properties(self, entity: Entity) -> list[Property]:
        """What records may have, asked once; see :class:`PropertyReader`."""
        return self._objects.properties(entity)
