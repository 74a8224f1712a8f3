"""ActiveProspect: JSON over HTTP, bearer token, pages by cursor."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter

import orjson

from include.sandbox import known_keys
from include.sandbox.activeprospect import records as entities
from include.sandbox.entity_api import EntityApi
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.messages import Answer, Request
from include.sandbox.parameters import modified_since, whole_number
from include.sandbox.settings import Settings
from include.sandbox.table import Table

_MOST_PER_PAGE = 100
_by_key = attrgetter("key")


class ActiveProspect(EntityApi):
    """The ActiveProspect API below ``/activeprospect/v1``, as specified."""

    name = "activeprospect"
    root = "/activeprospect/v1"
    limit = (10_000, 3_600.0)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._authorization = f"Bearer {settings.tokens[self.name]}".encode()

    def build_tables(self) -> Iterable[Table]:
        """Leads as many as asked, and the events of each."""
        options = self.settings
        seed, leads = options.seed, options.size(self.name)
        for blueprint, count in (
            (known_keys.of_leads(seed, entities.leads(seed)), leads),
            (entities.events(), leads * entities.EVENTS_OF_A_LEAD),
        ):
            yield Table(blueprint, f"{seed}/{self.name}", count, options.dirty)

    def is_authorized(self, request: Request) -> bool:
        """Whether the bearer token is the sandbox's."""
        sent = request.header(b"authorization")
        return hmac.compare_digest(sent, self._authorization)

    def list_records(
        self, table: Table, query: Mapping[str, str], faults: list[Fault]
    ) -> Answer:
        """The records behind a cursor, and the cursor of the next ones.

        A cursor stands for an id, so that no move of other records shifts a page.
        """
        limit = whole_number(query, "limit", _MOST_PER_PAGE, _MOST_PER_PAGE)
        records = table.view(modified_since(query))
        asked = _key_of(table, query["after"]) if "after" in query else 0
        start = bisect_right(records, asked, key=_by_key)
        following = start + limit < len(records)
        cursor = records[start + limit - 1].key if following else None
        for fault in faults:
            if fault.kind == "repeat_page":
                start = max(0, start - limit)
            elif fault.kind == "loop":
                cursor = asked
        shown = records[start : start + limit]
        body = b",".join([record.body for record in shown])
        self.shift(table, shown, faults)
        after = None if cursor is None else _cursor(table, cursor)
        return Answer(
            200, b'{"data":[%b],"next_cursor":%b}' % (body, orjson.dumps(after))
        )


def _cursor(table: Table, key: int) -> str:
    return urlsafe_b64encode(f"{table.blueprint.name}:{key}".encode()).decode()


def _key_of(table: Table, cursor: str) -> int:
    try:
        entity, key = urlsafe_b64decode(cursor).decode("ascii").split(":")
        number = int(key)
    except ValueError as error:
        raise BadRequestError("after is no cursor") from error
    if entity != table.blueprint.name:
        raise BadRequestError(f"after is a cursor of {entity}")
    return number
