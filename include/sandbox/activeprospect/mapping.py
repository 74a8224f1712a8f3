"""What the warehouse must make of ActiveProspect records, by the specification."""

from include.sandbox.cells import unifier
from include.sandbox.clock import iso_milliseconds
from include.sandbox.records import Fields

_DATES = {"source_created_at": "created", "source_updated_at": "updated"}

_lead = unifier(
    {
        "contact_source_id": "id",
        "status": "outcome",
        "value": "price",
        "lead_source": "source.name",
        **_DATES,
    },
    iso_milliseconds,
)
_contact = unifier(
    {
        "first_name": "lead.first_name",
        "last_name": "lead.last_name",
        "email": "lead.email",
        "phone": "lead.phone_1",
        "address": "lead.address_1",
        "city": "lead.city",
        "state": "lead.state",
        "zip": "lead.postal_code",
        "lead_source": "source.name",
        "status": "outcome",
        **_DATES,
    },
    iso_milliseconds,
)
unify_event = unifier(
    {
        "lead_source_id": "lead_id",
        "type": "type",
        "outcome": "outcome",
        "reason": "reason",
        "step": "step_name",
        "occurred_at": "created",
        **_DATES,
    },
    iso_milliseconds,
)


def _with_outcome(fields: Fields) -> Fields:
    """The record with its status as outcome, where it has none."""
    return {**fields, "outcome": fields.get("outcome") or fields.get("status")}


def unify_lead(fields: Fields) -> Fields:
    """The lead of a record; the contact of the same record is its contact."""
    return {**_lead(_with_outcome(fields)), "name": None, "notes": None}


def unify_contact(fields: Fields) -> Fields:
    """The contact of a lead's record."""
    return _contact(_with_outcome(fields))


def source_id(fields: Fields) -> str | None:
    """Id of any ActiveProspect record, or None when it carries none."""
    return fields.get("id") or None
