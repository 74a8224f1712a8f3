"""Ids of other systems that records hold, and the certificates of leads.

They lead to the same person mostly. One in 40 leads to a neighbour, which contradicts
what others say, and one in 40 to nobody. What is drawn here is drawn apart, so that
records are otherwise what they would be without.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from random import Random
from typing import Any
from zlib import crc32

from include.sandbox.activeprospect import records as activeprospect
from include.sandbox.activeprospect.ids import object_id
from include.sandbox.genius import records as genius
from include.sandbox.hubspot import records as hubspot
from include.sandbox.marketsharp import records as marketsharp
from include.sandbox.records import Birth, Blueprint, Fields
from include.sandbox.table import first_draws

_PERCENT = 40
#: Beyond all records that a sandbox has.
_NOBODY = 9_000_000

Places = dict[str, str]
_PROSPECT: Places = {
    "hubspot.contacts": "hubspot_contact_id",
    "marketsharp.contacts": "marketsharp_id",
}
_CONTACT: Places = {
    "genius.prospects": "properties.genius_id",
    "marketsharp.contacts": "properties.marketsharp_id",
    "activeprospect.leads": "properties.ap_leadid",
    "certificate": "properties.trustedform_cert_url",
}
_LEAD: Places = {"certificate": "lead.trustedform_cert_url"}


def of_prospects(seed: int, prospects: Blueprint) -> Blueprint:
    """Genius' prospects with ids of HubSpot, as numbers, and of MarketSharp."""

    def add(fields: Fields, index: int) -> None:
        number = _person_in_genius(seed, index)
        draw = _draw(seed, "genius", "hubspot", index)
        if draw < _PERCENT:
            fields["hubspot_contact_id"] = hubspot.FIRST_CONTACT + _aim(draw, number)
        draw = _draw(seed, "genius", "marketsharp", index)
        if draw < _PERCENT and (contact := _marketsharp_contact(seed, number)):
            fields["marketsharp_id"] = str(contact + _aim(draw, 0))

    return _with_keys(prospects, add, _PROSPECT)


def of_hubspot_contacts(seed: int, contacts: Blueprint) -> Blueprint:
    """HubSpot's contacts with ids of all other systems, written in several ways."""

    def add(fields: Fields, index: int) -> None:
        held = fields["properties"]
        draw = _draw(seed, "hubspot", "genius", index)
        if draw < _PERCENT and _person_in_genius(seed, index) == index:
            key = genius.FIRST_PROSPECT + _aim(draw, index)
            held["genius_id"] = _written(draw, str(key))
        draw = _draw(seed, "hubspot", "marketsharp", index)
        if draw < _PERCENT and (contact := _marketsharp_contact(seed, index)):
            held["marketsharp_id"] = _written(draw, str(contact + _aim(draw, 0)))
        draw = _draw(seed, "hubspot", "activeprospect", index)
        if draw < _PERCENT and (lead := _lead(seed, index)) is not None:
            held["ap_leadid"] = object_id(activeprospect.FIRST_LEAD + _aim(draw, lead))
            if draw % 2:
                held["trustedform_cert_url"] = _certificate(seed, lead)

    return _with_keys(contacts, add, _CONTACT)


def of_leads(seed: int, leads: Blueprint) -> Blueprint:
    """ActiveProspect's leads with certificates that others can name."""

    def add(fields: Fields, index: int) -> None:
        fields["lead"]["trustedform_cert_url"] = _certificate(seed, index)

    return _with_keys(leads, add, _LEAD)


def _with_keys(
    blueprint: Blueprint, add: Callable[[Fields, int], None], places: Places
) -> Blueprint:
    def make(birth: Birth) -> Fields:
        fields = blueprint.make(birth)
        add(fields, birth.index)
        return fields

    def known_keys(fields: Fields) -> list[tuple[str, str]]:
        return [
            (kind, value)
            for kind, place in places.items()
            for value in _values(reduce(_step, place.split("."), fields))
        ]

    return replace(blueprint, make=make, known_keys=known_keys)


def _step(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else None


def _values(held: Any) -> Iterator[str]:
    """Keys as the warehouse must have them."""
    for part in str(held).split(";") if held else ():
        yield part.strip().removesuffix(".0")


def _draw(*words: object) -> int:
    """0 to 99, by these words alone."""
    return crc32("/".join(map(str, words)).encode()) % 100


def _aim(draw: int, key: int) -> int:
    """The key, a neighbour's, or nobody's."""
    return key + {0: 1, 1: _NOBODY}.get(draw, 0)


def _written(draw: int, key: str) -> str:
    """The key as people and programs write it; some wrote down two."""
    odd = {2: f" {key} ", 3: f"{key}.0", 4: f"{key};{int(key) + 1}"}
    return odd.get(draw, key)


def _certificate(seed: int, lead: int) -> str:
    rng = Random(f"{seed}/certificate/{lead}")
    return f"https://cert.example.com/{rng.getrandbits(160):040x}"


def _person_in_genius(seed: int, index: int) -> int:
    rng, _, _ = first_draws(f"{seed}/genius/prospects", index)
    return genius.person_number(rng, index)


def _marketsharp_contact(seed: int, number: int) -> int | None:
    """Id of the person's contact there; None: most probably they have none."""
    index, odd = divmod(number, 2)
    rng, _, _ = first_draws(f"{seed}/marketsharp/contacts", index)
    if odd or marketsharp.person_number(rng, index) != number:
        return None
    return marketsharp.FIRST_CONTACT + index


def _lead(seed: int, number: int) -> int | None:
    """Index of the person's request; None: most probably they made none."""
    index = -(-number * 2 // 3)
    rng, _, _ = first_draws(f"{seed}/activeprospect/leads", index)
    return index if activeprospect.person_number(rng, index) == number else None
