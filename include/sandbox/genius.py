"""Genius: JSON over HTTP, bearer token, numbered pages."""

import hmac
from collections.abc import Iterable
from typing import Any

from include.sandbox import genius_records as entities
from include.sandbox.clock import parse_moment
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.messages import Answer, Request, error_answer
from include.sandbox.records import Record
from include.sandbox.settings import Settings
from include.sandbox.system import System
from include.sandbox.table import Table

_USERS, _DIVISIONS, _MARKETING_SOURCES = 60, 8, 40
_MOST_PER_PAGE = 100


class Genius(System):
    """The Genius API below ``/genius/v1``."""

    name = "genius"
    root = "/genius/v1"
    limit = (1_000, 3_600.0)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._authorization = f"Bearer {settings.tokens[self.name]}".encode()
        self._bare_lists = False

    def build_tables(self) -> Iterable[Table]:
        """Prospects as many as asked, two appointments to three of them, the staff."""
        options = self.settings
        seed, people = options.seed, options.prospects
        for blueprint, count in (
            (entities.prospects(seed), people),
            (entities.appointments(people, _USERS), people * 2 // 3),
            (entities.users(seed, _DIVISIONS), _USERS),
            (entities.divisions(), _DIVISIONS),
            (entities.marketing_sources(), _MARKETING_SOURCES),
        ):
            yield Table(blueprint, f"{seed}/{self.name}", count, options.dirty)

    def is_authorized(self, request: Request) -> bool:
        """Whether the bearer token is the sandbox's."""
        sent = request.header(b"authorization")
        return hmac.compare_digest(sent, self._authorization)

    def options(self) -> dict[str, Any]:
        """``bare_lists``: lists without envelope."""
        return {"bare_lists": self._bare_lists}

    def set_option(self, name: str, value: Any) -> None:
        """Switch ``bare_lists``."""
        if name != "bare_lists" or not isinstance(value, bool):
            raise BadRequestError("genius has one setting of its own: bare_lists, bool")
        self._bare_lists = value

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        entity, _, key = path.removeprefix(self.root).strip("/").partition("/")
        if entity not in self.tables:
            return "(unknown path)"
        return f"{self.root}/{entity}/{{id}}" if key else f"{self.root}/{entity}"

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """One record, or one page of records."""
        below = request.path.removeprefix(self.root)
        entity, _, key = below.strip("/").partition("/")
        if not request.path.startswith(self.root + "/") or entity not in self.tables:
            return error_answer(404, "no such path")
        if request.method != "GET":
            return error_answer(405, "only GET is allowed")
        table = self.tables[entity]
        if key:
            return self._one(table, key)
        try:
            page = _whole(request.query, "page", 1)
            per_page = _whole(request.query, "per_page", 100, _MOST_PER_PAGE)
            since = _since(request.query)
        except BadRequestError as error:
            return error_answer(400, str(error))
        return self._list(table, page, per_page, since, faults)

    def _one(self, table: Table, key: str) -> Answer:
        record = table.live.get(int(key)) if key.isdecimal() else None
        if record is None or record.defect == "missing_id":
            return error_answer(404, "no such record")
        return Answer(200, record.body)

    def _list(
        self,
        table: Table,
        page: int,
        per_page: int,
        since: float | None,
        faults: list[Fault],
    ) -> Answer:
        records = table.view(since)
        total, source, endless = len(records), page, False
        for fault in faults:
            if fault.kind == "repeat_page":
                source = max(1, page - 1)
            elif fault.kind == "loop":
                first = fault.options.get("page", 1)
                source, endless = min(page, first), endless or page >= first
            elif fault.kind == "lying_total":
                total = max(0, total + fault.options.get("delta", 1))
        shown = records[(source - 1) * per_page : source * per_page]
        pages = page + 1 if endless else -(-total // per_page)
        body = b"[%b]" % b",".join([record.body for record in shown])
        if any(fault.kind == "page_shift" for fault in faults):
            self._shift(table, shown)
        if self._bare_lists:
            return Answer(200, body)
        envelope = b'{"data":%b,"page":%d,"per_page":%d,"total":%d,"total_pages":%d}'
        return Answer(200, envelope % (body, page, per_page, total, pages))

    def _shift(self, table: Table, shown: list[Record]) -> None:
        """Delete a record that this page shows, so that the next page starts later."""
        if shown:
            table.remove(shown[0], self.clock.now())


def _whole(
    query: dict[str, str], name: str, default: int, most: int | None = None
) -> int:
    text = query.get(name, str(default))
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if number < 1 or (most is not None and number > most):
        allowed = f"from 1 to {most}" if most else "of at least 1"
        raise BadRequestError(f"{name} must be a whole number {allowed}")
    return number


def _since(query: dict[str, str]) -> float | None:
    text = query.get("modified_since")
    if text is None:
        return None
    moment = parse_moment(text)
    if moment is None:
        raise BadRequestError("modified_since must be ISO 8601")
    return moment.timestamp()
