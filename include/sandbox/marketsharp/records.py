"""What MarketSharp keeps about each entity: how a record is made and how it changes."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from random import Random

from include.sandbox import words
from include.sandbox.clock import iso
from include.sandbox.marketsharp import defects, mapping
from include.sandbox.marketsharp.xml import parse, render
from include.sandbox.population import person, spelled
from include.sandbox.records import Birth, Blueprint, Defect, Fields

FIRST_CONTACT = 200_001
FIRST_LEAD = 400_001
_FIRST_JOB = 600_001
_FIRST_ACTIVITY = 800_001
_CONTACT_STATUSES = ("Prospect", "Customer", "Inactive", "Do Not Contact")
_LEAD_STATUSES = ("New", "Set", "Issued", "Demo No Sale", "Sold")
_JOB_STATUSES = ("Pending", "Scheduled", "In Progress", "Completed", "Cancelled")
_ACTIVITY_STATUSES = ("Open", "Completed", "Cancelled")
_JOB_TYPES = ("Install", "Service", "Warranty")
_ACTIVITY_TYPES = ("Call", "Email", "Task", "Meeting", "Letter")
_PHONES = ("({}) {}-{}", "{}-{}-{}")


def contacts(seed: int) -> Blueprint:
    """People: every second one of the population, some of them twice."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        who = spelled(person(seed, person_number(rng, birth.index)), rng)
        return {
            "ID": str(birth.key),
            "FirstName": who.first_name,
            "LastName": who.last_name,
            "Email": _known(who.email, rng),
            "Phone": _known(_dial(who.phone, rng), rng),
            "Address": who.address,
            "City": who.place.city,
            "State": who.place.state,
            "ZipCode": who.zip_code,
            **_dates(birth),
            "Status": rng.choice(_CONTACT_STATUSES),
            "CustomFields": _custom_fields(rng),
        }

    return _blueprint(
        "contacts", "Contact", FIRST_CONTACT, make, _CONTACT_STATUSES,
        mapping.unify_contact, defects.CONTACT_DEFECTS,
    )  # fmt: skip


def leads(contacts: int) -> Blueprint:
    """Requests for an offer, of the first ``contacts`` contacts."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        return {
            "ID": str(birth.key),
            "ContactID": _contact_id(contacts, rng),
            "Source": rng.choice(words.CHANNELS),
            "Status": rng.choice(_LEAD_STATUSES),
            "Value": _value(rng),
            **_dates(birth),
            "Notes": _notes(rng),
        }

    return _blueprint(
        "leads", "Lead", FIRST_LEAD, make, _LEAD_STATUSES,
        mapping.unify_lead, defects.LEAD_DEFECTS,
    )  # fmt: skip


def jobs(contacts: int, leads: int) -> Blueprint:
    """Sold work, for contacts; two thirds name the lead that it came from."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        status = rng.choice(_JOB_STATUSES)
        start = birth.created + timedelta(days=rng.randrange(7, 90))
        end = start + timedelta(days=rng.randrange(1, 15))
        lead = FIRST_LEAD + rng.randrange(max(leads, 1))
        return {
            "ID": str(birth.key),
            "ContactID": _maybe(_contact_id(contacts, rng), rng),
            "LeadID": str(lead) if rng.random() < 0.67 else None,
            "Number": f"J-{birth.created.year}-{birth.index + 1:06d}",
            "Name": rng.choice(words.PRODUCTS).capitalize(),
            "Status": status,
            "Type": rng.choice(_JOB_TYPES),
            "Value": _value(rng),
            "StartDate": "" if status == "Pending" else iso(start),
            "CompletedDate": iso(end) if status == "Completed" else "",
            "Notes": _notes(rng),
            **_dates(birth),
        }

    return _blueprint(
        "jobs", "Job", _FIRST_JOB, make, _JOB_STATUSES,
        mapping.unify_job, defects.JOB_DEFECTS,
    )  # fmt: skip


def activities(contacts: int) -> Blueprint:
    """Calls, letters and tasks about contacts."""

    def make(birth: Birth) -> Fields:
        rng = birth.rng
        kind, status = rng.choice(_ACTIVITY_TYPES), rng.choice(_ACTIVITY_STATUSES)
        due = birth.created + timedelta(days=rng.randrange(30))
        done = due + timedelta(hours=rng.randrange(72))
        return {
            "ID": str(birth.key),
            "ContactID": _maybe(_contact_id(contacts, rng), rng),
            "UserID": _maybe(str(rng.randrange(1, 41)), rng),
            "Type": kind,
            "Subject": f"{kind} about {rng.choice(words.PRODUCTS)}",
            "Status": status,
            "DueDate": iso(due) if rng.random() < 0.9 else "",
            "CompletedDate": iso(done) if status == "Completed" else "",
            "Notes": _notes(rng),
            **_dates(birth),
        }

    return _blueprint(
        "activities", "Activity", _FIRST_ACTIVITY, make, _ACTIVITY_STATUSES,
        mapping.unify_activity, defects.ACTIVITY_DEFECTS,
    )  # fmt: skip


def _blueprint(
    name: str,
    element: str,
    first_id: int,
    make: Callable[[Birth], Fields],
    statuses: tuple[str, ...],
    unify: Callable[[Fields], Fields],
    kinds: Mapping[str, Defect],
) -> Blueprint:
    def touch(fields: Fields, rng: Random, modified: datetime, _clean: bool) -> None:
        others = [status for status in statuses if status != fields["Status"]]
        fields["Status"] = rng.choice(others)
        fields["ModifiedDate"] = iso(modified)

    return Blueprint(
        name=name,
        first_id=first_id,
        make=make,
        touch=touch,
        source_id=mapping.source_id,
        unify=unify,
        defects=kinds,
        wire_id=str,
        render=partial(render, element),
        parse=parse,
    )


def person_number(rng: Random, index: int) -> int:
    """Mostly the next but one person; one in 25 is here already, spelled otherwise."""
    return 2 * (index if rng.random() >= 0.04 else rng.randrange(index + 1))


def _dates(birth: Birth) -> Fields:
    return {"CreatedDate": iso(birth.created), "ModifiedDate": iso(birth.modified)}


def _dial(digits: str | None, rng: Random) -> str | None:
    if digits is None:
        return None
    return rng.choice(_PHONES).format(digits[:3], digits[3:6], digits[6:])


def _known(text: str | None, rng: Random) -> str | None:
    """The text; what is unknown is mostly an empty element, else none at all."""
    if text:
        return text
    return "" if rng.random() < 0.7 else None


def _contact_id(contacts: int, rng: Random) -> str:
    return str(FIRST_CONTACT + rng.randrange(max(contacts, 1)))


def _maybe(text: str, rng: Random) -> str | None:
    return text if rng.random() < 0.95 else None


def _value(rng: Random) -> str | None:
    spelling = rng.choice(("{}.00", "{}.00", "{}", "{}", "{}.5", ""))
    return _known(spelling.format(rng.randrange(500, 60_000)), rng)


def _notes(rng: Random) -> str | None:
    products = " & ".join(rng.sample(words.PRODUCTS, 2))
    remark = rng.choice(words.REMARKS)
    draw = rng.random()
    if draw < 0.15:
        return _known(None, rng)
    return f"<p>{products}</p>\n<p>{remark}</p>" if draw < 0.3 else products


def _custom_fields(rng: Random) -> dict[str, str] | None:
    if rng.random() < 0.9:
        return None
    return {
        "RoofPitch": f"{rng.randrange(2, 13)}/12",
        "Preferred Contact Time": rng.choice(("mornings", "after 5 pm", "")),
    }
