"""What HubSpot keeps about each object type: how a record is made and changes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from include.sandbox import words
from include.sandbox.clock import iso_milliseconds
from include.sandbox.hubspot import defects
from include.sandbox.hubspot.mapping import (
    Associated,
    source_id,
    unify_company,
    unify_contact,
    unify_deal,
)
from include.sandbox.hubspot.properties import (
    DEAL_STAGES,
    FIRST_OWNER,
    INDUSTRIES,
    LEAD_STATUSES,
    MODIFIED,
    OWNERS,
)
from include.sandbox.hubspot.render import render
from include.sandbox.population import person, phone_digits, spelled
from include.sandbox.records import Birth, Blueprint, Defect, Fields

#: Ids grow by a digit among the first records: order as text is not that of numbers.
FIRST_CONTACT, FIRST_DEAL, FIRST_COMPANY = 99_901, 9_951, 991
_PHONE_FORMS = ("+1{a}{b}{c}", "({a}) {b}-{c}", "{a}-{b}-{c}", "{a}{b}{c}")
#: Currency of a deal -> what the company, which counts in USD, gets for one.
_RATES = {"USD": Decimal(1), "CAD": Decimal("0.73")}
_TRADES = ("Roofing", "Windows", "Remodeling", "Property Care", "Exteriors")


def contacts(seed: int) -> Blueprint:
    """The people that Genius has, too, as HubSpot's users wrote them."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        who = spelled(person(seed, birth.index), rng)
        own = {
            "firstname": who.first_name,
            "lastname": who.last_name,
            "email": who.email,
            "phone": _phone(rng, who.phone),
            "address": who.address,
            "city": who.place.city,
            "state": who.place.state,
            "zip": who.zip_code,
            "hs_lead_status": rng.choice((*LEAD_STATUSES, None)),
            "project_interest": ";".join(rng.sample(words.PRODUCTS, rng.randrange(3))),
            "roof_age_years": str(rng.randrange(40)) if rng.random() < 0.5 else None,
            "homeowner": rng.choice(("true", "false", None)),
        }
        if rng.random() < 0.5:
            # Where contacts have it, it says nothing about their last change.
            own["hs_lastmodifieddate"] = iso_milliseconds(birth.created)
        return _record("contacts", birth, own)

    def touch(fields: Fields, rng: Random, modified: datetime, clean: bool) -> None:
        properties = fields["properties"]
        _other(properties, "hs_lead_status", LEAD_STATUSES, rng)
        if clean and rng.random() < 0.2:
            digits = phone_digits(rng, rng.choice(words.PLACES))
            properties["phone"] = _phone(rng, digits)
        stamp("contacts", fields, modified)

    return _blueprint(
        "contacts", FIRST_CONTACT, make, touch, unify_contact, defects.CONTACT_DEFECTS
    )


def deals(
    contacts_of: Callable[[int], Associated], primary: frozenset[int]
) -> Blueprint:
    """What may be sold, to the contacts that ``contacts_of`` tells of a deal."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        own = {
            "dealname": f"{rng.choice(words.PRODUCTS).title()} #{birth.index + 1}",
            "amount": _amount(rng),
            "dealstage": rng.choice(tuple(DEAL_STAGES)),
            "pipeline": "renovation" if birth.index % 3 == 0 else "default",
            "closedate": _close(rng, birth.created),
            "description": rng.choice((*words.REMARKS, None)),
            "financing_requested": rng.choice(("true", "false")),
            "hubspot_owner_id": _owner(birth.index),
            "deal_currency_code": "CAD" if birth.index % 4 == 0 else "USD",
        }
        _convert(own)
        return _record("deals", birth, own)

    def touch(fields: Fields, rng: Random, modified: datetime, clean: bool) -> None:
        properties = fields["properties"]
        _other(properties, "dealstage", DEAL_STAGES, rng)
        if clean and rng.random() < 0.5:
            properties["amount"] = _amount(rng)
            _convert(properties)
        stamp("deals", fields, modified)

    return _blueprint(
        "deals", FIRST_DEAL, make, touch, unify_deal(contacts_of, primary),
        defects.DEAL_DEFECTS,
    )  # fmt: skip


def companies(contacts_of: Callable[[int], Associated]) -> Blueprint:
    """Organisations, with the contacts that ``contacts_of`` tells of a company."""

    def make(birth: Birth) -> Fields:
        rng, place = birth.rng, birth.rng.choice(words.PLACES)
        head = rng.choice(words.SURNAME_HEADS) + rng.choice(words.SURNAME_TAILS)
        own = {
            "name": f"{head} {rng.choice(_TRADES)}",
            "domain": f"{head.lower()}{birth.index}.example.com",
            "phone": _phone(rng, phone_digits(rng, place)),
            "address": f"{rng.randrange(1, 9_900)} {rng.choice(words.STREETS)} Road",
            "city": place.city,
            "state": place.state,
            "zip": f"{place.zip_prefix}{rng.randrange(1, 100):02d}",
            "industry": rng.choice((*INDUSTRIES, None)),
        }
        return _record("companies", birth, own)

    def touch(fields: Fields, rng: Random, modified: datetime, clean: bool) -> None:
        properties = fields["properties"]
        _other(properties, "industry", INDUSTRIES, rng)
        if clean:
            digits = phone_digits(rng, rng.choice(words.PLACES))
            properties["phone"] = _phone(rng, digits)
        stamp("companies", fields, modified)

    return _blueprint(
        "companies", FIRST_COMPANY, make, touch, unify_company(contacts_of),
        defects.COMPANY_DEFECTS,
    )  # fmt: skip


def stamp(entity: str, fields: Fields, modified: datetime) -> None:
    """Write down when the record was last changed."""
    fields["updatedAt"] = iso_milliseconds(modified)
    fields["properties"][MODIFIED[entity]] = fields["updatedAt"]


def _blueprint(
    name: str,
    first_id: int,
    make: Callable[[Birth], Fields],
    touch: Callable[[Fields, Random, datetime, bool], None],
    unify: Callable[[Fields], Fields],
    kinds: dict[str, Defect],
) -> Blueprint:
    return Blueprint(
        name, first_id, make, touch, source_id, unify, kinds,
        wire_id=str, milliseconds=True, render=render,
    )  # fmt: skip


def _record(entity: str, birth: Birth, own: Fields) -> Fields:
    created = iso_milliseconds(birth.created)
    about = {"createdate": created, "hs_object_id": str(birth.key)}
    fields: Fields = {
        "id": str(birth.key),
        "properties": {**own, **about},
        "createdAt": created,
    }
    stamp(entity, fields, birth.modified)
    return fields


def _other(fields: Fields, name: str, choices: dict[str, Any], rng: Random) -> None:
    fields[name] = rng.choice([c for c in choices if c != fields[name]])


def _phone(rng: Random, digits: str | None) -> str | None:
    if digits is None:
        return rng.choice((None, ""))
    a, b, c = digits[:3], digits[3:6], digits[6:]
    return rng.choice(_PHONE_FORMS).format(a=a, b=b, c=c)


def _amount(rng: Random) -> str | None:
    draw, whole = rng.random(), rng.randrange(5, 600) * 100
    if draw < 0.08:
        return rng.choice((None, ""))
    return str(whole) if draw < 0.8 else f"{whole}.{rng.choice(('5', '99', '00'))}"


def _convert(deal: Fields) -> None:
    """What HubSpot makes of the amount in the company's own currency."""
    rate, amount = _RATES[deal["deal_currency_code"]], deal["amount"]
    home = str(round(Decimal(amount) * rate, 2)) if amount else amount
    deal["hs_amount_in_home_currency"] = home


def _owner(index: int) -> str | None:
    return None if index % 7 == 0 else str(FIRST_OWNER + index % OWNERS)


def _close(rng: Random, created: datetime) -> str | None:
    if rng.random() < 0.2:
        return rng.choice((None, ""))
    return iso_milliseconds(created + timedelta(days=rng.randrange(7, 120)))
