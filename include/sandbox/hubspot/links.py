"""Associations: which contacts belong to a deal or a company, and as what."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from include.sandbox.table import Table

#: Contact key -> types of the association, seen from the deal or company.
Drawn = dict[int, tuple[int, ...]]
#: What draws the contacts of a record: randomness, position of the record, contacts.
Draw = Callable[[Random, int, list[int]], Drawn]


class AssociationType(NamedTuple):
    """One type of association, as the API describes it."""

    category: str
    type_id: int
    label: str | None

    def described(self) -> dict[str, Any]:
        """As v4 answers it."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


_KNOWN = (
    AssociationType("HUBSPOT_DEFINED", 3, None),
    AssociationType("HUBSPOT_DEFINED", 4, None),
    AssociationType("USER_DEFINED", 51, "Primary"),
    AssociationType("USER_DEFINED", 52, "Primary"),
    AssociationType("USER_DEFINED", 53, "Decision maker"),
    AssociationType("USER_DEFINED", 54, "Decision maker"),
    AssociationType("HUBSPOT_DEFINED", 280, None),
    AssociationType("HUBSPOT_DEFINED", 279, None),
    AssociationType("HUBSPOT_DEFINED", 2, "Primary"),
    AssociationType("HUBSPOT_DEFINED", 1, "Primary"),
)
TYPES: dict[int, AssociationType] = {kind.type_id: kind for kind in _KNOWN}
_DEAL, _DEAL_PRIMARY, _DEAL_DECIDES = 3, 51, 53
_COMPANY, _COMPANY_PRIMARY = 280, 2
#: Type seen from the deal or company -> seen from the contact.
_BACK = {3: 4, 51: 52, 53: 54, 280: 279, 2: 1}
#: Types, seen from a deal, whose contact comes first.
DEAL_PRIMARY = frozenset({_DEAL_PRIMARY})
#: Every such company is a large one.
_LARGE_EVERY, _LARGEST = 40, 150


class Links:
    """Associations of the records of one table with contacts.

    Args:
        children: Deals or companies.
        contacts: The contacts.
        seed: Words that make the randomness its own.
        draw: Decides which contacts a record has.
    """

    def __init__(self, children: Table, contacts: Table, seed: str, draw: Draw) -> None:
        self._children = children
        self._contacts = contacts
        self._seed = seed
        self._draw = draw
        self._drawn: dict[int, Drawn] = {}
        self._back: dict[int, list[int]] | None = None
        #: What contacts are drawn from: those that there were first.
        self._among = list(contacts.live)
        for key in children.live:
            self.born(key)

    def born(self, key: int) -> None:
        """Draw the contacts of a new record."""
        self._set(key, Random(f"{self._seed}/{key}"))

    def relink(self, key: int, rng: Random) -> None:
        """Draw the contacts of a record anew until they differ."""
        before = self._drawn[key]
        while self._among and self._drawn[key] == before:
            self._set(key, rng)

    def move_contacts(self, losers: list[int], survivor: int) -> None:
        """Give a contact what belonged to others."""
        for drawn in self._drawn.values():
            kinds = [drawn.pop(key) for key in losers if key in drawn]
            if kinds:
                kinds.append(drawn.get(survivor, ()))
                drawn[survivor] = tuple(sorted({k for each in kinds for k in each}))
        self._back = None

    def move_children(self, losers: list[int], survivor: int) -> None:
        """Give a deal or company the contacts of others."""
        mine = dict(self._drawn.get(survivor, {}))
        for key in losers:
            for contact, kinds in self._drawn.get(key, {}).items():
                mine.setdefault(contact, kinds)
        self._drawn[survivor] = mine
        self._back = None

    def contacts_of(self, key: int) -> Drawn:
        """Live contacts of a deal or company, by id."""
        if key not in self._children.live:
            return {}
        drawn, live = self._drawn[key], self._contacts.live
        return {contact: drawn[contact] for contact in sorted(drawn) if contact in live}

    def children_of(self, contact: int) -> Drawn:
        """Live deals or companies of a contact, by id; types as the contact sees it."""
        if contact not in self._contacts.live:
            return {}
        if self._back is None:
            self._back = {}
            for key in sorted(self._drawn):
                for drawn in self._drawn[key]:
                    self._back.setdefault(drawn, []).append(key)
        live = self._children.live
        return {
            key: tuple(_BACK[kind] for kind in self._drawn[key][contact])
            for key in self._back.get(contact, ())
            if key in live
        }

    def _set(self, key: int, rng: Random) -> None:
        index = key - self._children.blueprint.first_id
        self._drawn[key] = self._draw(rng, index, self._among)
        self._back = None


def draw_for_deal(rng: Random, _index: int, contacts: list[int]) -> Drawn:
    """Mostly one contact, some two to four, a few none."""
    draw = rng.random()
    count = 0 if draw < 0.05 else 1 if draw < 0.85 else rng.randrange(2, 5)
    picked = rng.sample(contacts, min(count, len(contacts)))
    drawn: Drawn = dict.fromkeys(picked, (_DEAL,))
    if len(picked) > 1:
        if rng.random() < 0.5:
            drawn[picked[0]] += (_DEAL_PRIMARY,)
        if rng.random() < 0.5:
            drawn[picked[1]] += (_DEAL_DECIDES,)
    return drawn


def draw_for_company(rng: Random, index: int, contacts: list[int]) -> Drawn:
    """A few contacts, many in one of forty; one of them has it as its first company."""
    count = rng.randrange(9)
    if index % _LARGE_EVERY == 0:
        count = min(_LARGEST, len(contacts) // 4)
    picked = rng.sample(contacts, min(count, len(contacts)))
    drawn: Drawn = dict.fromkeys(picked, (_COMPANY,))
    if picked:
        drawn[picked[0]] += (_COMPANY_PRIMARY,)
    return drawn


def types_of(kinds: tuple[int, ...]) -> list[Mapping[str, Any]]:
    """Association types as v4 answers them."""
    return [TYPES[kind].described() for kind in kinds]
