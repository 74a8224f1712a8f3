"""What the warehouse must make of MarketSharp records, by the specification."""

from include.sandbox.cells import unifier
from include.sandbox.records import Fields

_DATES = {"source_created_at": "CreatedDate", "source_updated_at": "ModifiedDate"}

unify_contact = unifier(
    {
        "first_name": "FirstName",
        "last_name": "LastName",
        "email": "Email",
        "phone": "Phone",
        "address": "Address",
        "city": "City",
        "state": "State",
        "zip": "ZipCode",
        "status": "Status",
        **_DATES,
    }
)
unify_lead = unifier(
    {
        "contact_source_id": "ContactID",
        "lead_source": "Source",
        "status": "Status",
        "value": "Value",
        "notes": "Notes",
        **_DATES,
    }
)
unify_job = unifier(
    {
        "contact_source_id": "ContactID",
        "number": "Number",
        "name": "Name",
        "status": "Status",
        "type": "Type",
        "value": "Value",
        "started_at": "StartDate",
        "completed_at": "CompletedDate",
        "notes": "Notes",
        **_DATES,
    }
)
unify_activity = unifier(
    {
        "contact_source_id": "ContactID",
        "type": "Type",
        "subject": "Subject",
        "status": "Status",
        "due_at": "DueDate",
        "completed_at": "CompletedDate",
        "notes": "Notes",
        **_DATES,
    }
)


def source_id(fields: Fields) -> str | None:
    """Id of any MarketSharp record, or None when it carries none."""
    return fields.get("ID") or None
