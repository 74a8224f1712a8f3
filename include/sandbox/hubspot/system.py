"""HubSpot: objects, search and associations over HTTP, webhooks outwards."""

import hmac
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from include.sandbox.errors import BadRequestError, UnknownPathError
from include.sandbox.faults import Fault
from include.sandbox.hubspot.account import DayQuota, details, is_zone, usage
from include.sandbox.hubspot.admin import relink, stamp
from include.sandbox.hubspot.api import HubSpotApi, is_search, steps_below_root
from include.sandbox.hubspot.oauth import OAuth
from include.sandbox.hubspot.portal import change_properties, write
from include.sandbox.hubspot.problems import problem
from include.sandbox.hubspot.properties import PROPERTIES
from include.sandbox.hubspot.scopes import refuse_scope
from include.sandbox.hubspot.states import change_state, states
from include.sandbox.hubspot.store import Store
from include.sandbox.hubspot.webhooks import Webhooks
from include.sandbox.messages import Answer, Request, json_answer
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
    "sensitive_scope": (False, lambda v: isinstance(v, bool)),
    "retry_after": (False, lambda v: isinstance(v, bool)),
    "time_zone": ("America/New_York", is_zone),
    "withheld_scopes": (
        [],
        lambda v: isinstance(v, list) and all(isinstance(s, str) for s in v),
    ),
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
        self._token = settings.tokens[self.name].encode()
        self._options = {name: default for name, (default, _) in _OPTIONS.items()}
        self._oauth = OAuth()
        self._day = DayQuota(
            self.quotas["daily_quota"].limit,
            self.clock,
            lambda: str(self._options["time_zone"]),
        )
        self.quotas["daily_quota"] = self._day
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
        store = self._store
        return [*store.tables.values(), store.stages, store.owners]

    def is_open(self, request: Request) -> bool:
        """Whether a token is asked for."""
        return _is_token_endpoint(request)

    def is_authorized(self, request: Request) -> bool:
        """Whether the bearer token is the sandbox's, or one of OAuth that is good."""
        sent = _bearer_token(request)
        if hmac.compare_digest(sent, self._token):
            return True
        return self._oauth.is_good(sent.decode("latin-1"))

    def refuse_credentials(self, request: Request) -> Answer:
        """401 in HubSpot's words."""
        if self._oauth.has_ended(_bearer_token(request).decode("latin-1")):
            message = "The OAuth token used to make this call expired."
            return problem(401, message, category="EXPIRED_AUTHENTICATION")
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
        """Webhooks, OAuth, bulk edits, other associations."""
        match method, steps:
            case "POST", ["webhooks"]:
                self._webhooks.subscribe(call)
            case "DELETE", ["webhooks"]:
                self._webhooks.end()
            case "GET", ["webhooks"]:
                pass
            case _, ["oauth", *_]:
                return self._oauth_call(method, steps[1:], call)
            case _:
                return self._objects_call(method, steps, call)
        return self._webhooks.state()

    def _objects_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any] | None:
        tables, links = self._store.tables, self._store.links
        match method, steps:
            case "POST", ["properties", entity] if entity in tables:
                return change_properties(tables[entity], call)
            case "POST", [entity, "write"] if entity in tables:
                return write(tables[entity], self.clock, call)
            case "GET", [entity, "states"] if entity in tables:
                return states(tables[entity])
            case "POST", [entity, "archive" | "restore" | "merge" | "erase" as act] if (
                entity in tables
            ):
                return change_state(
                    act, self._store, entity, self.clock, self.next_rng(), call
                )
            case "POST", [entity, "stamp"] if entity in tables:
                return stamp(tables[entity], self.clock, self.next_rng(), call)
            case "POST", [entity, "relink"] if entity in links:
                table, rng = tables[entity], self.next_rng()
                return relink(table, links[entity], self.clock, rng, call)
        return None

    def _oauth_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any]:
        match method, steps:
            case "POST", ["authorise"]:
                return self._oauth.authorise()
            case "POST", ["revoke"]:
                self._oauth.revoke()
            case "PATCH", []:
                self._oauth.configure(call)
            case "GET", []:
                pass
            case _:
                raise UnknownPathError("oauth: no such admin path")
        return self._oauth.state()

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
        if name == "sensitive_scope":
            for table in self._store.tables.values():
                table.shows_sensitive = value

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        match steps_below_root(path):
            case ["crm", "v3", "objects", entity, wire_id] if entity in PROPERTIES:
                own = wire_id == "search"
                return path if own else path.removesuffix(wire_id) + "{id}"
            case ["crm", "v3", "objects" | "properties", entity, *_]:
                return path if entity in PROPERTIES else "(unknown path)"
            case ["crm", "v3", "pipelines", "deals"] | ["crm", "v3", "owners"]:
                return path
            case ["oauth", _, "token"] | ["account-info", "v3", *_]:
                return path
            case ["crm", "v3", "owners", wire_id]:
                return path.removesuffix(wire_id) + "{id}"
            case ["crm", "v4", "associations", origin, target, *_]:
                known = {origin, target} <= PROPERTIES.keys()
                return path if known else "(unknown path)"
        return "(unknown path)"

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Answer an authorized request, or one for a token."""
        if _is_token_endpoint(request):
            return self._oauth.answer(request)
        steps = steps_below_root(request.path)
        answer = refuse_scope(steps, self._options["withheld_scopes"])
        answer = answer or self._about_account(request.method, steps)
        return self._with_limits(request, answer or self._api.answer(request, faults))

    def _about_account(self, method: str, steps: list[str]) -> Answer | None:
        match method, steps:
            case "GET", ["account-info", "v3", "details"]:
                return json_answer(200, details(self._day.zone, self.clock))
            case "GET", ["account-info", "v3", "api-usage", "daily", "private-apps"]:
                return json_answer(200, usage(self._day, self.clock, time.monotonic()))
        return None

    def _with_limits(self, request: Request, answer: Answer) -> Answer:
        """The answer with what is left of the quotas, which searches do not tell.

        Of a quota that is switched off there is nothing to tell.
        """
        if is_search(request):
            return answer
        now = time.monotonic()
        main, daily = self.quotas["quota"], self.quotas["daily_quota"]
        told: dict[str, int] = {}
        if main.limit.enabled:
            told["max"] = main.limit.requests
            told["remaining"] = main.remaining(now)
            told["interval-milliseconds"] = int(main.limit.per_seconds * 1_000)
        if daily.limit.enabled:
            told["daily"] = daily.limit.requests
            told["daily-remaining"] = daily.remaining(now)
        for name, value in told.items():
            header = f"x-hubspot-ratelimit-{name}".encode()
            answer.headers.append((header, b"%d" % value))
        return answer


def _is_token_endpoint(request: Request) -> bool:
    match steps_below_root(request.path):
        case ["oauth", _, "token"]:
            return True
    return False


def _bearer_token(request: Request) -> bytes:
    scheme, _, token = request.header(b"authorization").partition(b" ")
    return token if scheme == b"Bearer" else b""
