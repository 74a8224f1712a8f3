"""A REST API that a JSON file describes: what ``new-source`` drafts, no code needed."""

import hmac
import json
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from include.sandbox.clock import parse_moment
from include.sandbox.described_records import Kind, blueprint
from include.sandbox.entity_api import EntityApi
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.messages import Answer, Request
from include.sandbox.parameters import whole_number
from include.sandbox.places import put
from include.sandbox.records import Record
from include.sandbox.settings import Settings
from include.sandbox.table import Table

_by_key = attrgetter("key")
_RECORDS = "\x00records\x00"
_STYLES = ("number", "offset", "cursor", "next_url", "link", "keyset")


@dataclass(frozen=True, slots=True)
class Pages:
    """How lists are cut.

    Attributes:
        style: One of ``_STYLES``.
        size_param: Query parameter of the page size.
        most: Most records of a page, and how many there are when not asked.
        place_param: Query parameter of page number, offset, cursor or last id.
        next: Place of the next cursor or address in an answer.
        total: Place of the number of records; empty: not told.
        total_pages: Place of the number of pages; empty: not told.
        more: Place of the flag that more follow; empty: none.
    """

    style: str
    size_param: str
    most: int
    place_param: str = "cursor"
    next: str = ""
    total: str = ""
    total_pages: str = ""
    more: str = ""

    def __post_init__(self) -> None:
        """A style that nobody speaks would pass for cursors."""
        if self.style not in _STYLES:
            known = ", ".join(_STYLES)
            raise ValueError(f"pages: unknown style {self.style!r}; known: {known}")


@dataclass(frozen=True, slots=True)
class Description:
    """What a file says of an API.

    Attributes:
        name: First segment of its paths.
        credentials: Header field in small letters, and its value with ``{token}``; of
            HTTP Basic ``Basic {basic}``, where the token is ``login:password``.
        limit: Requests, seconds.
        pages: How lists are cut.
        since_param: Query parameter for "changed since", or None.
        kinds: Its kinds of records.
    """

    name: str
    credentials: tuple[str, str]
    limit: tuple[int, float]
    pages: Pages
    since_param: str | None
    kinds: tuple[Kind, ...]


def read_description(path: Path) -> Description:
    """A description from its file.

    Raises:
        ValueError: It is none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        kinds = [
            Kind(**{**kind, "required": tuple(kind.get("required", ()))})
            for kind in told.pop("kinds")
        ]
        pages = Pages(**told.pop("pages"))
        field, value = told.pop("credentials")
        requests, seconds = told.pop("limit")
        return Description(
            **told,
            kinds=tuple(kinds),
            pages=pages,
            credentials=(field, value),
            limit=(requests, seconds),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no API: {error}") from error


class DescribedApi(EntityApi):
    """The API below ``/<name>``, as its file describes it.

    Args:
        settings: Of the process.
        description: What the file says.
    """

    def __init__(self, settings: Settings, description: Description) -> None:
        self.name = description.name
        self.root = f"/{description.name}"
        self.limit = description.limit
        super().__init__(settings)
        self._told = description
        token = settings.token(self.name)
        basic = b64encode(token.encode()).decode()
        field, value = description.credentials
        self._field = field.encode()
        self._credentials = value.format(token=token, basic=basic).encode()
        self._url = b""

    def build_tables(self) -> Iterable[Table]:
        """Each kind, in its share of what was asked."""
        options = self.settings
        counts = {
            kind.name: max(1, int(options.size(self.name) * kind.share))
            for kind in self._told.kinds
        }
        for kind in self._told.kinds:
            made = blueprint(kind, options.seed, counts)
            seed = f"{options.seed}/{self.name}"
            yield Table(made, seed, counts[kind.name], options.dirty)

    def is_authorized(self, request: Request) -> bool:
        """Whether the request carries the token as the API wants it."""
        sent = request.header(self._field)
        return hmac.compare_digest(sent, self._credentials)

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        return super().route(self._by_entity(path))

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """One record, or one page of records."""
        self._url = b"http://" + request.header(b"host")
        return super().answer(
            replace(request, path=self._by_entity(request.path)), faults
        )

    def _by_entity(self, path: str) -> str:
        """A path of the API, with the entity's name in place of its own path."""
        for kind in self._told.kinds:
            listed = self.root + kind.path
            if path == listed or path.startswith(f"{listed.rstrip('/')}/"):
                rest = path[len(listed.rstrip("/")) :].rstrip("/")
                return f"{self.root}/{kind.name}{rest}"
        return f"{self.root}/-"

    def list_records(
        self, table: Table, query: Mapping[str, str], faults: list[Fault]
    ) -> Answer:
        """One page, cut as described."""
        pages = self._told.pages
        size = whole_number(query, pages.size_param, pages.most, pages.most)
        records = table.view(self._since(query))
        start = self._start(records, query, size)
        following = start + size < len(records)
        for fault in faults:
            if fault.kind == "repeat_page":
                start = max(0, start - size)
            elif fault.kind == "loop":
                start = min(start, (fault.options.get("page", 1) - 1) * size)
                following = True
        shown = records[start : start + size]
        kind = next(k for k in self._told.kinds if k.name == table.blueprint.name)
        envelope = self._envelope(kind, len(records), size, following)
        address = ""
        if following and pages.style in ("cursor", "next_url", "link"):
            cursor = str(shown[-1].key)
            address = self._address(kind, query, cursor)
            told = cursor if pages.style == "cursor" else address
            if pages.style != "link":
                put(envelope, pages.next, told)
        self.shift(table, shown, faults)
        body = orjson.dumps(envelope).replace(
            orjson.dumps(_RECORDS), b"[%b]" % b",".join([r.body for r in shown])
        )
        answer = Answer(200, body)
        if address and pages.style == "link":
            field = f'<{address}>; rel="next"'
            answer.headers.append((b"link", field.encode()))
        return answer

    def _since(self, query: Mapping[str, str]) -> float | None:
        name = self._told.since_param
        text = query.get(name) if name else None
        if text is None:
            return None
        if text.isdecimal():
            seconds = int(text)
            return seconds / 1000 if seconds > 10**11 else float(seconds)
        moment = parse_moment(text)
        if moment is None:
            raise BadRequestError(f"{name} must be a time")
        return moment.timestamp()

    def _start(self, records: list[Record], query: Mapping[str, str], size: int) -> int:
        """Records before the page."""
        pages = self._told.pages
        if pages.style == "number":
            return (whole_number(query, pages.place_param, 1) - 1) * size
        text = query.get(pages.place_param, "0")
        if not text.isdecimal():
            raise BadRequestError(f"{pages.place_param} must be a whole number")
        if pages.style == "offset":
            return int(text)
        return bisect_right(records, int(text), key=_by_key)

    def _envelope(
        self, kind: Kind, total: int, size: int, following: bool
    ) -> dict[str, Any]:
        pages = self._told.pages
        envelope: dict[str, Any] = {}
        put(envelope, kind.records, _RECORDS)
        if pages.total:
            put(envelope, pages.total, total)
        if pages.total_pages:
            put(envelope, pages.total_pages, -(-total // size))
        if pages.more:
            put(envelope, pages.more, following)
        if pages.next:
            put(envelope, pages.next, None)
        return envelope

    def _address(self, kind: Kind, query: Mapping[str, str], cursor: str) -> str:
        asked = {**query, self._told.pages.place_param: cursor}
        return f"{self._url.decode()}{self.root}{kind.path}?{urlencode(asked)}"
