"""The unified tables: one marshmallow schema each, in the order of their columns.

A schema says which columns a mapping may fill, their types, and what a row cannot
exist without. The engine compiles it once per run; nothing here runs per record.

Metadata of a field:
    kind: Type word that picks the converter and the COPY type (see ``KINDS``).
    warn_length: Longest text that passes without a warning; text is never cut.
    expected: The owner requires it, real data breaks it: empty gives a warning.
    trim: White space at the ends says nothing.
    links_to: ``(column, table)`` that receives the row id of the named parent.
"""

from typing import Any, NamedTuple

from marshmallow import Schema, fields

#: Type words and the PostgreSQL type that COPY writes.
KINDS: dict[str, str] = {
    "text": "text",
    "email": "text",
    "phone": "text",
    "numeric": "numeric",
    "timestamp": "timestamptz",
    "json": "jsonb",
    "boolean": "boolean",
    "integer": "bigint",
}


def _text(warn_length: int | None = None, **metadata: Any) -> fields.Field[Any]:
    return fields.String(
        metadata={"kind": "text", "warn_length": warn_length, **metadata}
    )


def _timestamp(*, required: bool = False) -> fields.Field[Any]:
    return fields.AwareDateTime(required=required, metadata={"kind": "timestamp"})


def _email() -> fields.Field[Any]:
    return fields.Email(metadata={"kind": "email", "warn_length": 254})


def _phone() -> fields.Field[Any]:
    return fields.String(metadata={"kind": "phone", "warn_length": 50})


def _parent(column: str, table: str, **metadata: Any) -> fields.Field[Any]:
    return _text(255, links_to=(column, table), **metadata)


def _amount() -> fields.Field[Any]:
    return fields.Decimal(metadata={"kind": "numeric"})


def _boolean() -> fields.Field[Any]:
    return fields.Boolean(metadata={"kind": "boolean"})


def _integer() -> fields.Field[Any]:
    return fields.Integer(metadata={"kind": "integer"})


def _attributes() -> fields.Field[Any]:
    return fields.Dict(metadata={"kind": "json"})


class ContactSchema(Schema):
    """A person or household, as one source system knows it."""

    first_name = _text(255, expected=True)
    last_name = _text(255, expected=True)
    email = _email()
    phone = _phone()
    address = _text()
    city = _text(255)
    state = _text(100)
    zip = _text(50)
    lead_source = _text(255)
    status = _text(100, trim=True)
    address_source_id = _parent("address_id", "addresses")
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class AppointmentSchema(Schema):
    """An agreed visit. Without a usable date there is none."""

    contact_source_id = _parent("contact_id", "contacts", expected=True)
    lead_source_id = _parent("lead_id", "leads")
    user_source_id = _parent("user_id", "users")
    scheduled_date = _timestamp(required=True)
    status = _text(100, trim=True, expected=True)
    type = _text(100, trim=True)
    notes = _text()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class UserSchema(Schema):
    """Somebody who works in a source system: sales rep, call centre, admin."""

    name = _text(255)
    email = _email()
    phone = _phone()
    status = _text(100, trim=True)
    is_archived = _boolean()
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class PipelineStageSchema(Schema):
    """A stage of a pipeline, which leads move through."""

    name = _text(255)
    stage = _text(255)
    position = _integer()
    probability = _amount()
    is_closed = _boolean()
    pipeline_source_id = _text(255)
    pipeline_name = _text(255)
    pipeline_position = _integer()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class DivisionSchema(Schema):
    """A branch or region of the company."""

    name = _text(255)
    status = _text(100, trim=True)
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class MarketingSourceSchema(Schema):
    """Where leads come from, as the company names its campaigns and channels."""

    name = _text(255)
    status = _text(100, trim=True)
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class LeadSchema(Schema):
    """An enquiry, request or deal that may become a sale."""

    contact_source_id = _parent("contact_id", "contacts", expected=True)
    user_source_id = _parent("user_id", "users")
    stage_source_id = _parent("stage_id", "pipeline_stages")
    name = _text(255)
    status = _text(100, trim=True, expected=True)
    value = _amount()
    currency = _text(3, trim=True)
    home_value = _amount()
    lead_source = _text(255)
    notes = _text()
    expected_close_at = _timestamp()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class CompanySchema(Schema):
    """An organisation that contacts belong to."""

    name = _text(255)
    domain = _text(255)
    phone = _phone()
    address = _text()
    city = _text(255)
    state = _text(100)
    zip = _text(50)
    status = _text(100, trim=True)
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class JobSchema(Schema):
    """Sold work: what is built, when, for how much."""

    contact_source_id = _parent("contact_id", "contacts")
    number = _text(255)
    name = _text(255)
    status = _text(100, trim=True)
    type = _text(100, trim=True)
    value = _amount()
    started_at = _timestamp()
    completed_at = _timestamp()
    notes = _text()
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class ActivitySchema(Schema):
    """Something done or to be done about a contact: a call, a visit, a mail."""

    contact_source_id = _parent("contact_id", "contacts")
    type = _text(100, trim=True)
    subject = _text(255)
    status = _text(100, trim=True)
    due_at = _timestamp()
    completed_at = _timestamp()
    notes = _text()
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class LeadEventSchema(Schema):
    """One step of a lead's way: received, enhanced, filtered, delivered."""

    lead_source_id = _parent("lead_id", "leads")
    type = _text(100, trim=True)
    outcome = _text(100, trim=True)
    reason = _text()
    step = _text(255)
    occurred_at = _timestamp()
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class ContactPhoneSchema(Schema):
    """The telephone numbers of a contact, where the source keeps them apart."""

    contact_source_id = _parent("contact_id", "contacts")
    phone = _phone()
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class AddressSchema(Schema):
    """A postal address, where the source keeps them apart from the contacts."""

    contact_source_id = _parent("contact_id", "contacts")
    address = _text()
    city = _text(255)
    state = _text(100)
    zip = _text(50)
    county = _text(255)
    country = _text(100)
    attributes = _attributes()
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


#: Unified table in schema ``warehouse`` -> its schema.
UNIFIED: dict[str, type[Schema]] = {
    "contacts": ContactSchema,
    "appointments": AppointmentSchema,
    "users": UserSchema,
    "pipeline_stages": PipelineStageSchema,
    "divisions": DivisionSchema,
    "marketing_sources": MarketingSourceSchema,
    "leads": LeadSchema,
    "companies": CompanySchema,
    "jobs": JobSchema,
    "activities": ActivitySchema,
    "lead_events": LeadEventSchema,
    "contact_phones": ContactPhoneSchema,
    "addresses": AddressSchema,
}


class LinkTable(NamedTuple):
    """A table of schema ``warehouse`` that links rows of which each may have several.

    Attributes:
        name: The table.
        child: Singular of the rows that name the others; its columns are
            ``<child>_id`` and ``<child>_source_id``.
        parent: Singular of the named ones; columns likewise.
    """

    name: str
    child: str
    parent: str


#: (unified table, table of its parents) -> table of their links.
LINK_TABLES: dict[tuple[str, str], LinkTable] = {
    ("leads", "contacts"): LinkTable("lead_contacts", "lead", "contact"),
    ("companies", "contacts"): LinkTable("company_contacts", "company", "contact"),
}


class Link(NamedTuple):
    """A column that points at a row of another unified table.

    Attributes:
        table: Table that has the column.
        column: The column, e.g. ``contact_id``.
        child: Column beside it with the parent's id in the source.
        parent: Table of the parent.
    """

    table: str
    column: str
    child: str
    parent: str


def links_of(table: str) -> list[Link]:
    """Links from a unified table to its parents."""
    found = []
    for name, field in UNIFIED[table]().fields.items():
        if target := field.metadata.get("links_to"):
            found.append(Link(table, target[0], name, target[1]))
    return found


def links_to(table: str) -> list[Link]:
    """Links from other tables, link tables included, to this one."""
    single = [
        link for child in UNIFIED for link in links_of(child) if link.parent == table
    ]
    several = [
        Link(each.name, f"{each.parent}_id", f"{each.parent}_source_id", parents)
        for (_, parents), each in LINK_TABLES.items()
        if parents == table
    ]
    return single + several


#: Rows that are part of the record that they name: they hold what it says, or belong
#: to nobody else. Who erases it erases them.
PARTS = (
    Link("lead_events", "lead_id", "lead_source_id", "leads"),
    Link("contact_phones", "contact_id", "contact_source_id", "contacts"),
    Link("addresses", "contact_id", "contact_source_id", "contacts"),
)


class Taking(NamedTuple):
    """Columns that rows of a table have from rows of another one.

    For sources that keep apart what others write into one record. Rows whose own
    mapping fills such columns never name a row to take them from.

    Attributes:
        table: Table that has the columns.
        origin: Table that they are taken from.
        own: Column of ``table`` that names the row to take from...
        named: ... by this column of ``origin``.
        columns: The columns, of the same names in both.
        marker: Column of ``table`` with the source id of the row they came from.
    """

    table: str
    origin: str
    own: str
    named: str
    columns: tuple[str, ...]
    marker: str


TAKINGS = (
    Taking(
        "contacts", "contact_phones", "id", "contact_id",
        ("phone", "phone_e164"), "phone_from",
    ),
    Taking(
        "contacts", "addresses", "address_id", "id",
        ("address", "city", "state", "zip"), "address_from",
    ),
    Taking(
        "appointments", "leads", "lead_id", "id",
        ("contact_id", "contact_source_id"), "contact_from",
    ),
)  # fmt: skip
