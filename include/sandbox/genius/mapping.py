"""What the warehouse must make of Genius records, by the specification's mapping."""

from collections.abc import Callable
from typing import Any

from include.sandbox.clock import iso, parse_moment
from include.sandbox.records import Fields

Columns = dict[str, str]
_DATES: Columns = {
    "source_created_at": "created_date",
    "source_updated_at": "modified_date",
}
#: What the warehouse reads of a prospect: unified column <- field.
_CONTACT: Columns = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "phone": "phone",
    "address": "address",
    "city": "city",
    "state": "state",
    "zip": "zip",
    "lead_source": "source",
    "status": "status",
    **_DATES,
}
_APPOINTMENT: Columns = {
    "contact_source_id": "prospect_id",
    "user_source_id": "user_id",
    "scheduled_date": "scheduled_date",
    "status": "status",
    "type": "type",
    "notes": "notes",
    **_DATES,
}
_NAMED: Columns = {"name": "name", "status": "status", **_DATES}
_USER: Columns = {**_NAMED, "email": "email", "phone": "phone"}


def _cell(column: str, value: Any) -> Any:
    if column.endswith(("_at", "_date")):
        moment = parse_moment(value)
        return iso(moment) if moment else None
    if column.endswith("_source_id") and value is not None:
        return str(value)
    return value


def _unify(columns: Columns, *, rest: bool = False) -> Callable[[Fields], Fields]:
    read = {"id", *columns.values()}

    def unify(fields: Fields) -> Fields:
        row = {column: _cell(column, fields.get(f)) for column, f in columns.items()}
        if rest:
            row["attributes"] = {k: v for k, v in fields.items() if k not in read}
        return row

    return unify


def unify_user(fields: Fields) -> Fields:
    """Unified columns of a user, whose name has two possible places."""
    named = dict(fields)
    full_name = named.pop("full_name", None)
    return _unify(_USER, rest=True)({"name": full_name, **named})


def source_id(fields: Fields) -> str | None:
    """Id of any Genius record as text, or None when it carries none."""
    key = fields.get("id")
    return None if key in (None, "") else str(key)


unify_prospect = _unify(_CONTACT)
unify_appointment = _unify(_APPOINTMENT)
unify_named = _unify(_NAMED, rest=True)
