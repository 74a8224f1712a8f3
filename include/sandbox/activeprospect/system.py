"""ActiveProspect: JSON over HTTP, bearer token, pages by cursor.

Beside the API as specified stands the real service (``leadconduit.py``), which shows
the same people.
"""

import hmac
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any

import orjson

from include.sandbox import known_keys
from include.sandbox.activeprospect import leadconduit
from include.sandbox.activeprospect import records as entities
from include.sandbox.activeprospect.ids import object_id
from include.sandbox.activeprospect.leadconduit import LeadConduit
from include.sandbox.activeprospect.table import LeadTable
from include.sandbox.activeprospect.webhooks import Webhooks
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
        self._token = settings.tokens[self.name].encode()
        self._webhooks = Webhooks(f"{settings.seed}/{self.name}")

    @cached_property
    def leadconduit(self) -> LeadConduit:
        """The real service, made when first asked for."""
        return LeadConduit(self.table("leads"), self.table("events"), self.clock)

    def build_tables(self) -> Iterable[Table]:
        """Leads as many as asked, and the events of each."""
        options = self.settings
        count, seed = options.size(self.name), f"{options.seed}/{self.name}"
        blueprint = known_keys.of_leads(options.seed, entities.leads(options.seed))
        leads = LeadTable(blueprint, seed, count, options.dirty)
        leads.listeners.append(self._webhooks.note)
        yield leads
        steps = count * entities.EVENTS_OF_A_LEAD
        yield Table(entities.events(), seed, steps, options.dirty)

    def is_authorized(self, request: Request) -> bool:
        """Whether the token is the sandbox's; for the real service, as password."""
        scheme, _, sent = request.header(b"authorization").partition(b" ")
        if _is_real(request.path):
            # Whose key it is does not matter; the user name is thrown away.
            sent = _password(sent)
            return scheme == b"Basic" and hmac.compare_digest(sent, self._token)
        return scheme == b"Bearer" and hmac.compare_digest(sent, self._token)

    def refuse_credentials(self, request: Request) -> Answer:
        """What a request without the right credentials is answered."""
        refusal = super().refuse_credentials(request)
        if _is_real(request.path):
            refusal.headers = [(b"www-authenticate", b'Basic realm="events"')]
        return refusal

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        if not _is_real(path):
            return super().route(path)
        return path if path == leadconduit.PATH else "(unknown path)"

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Whichever of the two APIs the path belongs to."""
        if _is_real(request.path):
            return self.leadconduit.answer(request, faults)
        return super().answer(request, faults)

    def own_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Admin calls about deliveries, and about the real service."""
        match method, steps:
            case "POST", ["webhooks"]:
                self._webhooks.subscribe(call)
                return self._webhooks.state()
            case "DELETE", ["webhooks"]:
                self._webhooks.end()
                return self._webhooks.state()
            case "GET", ["webhooks"]:
                return self._webhooks.state()
            case "GET", ["leadconduit", "truth"]:
                return {"events": self.leadconduit.truth()}
            case "POST", ["leadconduit", "late"]:
                keys = leadconduit.late(self.table("leads"), self.clock, call)
                return {"ids": [object_id(key) for key in keys]}
        return None

    def close(self) -> None:
        """End the deliveries."""
        self._webhooks.end()

    def set_option(self, name: str, value: Any) -> None:
        """Set after how many days the real service forgets; null: never.

        Raises:
            BadRequestError: There is no such option or value.
        """
        is_days = value is None or (isinstance(value, int | float) and value > 0)
        if name != "horizon_days" or not is_days:
            super().set_option(name, value)
        self.leadconduit.horizon_days = value

    def options(self) -> dict[str, Any]:
        """Options that only this CRM has."""
        return {"horizon_days": self.leadconduit.horizon_days}

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


def _is_real(path: str) -> bool:
    return path.startswith(leadconduit.ROOT + "/")


def _password(credentials: bytes) -> bytes:
    """What stands behind the colon; empty when nothing can be read."""
    try:
        return b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""
