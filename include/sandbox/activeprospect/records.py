"""What ActiveProspect keeps: leads, and the steps that each of them went through."""

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from include.sandbox import words
from include.sandbox.activeprospect import defects, mapping
from include.sandbox.activeprospect.ids import key_of, object_id
from include.sandbox.clock import iso_milliseconds
from include.sandbox.population import Person, person, spelled
from include.sandbox.records import Birth, Blueprint, Defect, Fields

EVENTS_OF_A_LEAD = 3
FIRST_LEAD = 100_001
_FIRST_EVENT = 5_000_001
#: Ids of lead sources, one per channel.
_FIRST_SOURCE = 1
#: People who asked for an offer and are in no other system.
_STRANGERS = 20_000_000
_OUTCOMES = ("success", "failure", "error", "skip")
_STATUSES = ("new", "accepted", "rejected", "returned")
_TYPES = ("source", "filter", "recipient")
_STEPS = {
    "source": ("Web form", "Partner post"),
    "filter": ("State filter", "Duplicate check"),
    "recipient": ("CRM delivery", "Call center delivery"),
    "feedback": ("Return", "Conversion"),
}
_REASONS = {
    "success": (None,),
    "failure": ("duplicate lead", "state not served", "phone & e-mail do not match"),
    "error": ("timeout", "recipient answered 500"),
    "skip": ("rule not met",),
}


def leads(seed: int) -> Blueprint:
    """Requests of people: four in five are people whom other systems know too."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        who = spelled(person(seed, person_number(rng, birth.index)), rng)
        channel = rng.randrange(len(words.CHANNELS))
        source = {
            "id": object_id(_FIRST_SOURCE + channel),
            "name": words.CHANNELS[channel],
        }
        return {
            "id": object_id(birth.key),
            **_dates(birth),
            **_state(rng),
            **_price(rng),
            "source": source if rng.random() < 0.97 else None,
            **({"reference": f"R{rng.randrange(10**8)}"} if rng.random() < 0.3 else {}),
            "lead": _submitted(who, rng),
        }

    return _blueprint(
        "leads", FIRST_LEAD, make, mapping.unify_lead, defects.LEAD_DEFECTS,
        {"contacts": mapping.unify_contact},
    )  # fmt: skip


def events() -> Blueprint:
    """Steps of leads, as many of each; one in twenty is somebody's feedback."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        lead, step = divmod(birth.index, EVENTS_OF_A_LEAD)
        kind = "feedback" if rng.random() < 0.05 else _TYPES[step]
        outcome = rng.choice(_OUTCOMES)
        return {
            "id": object_id(birth.key),
            "lead_id": object_id(FIRST_LEAD + lead),
            "type": kind,
            "outcome": outcome,
            "reason": rng.choice(_REASONS[outcome]),
            "step_name": rng.choice(_STEPS[kind]),
            **_dates(birth),
            "appended": {"duration_ms": rng.randrange(5, 4_000)} if step else {},
        }

    return _blueprint(
        "events", _FIRST_EVENT, make, mapping.unify_event, defects.EVENT_DEFECTS, {}
    )


def _blueprint(
    name: str,
    first_id: int,
    make: Callable[[Birth], Fields],
    unify: Callable[[Fields], Fields],
    kinds: Mapping[str, Defect],
    also: Mapping[str, Callable[[Fields], Fields]],
) -> Blueprint:
    def touch(fields: Fields, rng: Random, modified: datetime, _clean: bool) -> None:
        others = [o for o in _OUTCOMES if o != fields.get("outcome")]
        fields["outcome"] = rng.choice(others)
        fields["updated"] = iso_milliseconds(modified)

    return Blueprint(
        name=name,
        first_id=first_id,
        make=make,
        touch=touch,
        source_id=mapping.source_id,
        unify=unify,
        defects=kinds,
        also=also,
        wire_id=object_id,
        key_of=key_of,
        milliseconds=True,
    )


def person_number(rng: Random, index: int) -> int:
    """Mostly a new person; one lead in 25 is of somebody who has asked before."""
    number = index if rng.random() >= 0.04 else rng.randrange(index + 1)
    return number * 3 // 2 if rng.random() < 0.8 else _STRANGERS + number


def _dates(birth: Birth) -> Fields:
    return {
        "created": iso_milliseconds(birth.created),
        "updated": iso_milliseconds(birth.modified),
    }


def _state(rng: Random) -> Fields:
    """An outcome, a status, or both."""
    state = {"outcome": rng.choice(_OUTCOMES), "status": rng.choice(_STATUSES)}
    draw = rng.random()
    if draw < 0.7:
        del state["status"]
    elif draw < 0.85:
        del state["outcome"]
    return state


def _price(rng: Random) -> Fields:
    """A price as number or text, or none in one of two ways."""
    price = rng.randrange(40, 600) / 4
    return rng.choice(
        ({"price": price}, {"price": f"{price:.2f}"}, {"price": None}, {})
    )


def _submitted(who: Person, rng: Random) -> dict[str, Any]:
    """What the person filled in."""
    form: dict[str, Any] = {
        "first_name": who.first_name,
        "last_name": who.last_name,
        "email": who.email,
        "phone_1": who.phone,
        "address_1": who.address,
        "city": who.place.city,
        "state": who.place.state,
        "postal_code": who.zip_code,
        "trustedform_cert_url": f"https://cert.example.com/{rng.getrandbits(160):040x}",
    }
    if rng.random() < 0.1:
        form |= {"roof_age": f"{rng.randrange(1, 40)} years", "homeowner": True}
    return form
