"""LeadConduit's list of events: what the real service of ActiveProspect has.

It is a log: what a record became later is another event, and nothing is ever changed or
deleted; after a while it is forgotten.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from include.sandbox.activeprospect.flow_events import (
    LEAD_MACHINE,
    STEP_MACHINE,
    event_id,
    source_event,
    step_event,
    unify_event,
)
from include.sandbox.activeprospect.ids import key_of
from include.sandbox.clock import Clock, parse_moment
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.messages import Answer, Request, error_answer
from include.sandbox.parameters import whole_number
from include.sandbox.records import Fields, Record, parse_json, render_json
from include.sandbox.table import Table
from include.sandbox.truth import storable

ROOT = "/activeprospect/leadconduit"
PATH = ROOT + "/events"
_MOST_PER_PAGE, _USUAL_PER_PAGE = 1_000, 100
_PARAMETERS = {"start", "end", "limit", "sort", "after_id", "before_id"}
_ID = re.compile("[0-9a-fA-F]{24}")
_DAY_SECONDS = 86_400.0
_by_id = attrgetter("id")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One event.

    Attributes:
        id: Its place in the log, also where the event itself lacks it.
        created: When it was recorded, Unix seconds.
        body: The event as it is sent.
    """

    id: str
    created: float
    body: bytes


class LeadConduit:
    """The log, and who asks for it.

    Args:
        leads: Each makes a source event, and another when it changes.
        steps: Each that is no ``source`` makes an event, likewise.
        clock: Tells what is forgotten.
    """

    def __init__(self, leads: Table, steps: Table, clock: Clock) -> None:
        self._leads, self._steps, self._clock = leads, steps, clock
        #: Days that an event is kept; None: for ever.
        self.horizon_days: float | None = None
        self._log: list[_Entry] = []
        self._logged: set[str] = set()
        self._views: dict[str, list[Record]] = {}

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Events."""
        if request.path != PATH:
            return error_answer(404, "no such path")
        if request.method != "GET":
            return error_answer(405, "only GET is allowed")
        if b"application/json" not in request.header(b"accept"):
            return error_answer(406, "accept application/json")
        try:
            return self._list(request.query, faults)
        except BadRequestError as error:
            return error_answer(400, str(error))

    def truth(self) -> list[Fields]:
        """Rows that the warehouse must have of all events that are kept."""
        rows = [unify_event(parse_json(each.body)) for each in self._kept()]
        return [
            {column: storable(value) for column, value in row.items()}
            for row in rows
            if row["source_id"]
        ]

    def _list(self, query: Mapping[str, str], faults: list[Fault]) -> Answer:
        if unknown := sorted(set(query) - _PARAMETERS):
            raise BadRequestError(f"unknown parameter {unknown[0]}")
        limit = whole_number(query, "limit", _USUAL_PER_PAGE, _MOST_PER_PAGE)
        order = query.get("sort", "desc")
        if order not in ("asc", "desc"):
            raise BadRequestError("sort must be asc or desc")
        kinds = {fault.kind for fault in faults}
        after, before = _id(query, "after_id"), _id(query, "before_id")
        start, end = _moment(query, "start"), _moment(query, "end")
        found = [
            each
            for each in self._kept()
            if (start is None or each.created >= start)
            and (end is None or each.created <= end)
            and (before is None or each.id < before)
        ]
        begin = 0 if after is None else bisect_left(found, after + "~", key=_by_id)
        if "loop" in kinds:
            begin = 0
        elif "repeat_page" in kinds:
            begin = max(0, begin - limit)
        shown = found[begin:]
        if order == "desc":
            shown.reverse()
        shown = shown[: limit // 2 or 1 if "short_page" in kinds else limit]
        if "empty_page" in kinds:
            shown = []
        return Answer(200, b"[%b]" % b",".join([each.body for each in shown]))

    def _kept(self) -> Iterator[_Entry]:
        """The events that are not forgotten, in the order of their ids."""
        self._write_log()
        if self.horizon_days is None:
            yield from self._log
            return
        oldest = self._clock.now().timestamp() - self.horizon_days * _DAY_SECONDS
        yield from (each for each in self._log if each.created >= oldest)

    def _write_log(self) -> None:
        """Add what records became since."""
        for table, machine in (
            (self._leads, LEAD_MACHINE),
            (self._steps, STEP_MACHINE),
        ):
            records = table.view(None)
            if records is self._views.get(machine):
                continue
            self._views[machine] = records
            for record in records:
                place = event_id(record.modified, machine, record.key)
                if place not in self._logged:
                    self._logged.add(place)
                    self._add(place, record, machine)

    def _add(self, place: str, record: Record, machine: str) -> None:
        fields = parse_json(record.body)
        if machine == LEAD_MACHINE:
            event = source_event(fields, record.key, record.modified)
        elif fields["type"] == "source":
            return  # its lead's source event tells the same
        else:
            lead = self._lead_of(fields)
            event = step_event(fields, lead, record.key, record.modified)
        entry = _Entry(place, record.modified, render_json(event))
        insort(self._log, entry, key=_by_id)

    def _lead_of(self, step: Fields) -> Fields | None:
        record = self._leads.live.get(key_of(step["lead_id"]))
        return None if record is None else parse_json(record.body)


def _id(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if text is not None and not _ID.fullmatch(text):
        raise BadRequestError(f"{name} must be 24 hexadecimal digits")
    return None if text is None else text.lower()


def _moment(query: Mapping[str, str], name: str) -> float | None:
    if name not in query:
        return None
    moment = parse_moment(query[name])
    if moment is None:
        raise BadRequestError(f"{name} must be ISO 8601")
    return moment.timestamp()


def late(leads: Table, clock: Clock, call: Mapping[str, Any]) -> list[int]:
    """Add leads whose events were recorded a while ago, and show only now.

    Raises:
        BadRequestError: The call is not ``count`` and ``seconds``.
    """
    count, seconds = call.get("count", 1), call.get("seconds", 0)
    if set(call) - {"count", "seconds"} or not isinstance(count, int):
        raise BadRequestError("takes count, a whole number, and seconds")
    return leads.create(count, clock.ago(float(seconds)))
