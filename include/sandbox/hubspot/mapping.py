"""What the warehouse must make of HubSpot objects, by the specification's mapping."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from include.sandbox.clock import iso_milliseconds, parse_moment
from include.sandbox.records import Fields

#: Contact id -> the types of its association, as numbers.
Associated = Mapping[int, tuple[int, ...]]
_CONTACT = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "phone": "phone",
    "address": "address",
    "city": "city",
    "state": "state",
    "zip": "zip",
    "status": "hs_lead_status",
}
_COMPANY = ("name", "domain", "phone", "address", "city", "state", "zip")


def source_id(fields: Fields) -> str | None:
    """Id of an object as text, or None when it carries none."""
    return fields.get("id") or None


def object_key(fields: Fields) -> int:
    """Number of an object, also of one that carries no id."""
    return int(fields["properties"]["hs_object_id"])


def unify_contact(fields: Fields) -> Fields:
    """Columns of ``warehouse.contacts``."""
    properties = fields["properties"]
    row = {column: properties.get(name) for column, name in _CONTACT.items()}
    return {**row, "lead_source": None, **_dates(fields)}


def unify_deal(
    contacts_of: Callable[[int], Associated], primary: frozenset[int]
) -> Callable[[Fields], Fields]:
    """Columns of ``warehouse.leads`` and ``links``, from a deal.

    Args:
        contacts_of: Contacts of the deal with this number.
        primary: Association types whose contact comes first.
    """

    def unify(fields: Fields) -> Fields:
        properties = fields["properties"]
        contacts = contacts_of(object_key(fields))
        first = min(
            contacts, key=lambda c: (primary.isdisjoint(contacts[c]), c), default=None
        )
        return {
            "name": properties.get("dealname"),
            "status": properties.get("dealstage"),
            "stage_source_id": f"{properties['pipeline']}:{properties['dealstage']}",
            "user_source_id": properties.get("hubspot_owner_id"),
            "value": _money(properties.get("amount")),
            "currency": properties.get("deal_currency_code"),
            "home_value": _money(properties.get("hs_amount_in_home_currency")),
            "contact_source_id": None if first is None else str(first),
            "expected_close_at": _instant(properties.get("closedate")),
            **_dates(fields),
            "links": _links(contacts),
        }

    return unify


def unify_company(
    contacts_of: Callable[[int], Associated],
) -> Callable[[Fields], Fields]:
    """Columns of ``warehouse.companies`` and ``links``, from a company."""

    def unify(fields: Fields) -> Fields:
        properties = fields["properties"]
        links = _links(contacts_of(object_key(fields)))
        row = {name: properties.get(name) for name in _COMPANY}
        return {**row, **_dates(fields), "links": links}

    return unify


def _dates(fields: Fields) -> Fields:
    return {
        "source_created_at": _instant(fields["createdAt"]),
        "source_updated_at": _instant(fields["updatedAt"]),
    }


def _instant(value: Any) -> str | None:
    moment = parse_moment(value)
    return iso_milliseconds(moment) if moment else None


def _money(value: Any) -> str | None:
    try:
        return f"{Decimal(value):.2f}" if value else None
    except InvalidOperation:
        return None


def _links(contacts: Associated) -> list[list[str | int]]:
    return sorted([str(key), kind] for key, kinds in contacts.items() for kind in kinds)
