"""Feeds of an OData service (version 2 or 3, Atom), read by a moving filter.

``$skip`` counts rows, and rows move while others work: records would be lost and read
twice. So each page is asked for by what the last record was, in an order that the
service is told: time of change, then id. What changes meanwhile moves behind us and
comes again.

https://www.odata.org/documentation/odata-version-2-0/uri-conventions/
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.position import MAX_EMPTY_PAGES
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import ConfigurationError, SourceError, TransientSourceError
from crm_warehouse.spec import Entity

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_TIME = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}(?:\.[0-9]{1,7})?Z?"
)
_DIGITS = re.compile(r"[0-9]{1,15}")


def read_feed(decoded: Any) -> Listing:
    """The records of a page.

    A record is an object of the properties of an entry: text as sent, None where the
    service says null (``m:null``), an empty text where the element is empty.

    Args:
        decoded: The document as ``decode_xml`` gives it.

    Raises:
        TransientSourceError: It is no feed, or an entry has no properties: that must
            never look like an empty page.
    """
    feed = value_at(decoded, ("feed",))
    if not isinstance(feed, dict):
        raise TransientSourceError("the answer is no Atom feed")
    _check_whole(feed)
    entries = feed.get("entry", [])
    count = feed.get("count")
    told = isinstance(count, str) and _DIGITS.fullmatch(count)
    return Listing(
        records=[
            _properties(entry)
            for entry in (entries if isinstance(entries, list) else [entries])
        ],
        total=int(count) if told and count is not None else None,
        total_pages=None,
        per_page=None,
    )


def _properties(entry: Any) -> dict[str, Any]:
    content = value_at(entry, ("content", "properties"))
    if content is None:  # of an entry with a picture or a document of its own
        content = value_at(entry, ("properties",))
    if not isinstance(content, dict):
        raise TransientSourceError("an entry of the feed holds no properties")
    for part in (entry, entry.get("content"), content):
        _check_whole(part)
    return {name: _plain(value) for name, value in content.items() if name[0] != "@"}


def _check_whole(part: Any) -> None:
    """Refuse what a service broke off: it says why where it stopped writing."""
    error = value_at(part, ("error",))
    if isinstance(error, dict) and "message" in error:
        raise TransientSourceError("the feed breaks off with an error of the service")


def _plain(value: Any) -> Any:
    """A property's text, whatever its attributes; a property of several stays so.

    Attributes say how to read a text: its type, or that the white space at its ends
    belongs to it (``xml:space``). A UUID is the same in capital letters.
    """
    if isinstance(value, dict) and all(k[0] == "@" or k == "#text" for k in value):
        text = value.get("#text", "")
        return text.lower() if value.get("@type") == "Edm.Guid" else text
    return value


def walk_feed(
    request_path: RequestPath,
    entity: Entity,
    *,
    size_param: str,
    size: int,
    since: str | None,
    checkpoint: dict[str, Any] | None,
) -> Iterator[Page]:
    """Yield every page from the first, or behind the checkpoint, to the last.

    Args:
        request_path: Sends the requests.
        entity: Gives the path, and the names of id and time of change; without a time
            the order is that of ids, and everything is read.
        size_param: Query parameter of the page size.
        size: Records to ask for per request.
        since: Least time of change, as the service writes times; None: everything.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.

    Raises:
        SourceError: A page could not be read, the list never ends, or none of a page's
            records has anything to go on by.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    walk = _Walk(entity, since, checkpoint)
    empty_pages = 0
    while True:
        query = {**walk.query(), size_param: str(size), "$inlinecount": "allpages"}
        answer = request_path.get(entity.path, query, walk.reader())
        listing = answer.value
        has_ended = walk.go_on(listing)
        yield Page(
            records=listing.records,
            observed_at=answer.observed_at,
            source_time=answer.source_time,
            checkpoint=walk.as_checkpoint(),
            total=walk.total,
            requests=answer.requests,
        )
        if has_ended:
            return
        empty_pages = 0 if listing.records else empty_pages + 1
        if empty_pages > MAX_EMPTY_PAGES:
            raise SourceError(f"{entity.path}: the feed sends nothing and never ends")


class _Walk:
    """Where a walk is: behind which record.

    Attributes:
        total: Records of the whole list when its first page was read, or None.
    """

    def __init__(
        self, entity: Entity, since: str | None, checkpoint: dict[str, Any] | None
    ) -> None:
        self._id_path = entity.id_path
        self._version_path = entity.version_path if entity.since_param else None
        self._id = str(entity.id_path[-1])
        self._time = entity.since_param
        self._since = since
        self._last: tuple[str | None, str] | None = None
        self._page: list[tuple[str | None, Any]] = []
        # Hashes, because a feed may have very many pages.
        self._used: set[int] = set()
        self.total: int | None = None
        if checkpoint is not None:
            self._resume(checkpoint)

    def _resume(self, checkpoint: dict[str, Any]) -> None:
        match checkpoint:
            case {"keyset": {"last": str(last), "time": time}, "total": total}:
                self._last, self.total = (time, last), total
            case {"keyset": {"last": None}, "total": total}:
                self.total = total
            case _:
                raise ConfigurationError(
                    "the job's checkpoint is not one of a feed: the source's paging was"
                    " changed while the job was interrupted; begin anew with --restart"
                )

    def as_checkpoint(self) -> dict[str, Any]:
        """JSON object for a walk that goes on behind the last record."""
        time, last = self._last or (None, None)
        return {"keyset": {"last": last, "time": time}, "total": self.total}

    def query(self) -> dict[str, str]:
        """Order, and the filter of what stands behind the last record."""
        time, order = self._time, self._id
        if time is not None:
            order = f"{time},{self._id}"
        where = self._filter()
        return {"$orderby": order} | ({"$filter": where} if where else {})

    def _filter(self) -> str | None:
        time, name = self._time, self._id
        if self._last is None:
            return (
                f"{time} ge datetime'{self._since}'" if time and self._since else None
            )
        changed, last = self._last
        behind = f"{name} gt {_literal(last)}"
        if time is None:
            return behind
        if changed is None:  # such come first, where everything is read
            return f"({time} eq null and {behind}) or {time} ne null"
        return (
            f"{time} gt datetime'{changed}'"
            f" or ({time} eq datetime'{changed}' and {behind})"
        )

    def reader(self) -> Callable[[Any], Listing]:
        """Reads an answer, and refuses one that cannot be what was asked for."""

        def read(decoded: Any) -> Listing:
            listing = read_feed(decoded)
            if not listing.records and listing.total:
                raise TransientSourceError(
                    f"the feed announces {listing.total} records and sends none"
                )
            places = self._places(listing.records)
            if again := set(places) & set(self._page):
                raise TransientSourceError(
                    f"the source repeats {len(again)} records of the page before"
                )
            last = next((each for each in reversed(places) if _is_place(*each)), None)
            if hash(last) in self._used:
                raise TransientSourceError("the source repeats a page of before")
            self._check_order(places)
            return listing

        return read

    def _check_order(self, places: list[tuple[str | None, Any]]) -> None:
        """A service that ignores order or filter would have us lose records."""
        if self._time is None:
            return
        former = self._last[0] if self._last else self._since
        for changed, _ in places:
            if _order(changed) < _order(former):
                raise TransientSourceError(
                    f"the feed is not in the order of {self._time}: does the service"
                    " know $orderby and $filter?"
                )
            former = changed

    def go_on(self, listing: Listing) -> bool:
        """Move behind the last record of a page that tells a place.

        Bad ones behind it come again with the next page: none is lost for them.

        Returns:
            Whether it was the last page.

        Raises:
            SourceError: None of its records has a usable id and time.
        """
        if self.total is None and self._last is None:
            self.total = listing.total
        if not listing.records:
            return True
        places = self._places(listing.records)
        while places and not _is_place(*places[-1]):
            places.pop()
        has_ended = listing.total == len(listing.records)
        if places:
            self._last, self._page = places[-1], places
            self._used.add(hash(self._last))
        elif not has_ended:
            raise SourceError(
                "no record of a page has a usable id and time of change, so that nobody"
                " can say what follows"
            )
        return has_ended

    def _places(self, records: list[Any]) -> list[tuple[str | None, Any]]:
        path = self._version_path
        return [
            (
                _text(value_at(each, path)) if path else None,
                _text(value_at(each, self._id_path)),
            )
            for each in records
        ]


def _text(value: Any) -> str | None:
    """What a property says; of one that is no text, something that is no place."""
    return value if value is None or isinstance(value, str) else repr(value)


def _order(time: str | None) -> str:
    """Sorts as the times do; what has none comes first."""
    return (time or "").removesuffix("Z")


def _is_place(changed: str | None, source_id: Any) -> bool:
    """Whether a filter can say what stands behind a record."""
    return (
        isinstance(source_id, str)
        and bool(_UUID.fullmatch(source_id) or _NUMBER.fullmatch(source_id))
        and (changed is None or bool(_TIME.fullmatch(changed)))
    )


def _literal(source_id: str) -> str:
    """An id, which is a UUID or a whole number, as a filter writes it."""
    return f"guid'{source_id}'" if _UUID.fullmatch(source_id) else source_id
