"""Events as the real service, LeadConduit, writes them, made of the same records.

https://developers.activeprospect.com/api-reference/leads/list-all-events
"""

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from include.sandbox.clock import iso_milliseconds, parse_moment
from include.sandbox.records import Fields

#: Middle of the ids of the two machines that write events.
LEAD_MACHINE, STEP_MACHINE = "5eadc0de01", "57e9c0de02"
_COUNTER = 0xFFFFFF
_FULL_PHONE = 10

#: Outcomes of filters, which have words of their own.
_FILTERED = {"success": "continue", "skip": "skip", "failure": "stop", "error": "error"}


def event_id(created: float, machine: str, key: int) -> str:
    """An id that begins with the second of its making, as MongoDB's do.

    https://www.mongodb.com/docs/manual/reference/bson-types/#objectid
    """
    return f"{int(created):08x}{machine}{key & _COUNTER:06x}"


def source_event(lead: Fields, key: int, created: float) -> Fields:
    """The event that says what became of a lead: recorded after all its steps.

    Args:
        lead: The lead, as the specified API sends it.
        key: Its number.
        created: When it was last changed, Unix seconds.
    """
    rng = Random(f"flow/{key}")
    source = lead.get("source")
    price = lead.get("price")
    event: Fields = {
        "id": event_id(created, LEAD_MACHINE, key),
        "outcome": lead.get("outcome") or lead.get("status"),
        "reason": None,
        "type": "source",
        "vars": {
            **_of_lead(lead, key),
            **({} if source is None else {"source": source}),
            "flow": {"id": "66000000f10f10f10f000001", "name": "Roofing requests"},
        },
        "host": "app.example.com",
        "start_timestamp": _milliseconds(lead.get("created")),
        "end_timestamp": _milliseconds(lead.get("updated")),
        "ms": rng.randrange(20, 3_000),
        "version": "1.9.0",
        "module_id": "leadconduit-default.inbound",
        "step_count": 2,
    }
    if "price" in lead:
        event["purchase_price"] = (
            _shown(price, rng) if isinstance(price, str) else price
        )
    return event


def step_event(step: Fields, lead: Fields | None, key: int, created: float) -> Fields:
    """The event of one step of a lead.

    Args:
        step: The event, as the specified API sends it.
        lead: The lead it belongs to, as there; None: there is none.
        key: The event's number.
        created: When it was last changed, Unix seconds.
    """
    kind, outcome, name = _kind(step["type"], key), step["outcome"], step["step_name"]
    event: Fields = {
        "id": event_id(created, STEP_MACHINE, key) if step.get("id") else None,
        "outcome": _FILTERED[outcome] if kind == "filter" else outcome,
        "reason": step["reason"],
        "type": kind,
        "vars": {"lead": {"id": step["lead_id"]}}
        if lead is None
        else _of_lead(lead, key),
        "step_id": f"66000000573957395700000{key % 3}",
        "start_timestamp": _milliseconds(step.get("created")),
        "end_timestamp": _milliseconds(step.get("updated")),
        "appended": step["appended"],
    }
    if kind == "filter":
        event["description"] = name
    else:
        event["vars"]["recipient"] = {"id": "66000000ec1ec1ec1e000001", "name": name}
    return event


def unify_event(event: Fields) -> Fields:
    """What the warehouse must make of an event."""
    started = _instant(event["start_timestamp"])
    return {
        "source_id": event["id"],
        "lead_source_id": event["vars"]["lead"]["id"],
        "type": event["type"],
        "outcome": event["outcome"],
        "reason": event["reason"],
        "step": _step_name(event),
        "occurred_at": started,
        "source_created_at": started,
        "source_updated_at": _instant(event["end_timestamp"]),
    }


def _step_name(event: Fields) -> str:
    """The recipient's name; a filter has only a description, a source its module."""
    recipient: Fields = event["vars"].get("recipient", {})
    name: str = recipient.get("name") or event.get("description") or event["module_id"]
    return name


def _kind(specified: str, key: int) -> str:
    """The real service's word for a kind of step."""
    if specified == "feedback":
        return "feedback-received" if key % 2 else "feedback-sent"
    return "retry" if specified == "recipient" and key % 7 == 0 else specified


def _of_lead(lead: Fields, key: int) -> Fields:
    """``vars.lead``, whose values are plain, or objects of one of several forms."""
    rng = Random(f"form/{key}")
    form: Mapping[str, Any] = lead["lead"]
    shown = {name: _shown(value, rng, name) for name, value in form.items()}
    return {"lead": {"id": lead.get("id"), **shown}}


def _shown(value: Any, rng: Random, name: str = "") -> Any:
    """A value plain, or inside an object that tells more about it."""
    draw = rng.random()
    if draw < 0.4 or value is None:
        return value
    if name == "phone_1" and len(value) == _FULL_PHONE and value.isdecimal():
        return _phone(value, rng)
    if draw < 0.6:
        return {"value": value}
    return {"raw": f" {value}", "normal": value, "valid": True}


def _phone(digits: str, rng: Random) -> Fields:
    """A number whole, or taken apart: then ``number`` lacks the area code.

    https://github.com/activeprospect/leadconduit-types, lib/types/phone.js
    """
    if rng.random() < 0.5:
        return {"number": digits, "valid": True}
    return {
        "prefix": "1",
        "raw": f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
        "area": digits[:3],
        "exchange": digits[3:6],
        "line": digits[6:],
        "number": digits[3:],
        "normal": digits,
        "country_code": "US",
        "valid": True,
    }


def _milliseconds(text: Any) -> Any:
    """Unix milliseconds of an ISO 8601 text; anything else stays as it is."""
    moment = parse_moment(text)
    return text if moment is None else round(moment.timestamp() * 1_000)


def _instant(value: Any) -> str | None:
    if not isinstance(value, int):
        return None
    return iso_milliseconds(datetime.fromtimestamp(value / 1_000).astimezone())
