"""Admin calls under ``/_sandbox``: move time and records, switch faults, tell truth."""

import json
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

from include.sandbox.csv_export import export
from include.sandbox.errors import BadRequestError, UnknownPathError
from include.sandbox.messages import Answer, Request, error_answer, json_answer
from include.sandbox.records import WireId
from include.sandbox.system import System
from include.sandbox.table import Table
from include.sandbox.truth import deleted_lines, key_lines, truth_lines

_NDJSON = b"application/x-ndjson"
#: Most records that one admin call moves.
_MOST = 1_000_000
_MOVE_KEYS = frozenset({"count", "kind"})


class Admin:
    """Answers admin calls.

    Args:
        systems: By name; reset replaces them in place.
        reset: Begins everything anew.
    """

    def __init__(self, systems: dict[str, System], reset: Callable[[], None]) -> None:
        self._systems = systems
        self._reset = reset

    def answer(self, path: str, request: Request) -> Answer:
        """Answer the admin call at ``path``, which begins after ``/_sandbox``."""
        steps = path.strip("/").split("/")
        try:
            call = json.loads(request.body) if request.body else {}
            if not isinstance(call, dict):
                raise BadRequestError("the body must be a JSON object")
            return self._dispatch(request.method, steps, call, request.query)
        except UnknownPathError as error:
            return error_answer(404, str(error))
        except (TypeError, ValueError) as error:
            return error_answer(400, str(error))

    def _dispatch(
        self, method: str, steps: list[str], call: dict[str, Any], query: dict[str, str]
    ) -> Answer:
        match method, steps:
            case "GET", ["health"]:
                return json_answer(200, {"systems": list(self._systems)})
            case "POST", ["reset"]:
                self._reset()
                return json_answer(200, {})
        if steps[0] not in self._systems:
            raise UnknownPathError(f"no such admin path; systems: {[*self._systems]}")
        system = self._systems[steps[0]]
        system.fill()
        own = system.own_call(method, steps[1:], call)
        if own is not None:
            return json_answer(200, own)
        match method, steps[1:]:
            case "POST", ["use"]:
                system.use_up(call)
                return json_answer(200, {})
            case _, ["settings" | "stats" | "log" | "faults", *rest]:
                return _about_system(system, method, steps[1], rest, call, query)
            case "GET", ["truth", entity, *about]:
                return _truth(system.table(entity), about, query)
            case "POST", [entity, action]:
                return json_answer(200, {"ids": _move(system, entity, action, call)})
        raise UnknownPathError("no such admin path")


def _about_system(
    system: System,
    method: str,
    subject: str,
    rest: list[str],
    call: dict[str, Any],
    query: dict[str, str],
) -> Answer:
    match method, subject, rest:
        case "GET", "settings", []:
            pass
        case "PATCH", "settings", []:
            system.configure(call)
        case "GET", "stats", []:
            return json_answer(200, system.log.statistics(system.quota.limit))
        case "DELETE", "stats", []:
            system.forget_requests()
            return json_answer(200, {})
        case "GET", "log", []:
            newest = system.log.newest(int(query.get("limit", "1000")))
            return json_answer(200, {"requests": newest})
        case _, "faults", _:
            return _faults(system, method, rest, call)
        case _:
            raise UnknownPathError("no such admin path")
    return json_answer(200, system.show_settings())


def _faults(
    system: System, method: str, rest: list[str], call: dict[str, Any]
) -> Answer:
    match method, rest:
        case "GET", []:
            return json_answer(200, {"faults": system.faults.describe()})
        case "POST", []:
            return json_answer(201, {"id": system.faults.add(call)})
        case "DELETE", []:
            system.faults.clear()
        case "DELETE", [number]:
            system.faults.remove(int(number))
        case _:
            raise UnknownPathError("no such admin path")
    return json_answer(200, {})


def _move(
    system: System, entity: str, action: str, call: dict[str, Any]
) -> list[WireId]:
    """Move records of an entity; returns their ids as the API writes them."""
    table = system.table(entity)
    if unknown := sorted(set(call) - _MOVE_KEYS):
        raise BadRequestError(
            f"unknown {', '.join(unknown)}; there are {', '.join(sorted(_MOVE_KEYS))}"
        )
    count = call.get("count", 1)
    if not isinstance(count, int) or not 0 <= count <= _MOST:
        raise BadRequestError(f"count must be a whole number from 0 to {_MOST}")
    now, rng = system.clock.now(), system.next_rng()
    keys = _moved(table, action, count, call.get("kind"), now, rng)
    return [table.blueprint.wire_id(key) for key in keys]


def _moved(
    table: Table, action: str, count: int, kind: str | None, now: datetime, rng: Random
) -> list[int]:
    match action:
        case "create":
            return table.create(count, now)
        case "change":
            return table.change(count, now, rng)
        case "delete":
            return table.delete(count, now, rng)
        case "spoil":
            return table.spoil(count, kind, now, rng)
        case "mend":
            return table.mend(now)
    raise UnknownPathError(f"no such action {action!r}")


def _truth(table: Table, about: list[str], query: dict[str, str]) -> Answer:
    match about:
        case []:
            return _lines(list(truth_lines(table, query.get("into"))))
        case ["deleted"]:
            return _lines(list(deleted_lines(table)))
        case ["known_keys"]:
            return _lines(list(key_lines(table)))
        case ["csv"]:
            return Answer(200, export(table), b"text/csv")
    raise UnknownPathError("no such admin path")


def _lines(lines: list[bytes]) -> Answer:
    return Answer(200, b"".join([line + b"\n" for line in lines]), _NDJSON)
