"""The ASGI application: admin calls, and the CRMs with quota, faults and log."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from include.sandbox import wire
from include.sandbox.activeprospect.system import ActiveProspect
from include.sandbox.admin import Admin
from include.sandbox.described import DescribedApi, read_description
from include.sandbox.drift import drifted
from include.sandbox.faults import Fault
from include.sandbox.genius.system import Genius
from include.sandbox.hubspot.system import HubSpot
from include.sandbox.log import Entry
from include.sandbox.marketsharp.system import MarketSharp
from include.sandbox.messages import Answer, Request, error_answer, parse_query
from include.sandbox.quota import admit_all
from include.sandbox.settings import Settings
from include.sandbox.system import System

#: The CRMs that this process speaks for.
SYSTEMS: tuple[type[System], ...] = (Genius, HubSpot, MarketSharp, ActiveProspect)

_ADMIN = "/_sandbox"
#: Bytes of a body; what comes beyond is thrown away, and the request refused.
_MOST_BODY = 4 * 1024 * 1024
_HTML = b"<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is to get: an answer, and what happens to it on the way."""

    answer: Answer
    faults: tuple[Fault, ...] = ()
    refused: bool = False

    def fault(self, kind: str) -> Fault | None:
        """The fault of this kind, if one strikes."""
        return next((f for f in self.faults if f.kind == kind), None)


class Sandbox:
    """All CRMs behind one port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.systems: dict[str, System] = {}
        self._described = [read_description(path) for path in settings.described]
        self.reset()
        self._admin = Admin(self.systems, self.reset)

    def reset(self) -> None:
        """Begin anew: records, clocks, quotas, faults, logs."""
        for former in self.systems.values():
            former.close()
        for system in SYSTEMS:
            self.systems[system.name] = system(self.settings)
        for told in self._described:
            self.systems[told.name] = DescribedApi(self.settings, told)

    async def __call__(
        self, scope: dict[str, Any], receive: wire.Receive, send: wire.Send
    ) -> None:
        """Answer one request."""
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=parse_query(scope["query_string"]),
            headers=scope["headers"],
            url_length=len(scope["raw_path"]) + len(scope["query_string"]) + 1,
        )
        system = self.systems.get(request.path.lstrip("/").split("/", 1)[0])
        if request.path.startswith(_ADMIN + "/"):
            request.body = await _read_body(receive)
            answer = self._admin.answer(request.path.removeprefix(_ADMIN), request)
            await wire.send_answer(send, answer, None)
        elif system is None:
            await wire.send_answer(send, error_answer(404, "no such system"), None)
        else:
            if request.method == "POST":
                request.body = await _read_body(receive)
            await self._serve(system, request, scope, receive, send)

    async def _serve(
        self,
        system: System,
        request: Request,
        scope: dict[str, Any],
        receive: wire.Receive,
        send: wire.Send,
    ) -> None:
        delay = system.faults.delay(
            request.path.removeprefix(system.root), request.query
        )
        await asyncio.sleep(delay.there)
        arrived = system.clock.now().timestamp()
        reply = _decide(system, request)
        await asyncio.sleep(delay.back)
        cut_off = reply.fault("reset") is not None
        system.log.answer(
            f"{request.method} {system.route(request.path)}",
            Entry(
                at=arrived,
                method=request.method,
                path=request.path,
                query=request.query,
                status=None if cut_off else reply.answer.status,
                faults=delay.numbers + tuple(each.number for each in reply.faults),
                refused=reply.refused,
            ),
        )
        date = system.clock.date_header()
        if cut_off:
            await wire.reset(scope, receive)
        elif half := reply.fault("truncate"):
            length = half.options.get("length", "full")
            await wire.send_half(scope, receive, reply.answer, date, length)
        else:
            shown = None if reply.fault("no_date") else date
            await wire.send_answer(send, reply.answer, shown)


def _decide(system: System, request: Request) -> Reply:
    """Check credentials and quota, let faults strike, answer."""
    if system.is_open(request):
        return _answer(system, request)
    now = time.monotonic()
    quotas = system.quotas_of(request)
    for name, quota in quotas.items():
        system.log.arrive(now, quota.limit.per_seconds, name)
    if not system.is_authorized(request):
        return Reply(system.refuse_credentials(request))
    if len(request.body) > _MOST_BODY:
        return Reply(error_answer(413, "the body is too large"))
    refusal = admit_all(quotas, now)
    if refusal is not None:
        system.log.refuse(refusal.quota)
        return Reply(system.refuse_quota(request, refusal), refused=True)
    return _answer(system, request)


def _answer(system: System, request: Request) -> Reply:
    """Let faults strike, answer."""
    faults = system.faults.strike(request.path.removeprefix(system.root), request.query)
    for fault in faults:
        stand_in = _stand_in(system, fault)
        if stand_in is not None:
            return Reply(stand_in, tuple(faults))
    answer = drifted(system.answer(request, faults), faults)
    return Reply(answer, tuple(faults))


def _stand_in(system: System, fault: Fault) -> Answer | None:
    """What a fault answers instead of the CRM, or None when it lets it answer."""
    options = fault.options
    if fault.kind == "html":
        return Answer(options.get("status", 200), _HTML, b"text/html; charset=utf-8")
    if fault.kind == "empty":
        return Answer(options.get("status", 200), b"")
    if fault.kind != "status":
        return None
    answer = error_answer(options.get("status", 503), "fault switched on by a test")
    if "body" in options:
        answer.body = options["body"].encode()
    if "retry_date" in options:
        moment = system.clock.now() + timedelta(seconds=options["retry_date"])
        value = format_datetime(moment, usegmt=True)
        answer.headers.append((b"retry-after", value.encode()))
    elif "retry_after" in options:
        value = str(options["retry_after"])
        answer.headers.append((b"retry-after", value.encode("latin-1")))
    return answer


async def _read_body(receive: wire.Receive) -> bytes:
    """The body, or more than the most that is allowed of it."""
    body = bytearray()
    while True:
        message = await receive()
        if len(body) <= _MOST_BODY:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
