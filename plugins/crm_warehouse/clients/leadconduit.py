"""LeadConduit, the real service of ActiveProspect: events in the order of their ids.

https://developers.activeprospect.com/api-reference/leads/list-all-events
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crm_warehouse.clients.interface import Cost, Page, Window
from crm_warehouse.clients.listing import Listing
from crm_warehouse.clients.object_ids import second_of
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity

#: How far the clocks of the machines may differ that make ids.
_SKEW_SECONDS = 60


class LeadConduitClient(RestClient):
    """Client of LeadConduit.

    There is one list, of events. A lead is the ``source`` event that the service
    records when all its steps are done; so an entity of leads keeps these only.
    """

    @staticmethod
    def read_list(entity: Entity, decoded: Any) -> Listing:
        """A bare list, oldest first.

        Raises:
            TransientSourceError: No list, or the newest first: the next page would
                begin behind the oldest, and the rest never come.
        """
        listing = RestClient.read_list(entity, decoded)
        made = [
            second_of(each.get("id")) for each in listing.records if type(each) is dict
        ]
        seconds = [each for each in made if each is not None]
        if seconds and seconds[0] > seconds[-1] + _SKEW_SECONDS:
            raise TransientSourceError(
                "the newest events come first; params must say sort: asc"
            )
        return listing

    @staticmethod
    def records_of(entity: Entity, listed: list[Any]) -> list[Any]:
        """The entity's own among what is listed; what is no object is everybody's."""
        if not _is_of_leads(entity):
            return listed
        return [
            each
            for each in listed
            if type(each) is not dict or each.get("type") == "source"
        ]

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All pages of the window, with what belongs to the entity."""
        pages = super().iter_pages(
            entity, window, checkpoint=checkpoint, page_size=page_size
        )
        for page in pages:
            yield replace(page, records=self.records_of(entity, page.records))

    def cost(
        self, entity: Entity, page_size: int, known: int | None, *, asks: bool = True
    ) -> Cost:
        """What a full load costs: of leads nobody knows, for all events are read."""
        cost = super().cost(entity, page_size, known, asks=asks)
        return replace(cost, requests=None) if _is_of_leads(entity) else cost


def _is_of_leads(entity: Entity) -> bool:
    return entity.into == "leads"
