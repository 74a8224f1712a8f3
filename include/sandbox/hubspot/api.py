"""HubSpot's paths: which part of the store answers what."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from include.sandbox.clock import Clock, iso_milliseconds
from include.sandbox.faults import Fault
from include.sandbox.hubspot import owners, pipelines
from include.sandbox.hubspot.objects import batch_inputs
from include.sandbox.hubspot.portal import definitions
from include.sandbox.hubspot.problems import HubSpotError, problem, refused
from include.sandbox.hubspot.query import parse_query
from include.sandbox.hubspot.render import render
from include.sandbox.hubspot.store import Store
from include.sandbox.messages import Answer, Request, json_answer
from include.sandbox.records import Record

_LONGEST_URL = 16_000
_DATED = re.compile(r"20[0-9]{2}-[0-9]{2}")
_Known = TypeVar("_Known")


class HubSpotApi:
    """Answers authorized requests.

    Args:
        store: What HubSpot holds.
        clock: Of the system.
        options: Settings by name, as they change.
    """

    def __init__(self, store: Store, clock: Clock, options: Mapping[str, Any]) -> None:
        self._store = store
        self._clock = clock
        self._options = options

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Answer by method and path."""
        if request.url_length > _LONGEST_URL:
            return problem(414, "the URL is too long")
        if request.method not in ("GET", "POST"):
            return problem(405, "only GET and POST are allowed")
        try:
            answers = self._get if request.method == "GET" else self._post
            return answers(request, faults)
        except HubSpotError as error:
            return error.answer()

    def _get(self, request: Request, faults: list[Fault]) -> Answer:
        query = request.query
        match steps_below_root(request.path):
            case ["crm", "v3", "objects", entity]:
                self._purge(entity)
                objects = _known(self._store.objects, entity)
                body, records = objects.page(query, faults)
                self._shift(entity, records, faults)
                return Answer(200, body)
            case ["crm", "v3", "objects", entity, wire_id]:
                objects = _known(self._store.objects, entity)
                return Answer(200, objects.one(wire_id, query))
            case ["crm", "v3", "properties", entity]:
                table = _known(self._store.tables, entity)
                return json_answer(200, definitions(table, query))
            case ["crm", "v3", "pipelines", "deals"]:
                return json_answer(200, pipelines.listed(self._store.stages))
            case ["crm", "v3", "owners"]:
                return Answer(200, owners.page(self._store.owners, query))
            case ["crm", "v3", "owners", wire_id]:
                return Answer(200, owners.one(self._store.owners, wire_id, query))
        raise _no_such_path()

    def _post(self, request: Request, faults: list[Fault]) -> Answer:
        match steps_below_root(request.path):
            case ["crm", "v3", "objects", entity, "search"]:
                return self._search(entity, request, faults)
            case ["crm", "v3", "objects", entity, "batch", "read"]:
                objects = _known(self._store.objects, entity)
                return self._many(*objects.batch(_call(request), request.query))
            case ["crm", "v4", "associations", origin, target, "batch", "read"]:
                return self._associated(origin, target, _call(request))
        raise _no_such_path()

    def _purge(self, entity: str) -> None:
        """Forget what was archived too long ago to be shown."""
        if entity in self._store.tables:
            self._store.tables[entity].purge(self._clock.now())

    def _search(self, entity: str, request: Request, faults: list[Fault]) -> Answer:
        search, call = _known(self._store.searches, entity), _call(request)
        text_ids = self._options["id_order"] == "text"
        query = parse_query(entity, request.body, call, text_ids=text_ids)
        lag = self._options["index_lag_seconds"]
        body, keys = search.page(query, lag, faults, text_ids=text_ids)
        live = self._store.tables[entity].live
        self._shift(entity, [live[key] for key in keys[:1]], faults)
        return Answer(200, body)

    def _associated(self, origin: str, target: str, call: Mapping[str, Any]) -> Answer:
        inputs = batch_inputs(call, self._options["associations_inputs"])
        size = self._options["associations_page"]
        associations = self._store.associations
        results, errors = associations.batch(origin, target, inputs, size)
        return self._many([render(result) for result in results], errors)

    def _many(self, bodies: list[bytes], errors: list[dict[str, Any]]) -> Answer:
        """200 when all was found, 207 when something was not."""
        now = iso_milliseconds(self._clock.now())
        about = {"status": "COMPLETE", "startedAt": now, "completedAt": now}
        more = {"numErrors": len(errors), "errors": errors} if errors else {}
        head = orjson.dumps({**about, **more})[:-1]
        body = b'%b,"results":[%b]}' % (head, b",".join(bodies))
        return Answer(207 if errors else 200, body)

    def _shift(self, entity: str, records: list[Record], faults: list[Fault]) -> None:
        """Let ``page_shift`` archive the first record shown."""
        if records and any(fault.kind == "page_shift" for fault in faults):
            self._store.tables[entity].remove(records[0], self._clock.now())


def steps_below_root(path: str) -> list[str]:
    """Segments of a path below ``/hubspot``, versions by date as the numbered ones.

    ``/crm/objects/2026-03/…`` is what ``/crm/v3/objects/…`` was.
    """
    match steps := path.strip("/").split("/")[1:]:
        case ["crm", area, version, *rest] if _DATED.fullmatch(version):
            numbered = "v4" if area == "associations" else "v3"
            return ["crm", numbered, area, *rest]
    return steps


def is_search(request: Request) -> bool:
    """Whether the limits of searches hold for a request."""
    return request.method == "POST" and request.path.endswith("/search")


def _known(holder: Mapping[str, _Known], entity: str) -> _Known:
    if entity not in holder:
        raise HubSpotError(400, f"there is no object type {entity!r}")
    return holder[entity]


def _no_such_path() -> HubSpotError:
    return HubSpotError(404, "there is no such path and method", "NOT_FOUND")


def _call(request: Request) -> dict[str, Any]:
    try:
        call = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise refused("the body is not JSON") from None
    if not isinstance(call, dict):
        raise refused("the body must be a JSON object")
    return call
