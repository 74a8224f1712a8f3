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
    source_created_at = _timestamp()
    source_updated_at = _timestamp()


class AppointmentSchema(Schema):
    """An agreed visit. Without a usable date there is none."""

    contact_source_id = _parent("contact_id", "contacts", expected=True)
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
    attributes = _attributes()
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


#: Unified table in schema ``warehouse`` -> its schema.
UNIFIED: dict[str, type[Schema]] = {
    "contacts": ContactSchema,
    "appointments": AppointmentSchema,
    "users": UserSchema,
    "divisions": DivisionSchema,
    "marketing_sources": MarketingSourceSchema,
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
    """Links from other unified tables to this one."""
    return [
        link for child in UNIFIED for link in links_of(child) if link.parent == table
    ]
