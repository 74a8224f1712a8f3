"""Genius: JSON over HTTP, bearer token, numbered pages."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from include.sandbox import known_keys
from include.sandbox.entity_api import EntityApi
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.genius import records as entities
from include.sandbox.messages import Answer, Request
from include.sandbox.numbered import numbered_page
from include.sandbox.settings import Settings
from include.sandbox.table import Table

_USERS, _DIVISIONS, _MARKETING_SOURCES = 60, 8, 40
_MOST_PER_PAGE = 100


class Genius(EntityApi):
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
        seed, people = options.seed, options.size(self.name)
        for blueprint, count in (
            (known_keys.of_prospects(seed, entities.prospects(seed)), people),
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

    def list_records(
        self, table: Table, query: Mapping[str, str], faults: list[Fault]
    ) -> Answer:
        """One numbered page, in an envelope unless lists are bare."""
        page = numbered_page(table, query, _MOST_PER_PAGE, faults)
        body = b"[%b]" % b",".join([record.body for record in page.records])
        self.shift(table, page.records, faults)
        if self._bare_lists:
            return Answer(200, body)
        envelope = b'{"data":%b,"page":%d,"per_page":%d,"total":%d,"total_pages":%d}'
        counts = page.page, page.per_page, page.total, page.total_pages
        return Answer(200, envelope % (body, *counts))
