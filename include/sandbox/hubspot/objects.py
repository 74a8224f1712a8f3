"""Objects over HTTP: listed, one by one, in batches."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from include.sandbox.faults import Fault
from include.sandbox.hubspot.associations import Associations
from include.sandbox.hubspot.cursors import cursor, start_of
from include.sandbox.hubspot.problems import HubSpotError, refused
from include.sandbox.hubspot.properties import SINGULAR, shown_properties
from include.sandbox.hubspot.render import listing, with_associations
from include.sandbox.hubspot.table import HubSpotTable
from include.sandbox.records import Record

_LIMIT, _MOST_LIMIT = 10, 100
_MOST_INPUTS = 100


class Objects:
    """Reads objects of one type.

    Args:
        table: The records.
        associations: Of all types.
    """

    def __init__(self, table: HubSpotTable, associations: Associations) -> None:
        self._table = table
        self._entity = table.blueprint.name
        self._associations = associations

    def page(
        self, query: Mapping[str, str], faults: list[Fault]
    ) -> tuple[bytes, list[Record]]:
        """Body of one page of the list, and its records.

        Raises:
            HubSpotError: A parameter is bad.
        """
        archived = _flag(query.get("archived", "false"))
        limit = _limit(query.get("limit", str(_LIMIT)))
        scope = (self._entity, archived)
        asked = start_of(query.get("after"), *scope)
        records = self._table.pages(archived=archived)
        start = _place(records, asked)
        kinds = {fault.kind for fault in faults}
        room = limit
        if "short_page" in kinds:
            room = min(limit, len(records) - start) // 2
        if "empty_page" in kinds:
            room = 0
        following = start + room
        if "repeat_page" in kinds:
            start = max(0, start - limit)
        shown = records[start : start + room]
        after = None
        if "loop" in kinds:
            after = cursor(*scope, start=asked)
        elif following < len(records):
            after = cursor(*scope, start=records[following].key)
        bodies = [self._shown(record, query) for record in shown]
        return listing(bodies, after), shown

    def one(self, wire_id: str, query: Mapping[str, str]) -> bytes:
        """Body of one object.

        Raises:
            HubSpotError: There is none, or a parameter is bad.
        """
        find = self._table.find
        if _flag(query.get("archived", "false")):
            find = self._table.find_archived
        record = find(wire_id)
        if record is None:
            raise HubSpotError(404, "resource not found", "OBJECT_NOT_FOUND")
        return self._shown(record, query)

    def batch(
        self, call: Mapping[str, Any], query: Mapping[str, str]
    ) -> tuple[list[bytes], list[dict[str, Any]]]:
        """Objects found, in an order of their own, and errors about the others.

        Raises:
            HubSpotError: There are too many inputs, or one is none.
        """
        names = shown_properties(
            self._entity, call.get("properties"), self._table.readable()
        )
        archived = call.get("archived") is True or query.get("archived") == "true"
        find = self._table.find_archived if archived else self._table.find
        found: dict[int, Record] = {}
        missing = []
        for given in batch_inputs(call, _MOST_INPUTS):
            record = find(str(given["id"]))
            if record is None:
                missing.append(str(given["id"]))
            else:
                found[record.key] = record
        bodies = [self._table.shown(found[k], names) for k in sorted(found)[::-1]]
        return bodies, [self._not_found(missing)] if missing else []

    def _not_found(self, missing: list[str]) -> dict[str, Any]:
        kind = SINGULAR[self._entity].upper()
        return {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": f"Could not get some {kind} objects, they may be deleted or "
            "not exist. Check that ids are valid.",
            "context": {"ids": missing},
        }

    def _shown(self, record: Record, query: Mapping[str, str]) -> bytes:
        names = shown_properties(
            self._entity, _words(query, "properties"), self._table.readable()
        )
        body = self._table.shown(record, names)
        targets = _words(query, "associations")
        if not targets:
            return body
        for target in targets:
            self._associations.check(self._entity, target)
        found = self._associations.within(self._entity, targets, record.key)
        return with_associations(body, found)


def batch_inputs(call: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """The inputs of a batch.

    Raises:
        HubSpotError: There are none, more than ``most``, or one has no id.
    """
    inputs = call.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise refused("inputs must be a list that is not empty")
    if len(inputs) > most:
        raise refused(f"there are more than {most} inputs")
    if not all(isinstance(i, dict) and "id" in i for i in inputs):
        raise refused("each input must have an id")
    return inputs


def _place(records: list[Record], key: int) -> int:
    return bisect_left(records, key, key=lambda record: record.key)


def _words(query: Mapping[str, str], name: str) -> list[str]:
    return [word for word in query.get(name, "").split(",") if word]


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise refused("archived must be true or false")
    return text == "true"


def _limit(text: str) -> int:
    limit = int(text) if text.isdecimal() and len(text) < 5 else 0
    if not 1 <= limit <= _MOST_LIMIT:
        raise refused(f"limit must be from 1 to {_MOST_LIMIT}")
    return limit
