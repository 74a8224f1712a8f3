"""HubSpot: objects, search and associations over HTTP, webhooks outwards."""

import hmac
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.hubspot.admin import relink, stamp
from include.sandbox.hubspot.api import HubSpotApi, is_search, steps_below_root
from include.sandbox.hubspot.problems import problem
from include.sandbox.hubspot.properties import PROPERTIES
from include.sandbox.hubspot.store import Store
from include.sandbox.hubspot.webhooks import Webhooks
from include.sandbox.messages import Answer, Request
from include.sandbox.quota import Quota, Refusal
from include.sandbox.settings import Settings
from include.sandbox.system import System
from include.sandbox.table import Table

#: Quota -> what HubSpot calls it.
_POLICIES = {
    "quota": "TEN_SECONDLY_ROLLING",
    "search_quota": "SECONDLY",
    "daily_quota": "DAILY",
}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: Setting -> its default, and which values it takes.
_OPTIONS: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "id_order": ("number", lambda v: v in ("number", "text")),
    "index_lag_seconds": (0, lambda v: isinstance(v, int | float) and v >= 0),
    "associations_page": (500, lambda v: _is_whole(v) and 1 <= v <= 500),
    "associations_inputs": (100, lambda v: _is_whole(v) and 1 <= v <= 1_000),
    "retry_after": (False, lambda v: isinstance(v, bool)),
}


class HubSpot(System):
    """The HubSpot API below ``/hubspot``."""

    name = "hubspot"
    root = "/hubspot"
    limit = (100, 10.0)
    more_limits: ClassVar[Mapping[str, tuple[int, float]]] = {
        "search_quota": (5, 1.0),
        "daily_quota": (250_000, 86_400.0),
    }

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._authorization = f"Bearer {settings.tokens[self.name]}".encode()
        self._options = {name: default for name, (default, _) in _OPTIONS.items()}
        self._webhooks = Webhooks(self.clock)

    @cached_property
    def _store(self) -> Store:
        store = Store(self.settings, self.clock)
        for table in store.tables.values():
            table.listeners.append(self._webhooks.note)
        return store

    @cached_property
    def _api(self) -> HubSpotApi:
        return HubSpotApi(self._store, self.clock, self._options)

    def build_tables(self) -> Iterable[Table]:
        """Contacts as many as asked, half as many deals, a tenth as many companies."""
        return self._store.tables.values()

    def is_authorized(self, request: Request) -> bool:
        """Whether the bearer token is the sandbox's."""
        sent = request.header(b"authorization")
        return hmac.compare_digest(sent, self._authorization)

    def refuse_credentials(self) -> Answer:
        """401 in HubSpot's words."""
        message = "Authentication credentials not found or not valid."
        return problem(401, message, category="INVALID_AUTHENTICATION")

    def quotas_of(self, request: Request) -> Mapping[str, Quota]:
        """All; that of searches only for a search."""
        if is_search(request):
            return self.quotas
        return {n: quota for n, quota in self.quotas.items() if n != "search_quota"}

    def refuse_quota(self, request: Request, refusal: Refusal) -> Answer:
        """429 in HubSpot's words, which seldom say when to come back."""
        policy = _POLICIES[refusal.quota]
        answer = problem(
            429,
            f"You have reached your {policy.lower()} limit.",
            errorType="RATE_LIMIT",
            policyName=policy,
        )
        if self._options["retry_after"]:
            answer.headers.append((b"retry-after", b"%d" % math.ceil(refusal.wait)))
        return self._with_limits(request, answer)

    def own_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Webhooks, bulk edits, other associations."""
        tables, links = self._store.tables, self._store.links
        match method, steps:
            case "POST", ["webhooks"]:
                self._webhooks.subscribe(call)
            case "DELETE", ["webhooks"]:
                self._webhooks.end()
            case "GET", ["webhooks"]:
                pass
            case "POST", [entity, "stamp"] if entity in tables:
                return stamp(tables[entity], self.clock, self.next_rng(), call)
            case "POST", [entity, "relink"] if entity in links:
                table, rng = tables[entity], self.next_rng()
                return relink(table, links[entity], self.clock, rng, call)
            case _:
                return None
        return self._webhooks.state()

    def close(self) -> None:
        """End the webhooks."""
        self._webhooks.end()

    def options(self) -> dict[str, Any]:
        """Settings that only HubSpot has."""
        return dict(self._options)

    def set_option(self, name: str, value: Any) -> None:
        """Set one of :meth:`options`."""
        if name not in _OPTIONS:
            raise BadRequestError(f"hubspot has no {name!r}: {', '.join(_OPTIONS)}")
        if not _OPTIONS[name][1](value):
            raise BadRequestError(f"{name} cannot be {value!r}")
        self._options[name] = value

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        match steps_below_root(path):
            case ["crm", "v3", "objects", entity, wire_id] if entity in PROPERTIES:
                own = wire_id == "search"
                return path if own else path.removesuffix(wire_id) + "{id}"
            case ["crm", "v3", "objects" | "properties", entity, *_]:
                return path if entity in PROPERTIES else "(unknown path)"
            case ["crm", "v4", "associations", origin, target, *_]:
                known = {origin, target} <= PROPERTIES.keys()
                return path if known else "(unknown path)"
        return "(unknown path)"

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Answer an authorized request."""
        return self._with_limits(request, self._api.answer(request, faults))

    def _with_limits(self, request: Request, answer: Answer) -> Answer:
        """The answer with what is left of the quotas, which searches do not tell."""
        if is_search(request):
            return answer
        now = time.monotonic()
        main, daily = self.quotas["quota"], self.quotas["daily_quota"]
        for name, value in (
            ("max", main.limit.requests),
            ("remaining", main.remaining(now)),
            ("interval-milliseconds", int(main.limit.per_seconds * 1_000)),
            ("daily", daily.limit.requests),
            ("daily-remaining", daily.remaining(now)),
        ):
            header = f"x-hubspot-ratelimit-{name}".encode()
            answer.headers.append((header, b"%d" % value))
        return answer
