"""The questions that HubSpot's search is asked, and its answers, believed or not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from crm_warehouse.clients.hubspot_batches import key_of
from crm_warehouse.clients.hubspot_objects import endpoint
from crm_warehouse.clients.listing import read_listing, value_at
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity, Path

#: Most records that a search gives per request.
MAX_LIMIT = 200
#: The API refuses bodies above 3,000 characters.
MAX_BODY = 2_800
#: Empty pages in a row that say that more follows.
_MAX_EMPTY = 10
_ID = "hs_object_id"
_LONGEST_ID = "9" * 19
#: As long as any moment of the present is in milliseconds.
_SOME_MOMENT = "9" * 13

#: The API compares ids as numbers or as text; nothing says which.
_ORDERS: dict[str, Callable[[str], Any]] = {"number": int, "text": str}


class Found(NamedTuple):
    """One answer of the search.

    Attributes:
        records: What it brought.
        last: Id of the last one, or of the last one before.
        total: Matching records by the source's count, these included.
        more: Whether others follow.
        after: Offset of the next page as the source names it, or None.
    """

    records: list[dict[str, Any]]
    last: str | None
    total: int
    more: bool
    after: int | None


class Questions:
    """Asks for the records of a span of time, by their ids; also from several threads.

    Args:
        request_path: Sends the requests.
        entity: What to search.
        time: Property that tells the time.
        span: First and last millisecond; None: all, also what has no time.
        next_path: Place of the next cursor, whose presence says that more follows.
        limit: Records to ask for per request.
    """

    def __init__(
        self,
        request_path: RequestPath,
        entity: Entity,
        time: str,
        span: tuple[datetime, datetime] | None,
        next_path: Path,
        limit: int,
    ) -> None:
        self._request_path = request_path
        self._entity = entity
        self._time = time
        self._since = span[0] if span else None
        self._until = span[1] if span else None
        self._next_path = next_path
        self._limit = limit
        self._orders = set(_ORDERS)

    @property
    def order(self) -> str:
        """How ids are ordered, as far as pages have shown: ``number`` or ``text``."""
        return min(self._orders)

    def can_hold(self, names: list[str]) -> bool:
        """Whether a question can ask for all these properties."""
        bounds = [_filter(self._time, "GTE", _SOME_MOMENT)] * 2
        body = _body([[*bounds, *_between(*[_LONGEST_ID] * 2)]], names, MAX_LIMIT)
        return len(orjson.dumps(body)) < MAX_BODY

    def ask(
        self, last: str | None, to: str | None, names: list[str] | None
    ) -> Answer[Found]:
        """The next page that is not empty, or the end.

        An empty page that says that more follows is asked for once again, since it may
        be a passing fault; then it is gone on with at its cursor. What that should have
        passed over shows in the closing count.

        Args:
            last: Id of the last record before, or None.
            to: Highest id, or None.
            names: Properties wanted besides; None: none.

        Raises:
            TransientSourceError: The ids do not ascend, or the pages stay empty.
        """
        filters = [*self._of_span(self._since, self._until), *_between(last, to)]
        groups = [filters] if filters else []
        body = _body(groups, names or [self._time, _ID], self._limit)
        for empty in range(_MAX_EMPTY):
            answer = self._search(body, lambda found: self._checked(found, last))
            if answer.value.records or not answer.value.more:
                return answer
            if empty:
                body["after"] = answer.value.after
        raise TransientSourceError(
            f"{self._entity.path}: the search says that more follows, and gives"
            f" {_MAX_EMPTY} empty pages"
        )

    def count(self, until: datetime | None) -> Answer[Found]:
        """Ask how many records there are.

        Args:
            until: Those of the span up to then; None: of all times. Where there is no
                span, those without a time are counted too.
        """
        groups = [self._of_span(self._since, until)]
        if self._since is None:
            without = {"propertyName": self._time, "operator": "NOT_HAS_PROPERTY"}
            groups.append([without])
        return self._search(
            _body(groups if until else [], [_ID], 1), lambda found: found
        )

    def _of_span(
        self, since: datetime | None, until: datetime | None
    ) -> list[dict[str, str]]:
        bounds = ("GTE", since), ("LTE", until)
        return [
            _filter(self._time, operator, _milliseconds(moment))
            for operator, moment in bounds
            if moment is not None
        ]

    def _search(
        self, body: dict[str, Any], check: Callable[[Found], Found]
    ) -> Answer[Found]:
        return self._request_path.post(
            endpoint(self._entity, "search"),
            body,
            lambda decoded: check(self._read(decoded)),
            kind="search",
        )

    def _read(self, decoded: Any) -> Found:
        if not isinstance(decoded, dict):
            raise TransientSourceError("the answer is no page of a search")
        listing = read_listing(decoded, self._entity.records_path)
        if listing.total is None:
            raise TransientSourceError("the search does not say how many records match")
        after = _offset(value_at(decoded, self._next_path))
        # A page may be shorter than asked and name no cursor all the same.
        hides = bool(listing.records) and listing.total > len(listing.records)
        more = hides or after is not None
        return Found(listing.records, None, listing.total, more, after)

    def _checked(self, found: Found, last: str | None) -> Found:
        """Give the answer back when its ids ascend, from the last one on.

        Raises:
            TransientSourceError: They do not, neither as numbers nor as text, or not
                as on the pages before.
        """
        keys = [key for key in map(key_of, found.records) if key is not None]
        chain = keys if last is None else [last, *keys]
        orders = {name for name in self._orders if _ascends(chain, _ORDERS[name])}
        if not orders or (found.records and not keys):
            raise TransientSourceError("the ids of the page do not ascend")
        self._orders = orders
        return found._replace(last=chain[-1] if chain else None)


def _body(
    groups: list[list[dict[str, str]]], names: list[str], limit: int
) -> dict[str, Any]:
    return {
        "filterGroups": [{"filters": filters} for filters in groups],
        "sorts": [{"propertyName": _ID, "direction": "ASCENDING"}],
        "properties": names,
        "limit": limit,
    }


def _between(last: str | None, to: str | None) -> list[dict[str, str]]:
    bounds = ("GT", last), ("LTE", to)
    return [_filter(_ID, operator, each) for operator, each in bounds if each]


def _milliseconds(moment: datetime) -> str:
    return str((moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1))


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _offset(value: Any) -> int | None:
    """A cursor of the search; it is a number, and comes as one or as text.

    Raises:
        TransientSourceError: It is something else.
    """
    if value is None:
        return None
    text = str(value)
    if not text.isascii() or not text.isdigit():
        raise TransientSourceError("the search names a cursor that is no number")
    return int(text)


def _ascends(ids: list[str], key: Callable[[str], Any]) -> bool:
    return all(before < after for before, after in pairwise(map(key, ids)))
