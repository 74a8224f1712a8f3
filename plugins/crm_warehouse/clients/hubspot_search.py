"""Reading a window of changes through HubSpot's search, by ascending ids.

Each question is "changed in the window, id greater than the last one", sorted by id.
So neither the cap of 10,000 results, nor records that leave the window meanwhile, nor
thousands of one millisecond make a difference, and an id is an exact checkpoint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from crm_warehouse.clients.hubspot_objects import Objects, endpoint, key_of
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import read_listing, value_at
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Path

#: Most records that a search gives per request.
MAX_LIMIT = 200
#: The API refuses bodies above 3,000 characters.
MAX_BODY = 2_800
#: The API fails when asked for changes since epoch 0.
EARLIEST = datetime(2006, 1, 1, tzinfo=UTC)
#: A walk ends that brings more than twice what was announced, and so many besides.
_SPARE_RECORDS = 10_000
_ID = "hs_object_id"
_LONGEST_ID = "9" * 19

#: The API compares ids as numbers or as text; nothing says which.
_ORDERS: dict[str, Callable[[str], Any]] = {"number": int, "text": str}


class Span(NamedTuple):
    """A closed span of source time, whole milliseconds, both ends included."""

    since: datetime
    until: datetime


class _Found(NamedTuple):
    """One answer of the search.

    Attributes:
        records: What it brought.
        last: Id of the last one, or of the last one before.
        total: Matching records by the source's count, these included.
        more: Whether others follow.
    """

    records: list[dict[str, Any]]
    last: str | None
    total: int
    more: bool


@dataclass(slots=True)
class _Place:
    """Where a walk stands.

    Attributes:
        last: Id of the last record read, or None.
        beside: Records read that the closing count leaves out, less those that it may
            count although we left them out.
    """

    last: str | None
    beside: int

    @classmethod
    def of(cls, checkpoint: dict[str, Any] | None) -> "_Place":
        if checkpoint is None:
            return cls(None, 0)
        try:
            return cls(**checkpoint["search"])
        except (KeyError, TypeError):
            raise ConfigurationError(
                "the job's checkpoint is not one of a search: the source file was "
                "changed while the job was interrupted; begin anew with --restart"
            ) from None

    def as_checkpoint(self) -> dict[str, Any]:
        return {"search": {"last": self.last, "beside": self.beside}}


class SearchWalk:
    """One walk through a window.

    Args:
        request_path: Sends the requests.
        objects: Completes the records.
        entity: What to search; its ``since_param`` names the property of the change.
        next_path: Place of the next cursor, whose presence says that more follows.
        span: The window.
        overlap: What the next window reads again; the index may be so late.
        limit: Records to ask for per request.
    """

    def __init__(
        self,
        request_path: RequestPath,
        objects: Objects,
        entity: Entity,
        next_path: Path,
        span: Span,
        overlap: timedelta,
        limit: int,
    ) -> None:
        self._request_path = request_path
        self._objects = objects
        self._entity = entity
        self._next_path = next_path
        self._span = span
        # What is counted and what is not must be cut at the same millisecond.
        self._settled = Span(span.since, _cut(span.until - overlap))
        self._limit = limit
        self._changed = str(entity.since_param)
        self._orders = set(_ORDERS)
        self._announced: int | None = None
        self._came = 0

    def pages(self, checkpoint: dict[str, Any] | None) -> Iterator[Page]:
        """Every page, or those behind the checkpoint; a last one may only count.

        Raises:
            SourceError: A page could not be read, ids do not ascend, or the walk never
                ends.
            ConfigurationError: The checkpoint is not of this walk.
        """
        sent = self._request_path.sent
        place = _Place.of(checkpoint)
        names = self._properties()
        alone = checkpoint is None
        while True:
            answer = self._ask(place.last, names)
            found = answer.value
            self._bound(found)
            records, vanished = self._complete(found.records, names)
            place.last = found.last
            place.beside += self._unsettled(found.records) - vanished
            alone = alone and not found.more
            yield Page(
                records=records,
                observed_at=answer.observed_at,
                source_time=self._source_time(answer),
                checkpoint=place.as_checkpoint(),
                total=found.total - vanished if alone else None,
                requests=self._request_path.sent - sent,
                indexed=True,
            )
            sent = self._request_path.sent
            if not found.more:
                break
        if not alone and self._settled.until >= self._settled.since:
            yield self._count(place)

    def _bound(self, found: _Found) -> None:
        """Give up on a search that would never end."""
        if self._announced is None:
            self._announced = found.total
        self._came += len(found.records)
        if self._came > 2 * self._announced + _SPARE_RECORDS:
            raise TransientSourceError(
                f"{self._entity.path}: the search announced {self._announced} records"
                f" and does not end after {self._came}"
            )

    def _count(self, place: _Place) -> Page:
        """A page without records that tells what all pages must have brought.

        Only what was changed longer ago than the index may be late is counted by the
        source: a later change may have become visible behind the walk, which is no
        loss, since the next window reads it again. What leaves the window is not
        counted either, and the next window has it.
        """
        sent = self._request_path.sent
        body = self._body(self._settled, None, [_ID], limit=1)
        answer = self._search(body, lambda found: found)
        return Page(
            records=[],
            observed_at=answer.observed_at,
            source_time=self._source_time(answer),
            checkpoint=place.as_checkpoint(),
            total=max(0, answer.value.total + place.beside),
            requests=self._request_path.sent - sent,
        )

    def _source_time(self, answer: Answer[_Found]) -> datetime:
        """The source's clock, but never later than what was asked for."""
        return min(answer.source_time or self._span.until, self._span.until)

    def _properties(self) -> list[str] | None:
        """Names of all properties, or None when a question cannot hold them."""
        names = self._objects.property_names(self._entity)
        body = self._body(self._span, _LONGEST_ID, names, MAX_LIMIT)
        return names if len(orjson.dumps(body)) < MAX_BODY else None

    def _complete(
        self, records: list[dict[str, Any]], names: list[str] | None
    ) -> tuple[list[Any], int]:
        """The records whole, and how many vanished meanwhile."""
        whole: list[Any] = records
        if names is None:
            whole = self._objects.read_again(self._entity, records)
        self._objects.finish(self._entity, whole)
        return whole, len(records) - len(whole)

    def _unsettled(self, records: list[dict[str, Any]]) -> int:
        """How many were changed too late for the closing count, by the index."""
        place = ("properties", self._changed)
        moments = (_moment(value_at(record, place)) for record in records)
        return sum(
            self._settled.until < moment <= self._span.until
            for moment in moments
            # Any other form stays uncounted: that asks less of the walk, never more.
            if moment is not None
        )

    def _ask(self, last: str | None, names: list[str] | None) -> Answer[_Found]:
        # Whole records are read by id when a question cannot hold all the names.
        asked = names or [self._changed, _ID]
        body = self._body(self._span, last, asked, self._limit)
        return self._search(body, lambda found: self._checked(found, last))

    def _search(
        self, body: dict[str, Any], check: Callable[[_Found], _Found]
    ) -> Answer[_Found]:
        return self._request_path.post(
            endpoint(self._entity, "search"),
            body,
            lambda decoded: check(self._read(decoded)),
            kind="search",
        )

    def _body(
        self, span: Span, last: str | None, names: list[str], limit: int
    ) -> dict[str, Any]:
        filters = [
            _filter(self._changed, "GTE", _milliseconds(span.since)),
            _filter(self._changed, "LTE", _milliseconds(span.until)),
        ]
        if last is not None:
            filters.append(_filter(_ID, "GT", last))
        return {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": _ID, "direction": "ASCENDING"}],
            "properties": names,
            "limit": limit,
        }

    def _read(self, decoded: Any) -> _Found:
        if not isinstance(decoded, dict):
            raise TransientSourceError("the answer is no page of a search")
        listing = read_listing(decoded, self._entity.records_path)
        if listing.total is None:
            raise TransientSourceError("the search does not say how many records match")
        follows = value_at(decoded, self._next_path) is not None
        if follows and not listing.records:
            raise TransientSourceError("the page is empty and says that more follows")
        # A page may be shorter than asked and name no cursor all the same.
        hides = bool(listing.records) and listing.total > len(listing.records)
        return _Found(listing.records, None, listing.total, follows or hides)

    def _checked(self, found: _Found, last: str | None) -> _Found:
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


def _ascends(ids: list[str], key: Callable[[str], Any]) -> bool:
    return all(before < after for before, after in pairwise(map(key, ids)))


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(moment: datetime) -> str:
    return str((moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1))


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _moment(value: Any) -> datetime | None:
    """An instant, cut to milliseconds as the index counts; None when it is none."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return _cut(moment)
