"""Owners: the users whom records belong to. One who left is archived, and still named.

See https://developers.hubspot.com/docs/api-reference/crm-owners-v3/guide
"""

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from include.sandbox.clock import iso_milliseconds
from include.sandbox.hubspot.cursors import cursor, start_of
from include.sandbox.hubspot.problems import HubSpotError, refused
from include.sandbox.hubspot.properties import FIRST_OWNER, OWNERS
from include.sandbox.hubspot.render import listing, render
from include.sandbox.population import person
from include.sandbox.records import Birth, Blueprint, Fields, Record
from include.sandbox.table import Table

_LIMIT, _MOST_LIMIT = 100, 500
#: Owners are not among the people who are contacts.
_STAFF = 1_000_000


class OwnerTable(Table):
    """Owners; those who are removed stay in it, archived."""

    def remove(self, record: Record, now: datetime) -> None:
        """Archive this owner."""
        fields = self.blueprint.parse(record.body)
        fields |= {"archived": True, "updatedAt": iso_milliseconds(self._tick(now))}
        self._rewrite(record, fields, self._tick(now))


def owners(seed: int) -> OwnerTable:
    """A dozen owners, two of whom have left."""
    blueprint = Blueprint(
        "owners", FIRST_OWNER, lambda birth: _make(seed, birth), _touch, _source_id,
        _unify, wire_id=str, milliseconds=True, render=render,
    )  # fmt: skip
    return OwnerTable(blueprint, f"{seed}/hubspot", OWNERS, 0.0)


def page(table: Table, query: Mapping[str, str]) -> bytes:
    """Body of one page of the active or the archived ones.

    Raises:
        HubSpotError: A parameter is bad.
    """
    archived = _archived(query)
    limit = query.get("limit", str(_LIMIT))
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_LIMIT:
        raise refused(f"limit must be from 1 to {_MOST_LIMIT}")
    begin = start_of(query.get("after"), "owners", archived)
    found = [r for r in _of(table, archived=archived) if r.key >= begin]
    shown, rest = found[: int(limit)], found[int(limit) :]
    after = cursor("owners", archived, start=rest[0].key) if rest else None
    return listing([record.body for record in shown], after)


def one(table: Table, wire_id: str, query: Mapping[str, str]) -> bytes:
    """Body of one owner.

    Raises:
        HubSpotError: There is none, or a parameter is bad.
    """
    for record in _of(table, archived=_archived(query)):
        if str(record.key) == wire_id:
            return record.body
    raise HubSpotError(404, "resource not found", "OBJECT_NOT_FOUND")


def _archived(query: Mapping[str, str]) -> bool:
    told = query.get("archived", "false")
    if told not in ("true", "false"):
        raise refused("archived must be true or false")
    return told == "true"


def _of(table: Table, *, archived: bool) -> list[Record]:
    parse = table.blueprint.parse
    return [r for r in table.view(None) if parse(r.body)["archived"] is archived]


def _make(seed: int, birth: Birth) -> Fields:
    who = person(seed, _STAFF + birth.index)
    first, last = str(who.first_name), str(who.last_name)
    return {
        "id": str(birth.key),
        "email": f"{first}.{last}@crew.example.com".lower().replace(" ", ""),
        "type": "PERSON",
        # Invited and not yet signed up: an address without a name.
        "firstName": "" if birth.index % 6 == 5 else first,
        "lastName": "" if birth.index % 6 == 5 else last,
        "userId": 7_000 + birth.index,
        "createdAt": iso_milliseconds(birth.created),
        "updatedAt": iso_milliseconds(birth.modified),
        "archived": birth.index in (3, 8),
    }


def _touch(fields: Fields, rng: Random, modified: datetime, *_: Any) -> None:
    fields["lastName"] = f"Changed {rng.randrange(10**6)}"
    fields["updatedAt"] = iso_milliseconds(modified)


def _source_id(fields: Fields) -> str:
    return str(fields["id"])


def _unify(fields: Fields) -> dict[str, Any]:
    """Columns of ``warehouse.users``."""
    names = [fields["firstName"], fields["lastName"]]
    return {
        "name": " ".join(name for name in names if name) or None,
        "email": fields["email"],
        "is_archived": fields["archived"],
        "attributes": {"type": fields["type"], "userId": fields["userId"]},
        "source_created_at": fields["createdAt"],
        "source_updated_at": fields["updatedAt"],
    }
