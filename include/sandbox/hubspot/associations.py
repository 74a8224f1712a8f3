"""Associations over HTTP: within objects (v3) and read in batches (v4)."""

from collections.abc import Callable, Mapping
from typing import Any

from include.sandbox.hubspot.cursors import cursor, start_of
from include.sandbox.hubspot.links import Drawn, Links, types_of
from include.sandbox.hubspot.problems import refused
from include.sandbox.hubspot.properties import SINGULAR
from include.sandbox.hubspot.render import next_page

#: Associated records that an object itself carries per type.
_IN_OBJECT = 100
#: What v3 calls the types.
_V3_NAMES = {
    3: "deal_to_contact", 4: "contact_to_deal",
    280: "company_to_contact_unlabeled", 279: "contact_to_company_unlabeled",
    2: "company_to_contact", 1: "contact_to_company",
    51: "primary", 52: "primary", 53: "decision_maker", 54: "decision_maker",
}  # fmt: skip


class Associations:
    """All associations, from either end.

    Args:
        links: Those of deals and those of companies with contacts.
    """

    def __init__(self, links: Mapping[str, Links]) -> None:
        self._ends: dict[tuple[str, str], Callable[[int], Drawn]] = {}
        for entity, of_entity in links.items():
            self._ends[entity, "contacts"] = of_entity.contacts_of
            self._ends["contacts", entity] = of_entity.children_of

    def check(self, origin: str, target: str) -> None:
        """Refuse a pair of types that has no associations."""
        if (origin, target) not in self._ends:
            raise refused(f"{origin} have no associations with {target}")

    def within(self, origin: str, targets: list[str], key: int) -> dict[str, Any]:
        """What the object ``key`` shows of its associations."""
        shown = {}
        for target in targets:
            found, after = self._page(origin, target, key, 0, _IN_OBJECT)
            if found:
                results = [
                    {"id": str(other), "type": _V3_NAMES[kind]}
                    for other, kinds in found.items()
                    for kind in kinds
                ]
                shown[target] = {"results": results, **_paging(after)}
        return shown

    def batch(
        self, origin: str, target: str, inputs: list[dict[str, Any]], size: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Results and errors for records of which the associations are asked.

        Args:
            origin: Type of the records asked.
            target: Type of the associated ones.
            inputs: Objects with ``id``, and ``after`` to go on.
            size: Associated records of one page.

        Raises:
            HubSpotError: There is no such pair, or a cursor is none.
        """
        self.check(origin, target)
        results, errors = [], []
        for given in inputs:
            wire_id = str(given.get("id"))
            key = int(wire_id) if wire_id.isdecimal() else 0
            start = start_of(given.get("after"), origin, target, key)
            found, after = self._page(origin, target, key, start, size)
            if not found:
                errors.append(_none_found(origin, target, wire_id))
                continue
            to = [
                {"toObjectId": other, "associationTypes": types_of(kinds)}
                for other, kinds in found.items()
            ]
            results.append({"from": {"id": wire_id}, "to": to, **_paging(after)})
        return results, errors

    def _page(
        self, origin: str, target: str, key: int, start: int, size: int
    ) -> tuple[Drawn, str | None]:
        everything = self._ends[origin, target](key)
        left = [other for other in everything if other >= start]
        found = {other: everything[other] for other in left[:size]}
        if len(left) <= size:
            return found, None
        return found, cursor(origin, target, key, start=left[size])


def _paging(after: str | None) -> dict[str, Any]:
    return {} if after is None else {"paging": next_page(after)}


def _none_found(origin: str, target: str, wire_id: str) -> dict[str, Any]:
    what, other = SINGULAR[origin], SINGULAR[target]
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {other} is associated with {what} {wire_id}.",
        "context": {
            "fromObjectId": [wire_id],
            "fromObjectType": [what],
            "toObjectType": [other],
        },
    }
