"""Which records belong to which, by HubSpot's associations API (v4)."""

from collections.abc import Iterable
from typing import Any

from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import RequestRefusedError, TransientSourceError

#: Records asked about per request. The documentation names 100 in one place and 1,000
#: in another.
_BATCH = 100
#: How an answer says that a record has none.
_NONE_FOUND = "NO_ASSOCIATIONS_FOUND"
#: HubSpot's own types between contacts, companies and deals that mean "primary".
_PRIMARY_TYPES = frozenset({1, 2, 5, 6})

#: Id of a record, and the cursor of the next page of its associations.
_Input = dict[str, str]
#: (id, type) of an association -> the association as it stands in the record.
_Found = dict[tuple[str, int], dict[str, Any]]


class Associations:
    """Reads associations for many records at once, all pages of each.

    Several threads may use it at once.

    Args:
        request_path: Sends the requests.
    """

    def __init__(self, request_path: RequestPath) -> None:
        self._request_path = request_path
        self._batch = _BATCH

    def read(self, path: str, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Associations of records, the primary one first.

        Args:
            path: The batch endpoint of a pair of kinds.
            ids: Ids of the records, all different.

        Returns:
            For each id, one ``{"id", "type_id", "category", "label"}`` for each
            associated record and type; an empty list where there is none.

        Raises:
            SourceError: As of :meth:`RequestPath.post`.
        """
        found: dict[str, _Found] = {source_id: {} for source_id in ids}
        waiting: list[_Input] = [{"id": source_id} for source_id in found]
        followed: set[tuple[str, str]] = set()
        while waiting:
            batch, waiting = waiting[: self._batch], waiting[self._batch :]
            waiting += self._ask(path, batch, found, followed)
        return {
            source_id: sorted(each.values(), key=_order)
            for source_id, each in found.items()
        }

    def _ask(
        self,
        path: str,
        batch: list[_Input],
        found: dict[str, _Found],
        followed: set[tuple[str, str]],
    ) -> list[_Input]:
        """Ask once.

        Returns:
            What remains to be asked.
        """
        try:
            answer = self._request_path.post(
                path, {"inputs": batch}, lambda decoded: _read(decoded, batch)
            )
        except RequestRefusedError as error:
            if error.status != 400 or len(batch) == 1:
                raise
            self._batch = min(self._batch, len(batch) // 2)
            return batch
        following = []
        for source_id, (associations, after) in answer.value.items():
            found[source_id].update(associations)
            if after is not None:
                if (source_id, after) in followed:
                    raise TransientSourceError(f"{path}: the source repeats a cursor")
                followed.add((source_id, after))
                following.append({"id": source_id, "after": after})
        return following


def _read(decoded: Any, batch: list[_Input]) -> dict[str, tuple[_Found, str | None]]:
    """Associations, and the next cursor, by id of the record.

    Raises:
        TransientSourceError: The answer is incomplete, or not about these records.
    """
    try:
        _check_errors(decoded)
        asked = {each["id"] for each in batch}
        results: dict[str, tuple[_Found, str | None]] = {}
        for result in decoded["results"]:
            source_id = str(result["from"]["id"])
            after = ((result.get("paging") or {}).get("next") or {}).get("after")
            if source_id not in asked:
                raise TransientSourceError("associations of a record not asked for")
            results[source_id] = (
                _associations(result["to"]),
                None if after is None else str(after),
            )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TransientSourceError("the answer holds no associations") from None
    return results


def _check_errors(decoded: Any) -> None:
    errors = decoded.get("errors") or []
    strange = sum(_NONE_FOUND not in str(e.get("subCategory")) for e in errors)
    if strange or decoded.get("numErrors", 0) > len(errors):
        raise TransientSourceError(
            "the associations of some records could not be read", is_up=True
        )


def _associations(targets: list[Any]) -> _Found:
    found: _Found = {}
    for target in targets:
        source_id = str(int(target["toObjectId"]))
        for kind in target["associationTypes"]:
            type_id = int(kind["typeId"])
            found[source_id, type_id] = {
                "id": source_id,
                "type_id": type_id,
                "category": kind.get("category"),
                "label": kind.get("label"),
            }
    return found


def _order(association: dict[str, Any]) -> tuple[bool, int, int]:
    """Primary ones first; then always the same, so that equal sets look equal."""
    type_id = association["type_id"]
    # Types of the customer's own may have any number.
    own = association["category"] not in (None, "HUBSPOT_DEFINED")
    primary = type_id in _PRIMARY_TYPES and not own
    primary = primary or str(association["label"]).casefold() == "primary"
    return not primary, int(association["id"]), type_id
