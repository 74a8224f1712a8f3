"""Everything that HubSpot holds: objects, their associations, what search knows."""

from include.sandbox import known_keys
from include.sandbox.clock import Clock
from include.sandbox.hubspot import links as associated
from include.sandbox.hubspot import owners, pipelines
from include.sandbox.hubspot import records as entities
from include.sandbox.hubspot.associations import Associations
from include.sandbox.hubspot.links import Draw, Drawn, Links
from include.sandbox.hubspot.objects import Objects
from include.sandbox.hubspot.search import Search
from include.sandbox.hubspot.table import HubSpotTable, Move
from include.sandbox.records import Blueprint
from include.sandbox.settings import Settings

_DRAWS: dict[str, Draw] = {
    "deals": associated.draw_for_deal,
    "companies": associated.draw_for_company,
}


class Store:
    """The records of one HubSpot account, by object type.

    Args:
        settings: Of the sandbox.
        clock: Of the system.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        people = settings.size("hubspot")
        blueprint = known_keys.of_hubspot_contacts(
            settings.seed, entities.contacts(settings.seed)
        )
        contacts = self._table(blueprint, people)
        deals = self._table(
            entities.deals(self._deal_contacts, associated.DEAL_PRIMARY), people // 2
        )
        companies = self._table(
            entities.companies(self._company_contacts), people // 10
        )
        self.tables = {t.blueprint.name: t for t in (contacts, deals, companies)}
        self.stages = pipelines.stages()
        self.owners = owners.owners(settings.seed)
        seed = f"{settings.seed}/hubspot/links"
        self.links = {
            entity: Links(self.tables[entity], contacts, f"{seed}/{entity}", draw)
            for entity, draw in _DRAWS.items()
        }
        self.associations = Associations(self.links)
        self.objects = {
            entity: Objects(table, self.associations)
            for entity, table in self.tables.items()
        }
        self.searches = {
            entity: Search(table, clock) for entity, table in self.tables.items()
        }
        for entity in self.links:
            self.tables[entity].listeners.append(self._associate)

    def _table(self, blueprint: Blueprint, count: int) -> HubSpotTable:
        options = self._settings
        seed = f"{options.seed}/hubspot"
        return HubSpotTable(blueprint, seed, count, options.dirty)

    def _deal_contacts(self, key: int) -> Drawn:
        return self.links["deals"].contacts_of(key)

    def _company_contacts(self, key: int) -> Drawn:
        return self.links["companies"].contacts_of(key)

    def _associate(self, move: Move) -> None:
        if move.kind == "creation":
            self.links[move.entity].born(move.record.key)
