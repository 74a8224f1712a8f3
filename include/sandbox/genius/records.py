"""What Genius keeps about each entity: how a record is made and how it changes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from include.sandbox import words
from include.sandbox.clock import iso
from include.sandbox.genius import defects
from include.sandbox.genius.mapping import (
    source_id,
    unify_appointment,
    unify_named,
    unify_prospect,
    unify_user,
)
from include.sandbox.population import person, phone_digits, spelled
from include.sandbox.records import Birth, Blueprint, Fields

FIRST_PROSPECT = 100_001
FIRST_USER = 1
FIRST_DIVISION = 1
#: Staff are people far away from the numbers of customers.
_STAFF = 10_000_000
_PROSPECT_STATUSES = ("active", "contacted", "quoted", "sold", "lost", "do_not_call")
_APPOINTMENT_STATUSES = ("scheduled", "confirmed", "completed", "cancelled", "no_show")
_APPOINTMENT_TYPES = ("consultation", "measure", "estimate", "install", "service")
_ROLES = ("sales_rep", "canvasser", "call_center", "manager", "installer", "admin")
_CAMPAIGNS = ("", " – Spring Campaign")


def _dates(birth: Birth) -> Fields:
    return {"created_date": iso(birth.created), "modified_date": iso(birth.modified)}


def _other(rng: Random, choices: tuple[str, ...], current: Any) -> str:
    return rng.choice([choice for choice in choices if choice != current])


def _dial(digits: str | None) -> str | None:
    return f"+1{digits}" if digits else None


def person_number(rng: Random, index: int) -> int:
    """Mostly a new person; one in 25 is in Genius already, spelled otherwise."""
    return index if rng.random() >= 0.04 else rng.randrange(index + 1)


def _slug(channel: str) -> str:
    return channel.lower().replace(" ", "_").replace("-", "_")


def prospects(seed: int) -> Blueprint:
    """People and households that may buy."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        who = spelled(person(seed, person_number(rng, birth.index)), rng)
        return {
            "id": birth.key,
            "first_name": who.first_name,
            "last_name": who.last_name,
            "email": who.email,
            "phone": _dial(who.phone),
            "address": who.address,
            "city": who.place.city,
            "state": who.place.state,
            "zip": who.zip_code,
            **_dates(birth),
            "status": rng.choice(_PROSPECT_STATUSES),
            "source": _slug(rng.choice(words.CHANNELS)),
        }

    def touch(fields: Fields, rng: Random, modified: datetime, clean: bool) -> None:
        fields["status"] = _other(rng, _PROSPECT_STATUSES, fields["status"])
        fields["modified_date"] = iso(modified)
        if clean and rng.random() < 0.2:
            fields["phone"] = _dial(phone_digits(rng, rng.choice(words.PLACES)))

    return Blueprint(
        "prospects", FIRST_PROSPECT, make, touch, source_id, unify_prospect,
        defects.PROSPECT_DEFECTS,
    )  # fmt: skip


def appointments(people: int, users: int) -> Blueprint:
    """Agreed visits to the first ``people`` prospects by the first ``users`` users."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        visit = birth.created + timedelta(days=rng.randrange(1, 30))
        visit = visit.replace(hour=rng.randrange(13, 23), minute=30, second=0)
        products = rng.sample(words.PRODUCTS, 2)
        notes = f"{' and '.join(products)}; {rng.choice(words.REMARKS)}"
        return {
            "id": birth.key,
            "prospect_id": FIRST_PROSPECT + rng.randrange(max(people, 1)),
            "user_id": FIRST_USER + rng.randrange(users),
            "scheduled_date": iso(visit),
            "status": rng.choice(_APPOINTMENT_STATUSES),
            "type": rng.choice(_APPOINTMENT_TYPES),
            "notes": notes if rng.random() < 0.9 else None,
            **_dates(birth),
        }

    def touch(fields: Fields, rng: Random, modified: datetime, clean: bool) -> None:
        fields["status"] = _other(rng, _APPOINTMENT_STATUSES, fields["status"])
        fields["modified_date"] = iso(modified)
        if clean and rng.random() < 0.3:
            fields["scheduled_date"] = iso(modified + timedelta(days=7))

    return Blueprint(
        "appointments", 500_001, make, touch, source_id, unify_appointment,
        defects.APPOINTMENT_DEFECTS,
    )  # fmt: skip


def users(seed: int, divisions: int) -> Blueprint:
    """Staff. Some carry ``full_name`` instead of ``name``, as exports do."""

    def make(birth: Birth) -> Fields:
        rng, who = birth.rng, person(seed, _STAFF + birth.index)
        label = "full_name" if rng.random() < 0.15 else "name"
        return {
            "id": birth.key,
            label: f"{who.first_name} {who.last_name}",
            "email": who.email,
            "phone": _dial(who.phone),
            "role": rng.choice(_ROLES),
            "division_id": FIRST_DIVISION + rng.randrange(divisions),
            "status": "active" if rng.random() < 0.85 else "inactive",
            **_dates(birth),
        }

    def touch(fields: Fields, rng: Random, modified: datetime, _clean: bool) -> None:
        fields["status"] = _other(
            rng, ("active", "inactive", "on_leave"), fields["status"]
        )
        fields["role"] = rng.choice(_ROLES)
        fields["modified_date"] = iso(modified)

    return Blueprint(
        "users", FIRST_USER, make, touch, source_id, unify_user, defects.USER_DEFECTS
    )


def divisions() -> Blueprint:
    """Branches."""

    def make(birth: Birth) -> Fields:
        place = words.PLACES[birth.index % len(words.PLACES)]
        return {
            "id": birth.key,
            "name": f"{place.city} {birth.index // len(words.PLACES) + 1}",
            "region": place.state,
            "timezone": place.timezone,
            "phone": _dial(phone_digits(birth.rng, place)),
            "manager_user_id": FIRST_USER + birth.rng.randrange(60),
            "status": "active",
            **_dates(birth),
        }

    return _named("divisions", FIRST_DIVISION, make)


def marketing_sources() -> Blueprint:
    """Where prospects come from."""

    def make(birth: Birth) -> Fields:
        channel = words.CHANNELS[birth.index % len(words.CHANNELS)]
        campaign = _CAMPAIGNS[birth.index // len(words.CHANNELS) % len(_CAMPAIGNS)]
        return {
            "id": birth.key,
            "name": channel + campaign,
            "category": _slug(channel),
            "cost_per_lead": round(birth.rng.uniform(5, 250), 2),
            "status": "active" if birth.rng.random() < 0.9 else "paused",
            **_dates(birth),
        }

    return _named("marketing_sources", 1, make)


def _named(name: str, first_id: int, make: Callable[[Birth], Fields]) -> Blueprint:
    def touch(fields: Fields, rng: Random, modified: datetime, _clean: bool) -> None:
        fields["status"] = _other(rng, ("active", "paused", "closed"), fields["status"])
        fields["modified_date"] = iso(modified)

    return Blueprint(
        name, first_id, make, touch, source_id, unify_named,
        defects.NAMED_DEFECTS,
    )  # fmt: skip
