"""ActiveProspect's deliveries: whole leads, as JSON, as a form, or as XML.

Whoever sets a delivery up chooses its fields one by one. So each form is turned into
the record that the API would send; what it does not name, it does not say. A form and
XML write null as no text, so that is what no text becomes.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial, reduce
from typing import Any
from urllib.parse import parse_qsl

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.json_elements import split_array
from crm_warehouse.clients.webhook_events import (
    MOST_LEVELS,
    MalformedDeliveryError,
    WebhookEvent,
    all_of,
    is_deeper,
)
from crm_warehouse.errors import TransientSourceError

#: Entities of which deliveries carry records.
CARRIED = frozenset({"leads"})
_LEADS = "leads"
_EVENT_TYPE = "lead.delivery"
#: Fields of one form. A lead has some hundred.
_MOST_FIELDS = 10_000
#: Objects inside each other that the name of a field makes.
_MOST_STEPS = 20
#: The longest id that the warehouse keeps.
_LONGEST_ID = 512
#: Where the text of what has fields, too, stands, as in XML.
_TEXT = "#text"
_STEP = re.compile(r"[^.\[\]]+")

Fields = dict[str, Any]


def parse_deliveries(
    body: bytes,
    *,
    content_type: str,
    shape: Callable[[Fields], Fields],
    id_path: Sequence[str],
    **_: Any,
) -> list[WebhookEvent]:
    """Events of one delivery; see :class:`WebhookParser`. Each carries a lead.

    Args:
        body: The body as received, decompressed.
        content_type: Says which of the three forms it has.
        shape: Makes the API's record of what was delivered.
        id_path: Where such a record has its id, as the mapping of leads has it.

    Raises:
        MalformedDeliveryError: There is no lead in it, or too many are.
    """
    try:
        delivered = _decode(body, content_type)
    except (TransientSourceError, ValueError, RecursionError) as error:
        told = isinstance(error, TransientSourceError)
        reason = str(error) if told else "is no form"
        raise MalformedDeliveryError(f"the delivery: {reason}") from None
    if not isinstance(delivered, dict | list):
        raise MalformedDeliveryError("the delivery is no lead, nor a list of leads")
    records = delivered if isinstance(delivered, list) else [delivered]
    return all_of(_event(record, shape, id_path) for record in records)


def as_specified(lead: Fields) -> Fields:
    """The record of the API as its owner specified it."""
    if _id(lead.get("id")) is None and (own := _id(_inside(lead, "lead").get("id"))):
        return {**lead, "id": own}
    return lead


def as_leadconduit(lead: Fields) -> Fields:
    """The ``source`` event that LeadConduit records when it is done with a lead."""
    variables = _inside(lead, "vars")
    if _id(_inside(variables, "lead").get("id")) is not None:
        return lead
    rest = {k: v for k, v in lead.items() if k not in ("id", "lead", "source", "vars")}
    form = {**_inside(lead, "lead"), **_inside(variables, "lead")}
    if own := _id(form.get("id")) or _id(lead.get("id")):
        form["id"] = own
    source = {"source": lead["source"]} if "source" in lead else {}
    return {**rest, "vars": {**source, **variables, "lead": form}}


#: As specified, and as the real service has it.
parse_specified = partial(parse_deliveries, shape=as_specified, id_path=("id",))
parse_leadconduit = partial(
    parse_deliveries, shape=as_leadconduit, id_path=("vars", "lead", "id")
)


def _decode(body: bytes, content_type: str) -> Any:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _form(body)
    if kind.endswith(("/xml", "+xml")):
        # Only here, so that DAG files parse without its library.
        from crm_warehouse.clients.xml_decoding import decode_xml

        return _below_root(_nulls(decode_xml(body, content_type)))
    try:
        return decode_json(body, content_type)
    except (TransientSourceError, RecursionError):
        elements = split_array(body)
        if elements is None:
            raise
    return [_element(each, content_type) for each in elements]


def _element(element: bytes, content_type: str) -> Any:
    """One element of an array that cannot be read as a whole; itself if it cannot."""
    try:
        return decode_json(element, content_type)
    except (TransientSourceError, RecursionError):
        return element


def _form(body: bytes) -> Fields:
    """Fields by the paths that their names are: ``lead.email``, ``lead[email]``.

    A name that comes again makes a list.

    Raises:
        TransientSourceError: It is empty.
        ValueError: It is no form.
    """
    text = body.decode("utf-8", "surrogateescape").strip()
    if not text:
        raise TransientSourceError("the body is empty")
    fields = parse_qsl(
        text,
        keep_blank_values=True,
        strict_parsing=True,
        errors="surrogateescape",
        max_num_fields=_MOST_FIELDS,
    )
    record: Fields = {}
    for name, value in fields:
        _put(record, name, value or None)
    return record


def _put(record: Fields, name: str, value: str | None) -> None:
    """Put a value where its name says; beside fields of that name, as their text."""
    steps = _STEP.findall(name)
    if not 0 < len(steps) <= _MOST_STEPS:
        steps = [name]
    holder, last = record, steps[-1]
    for step in steps[:-1]:
        inner = holder.get(step)
        if not isinstance(inner, dict):
            inner = holder[step] = {} if step not in holder else {_TEXT: inner}
        holder = inner
    if isinstance(holder.get(last), dict):
        holder, last = holder[last], _TEXT
    if last not in holder:
        holder[last] = value
    elif isinstance(holder[last], list):
        holder[last].append(value)
    else:
        holder[last] = [holder[last], value]


def _nulls(value: Any) -> Any:
    """The value with null in place of no text."""
    if isinstance(value, dict):
        return {key: _nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_nulls(each) for each in value]
    return None if value == "" else value


def _below_root(document: Fields) -> Any:
    """The record, or the records, of an XML document, whatever its root is called."""
    [root] = document.values()
    if not isinstance(root, dict) or "id" in root:
        return root
    elements = [value for key, value in root.items() if not key.startswith(("@", "#"))]
    if len(elements) != 1:
        return root
    [only] = elements
    if isinstance(only, list):
        return only
    is_record = isinstance(only, dict) and isinstance(only.get("lead"), dict)
    return [only] if is_record else root


def _event(
    record: Any, shape: Callable[[Fields], Fields], id_path: Sequence[str]
) -> WebhookEvent:
    shaped = shape(record) if isinstance(record, dict) else {}
    *steps, last = id_path
    source_id = _id(reduce(_inside, steps, shaped).get(last))
    updated = shaped.get("updated")
    problem = _problem(record, shaped)
    return WebhookEvent(
        event_type=_EVENT_TYPE,
        entity_type=_LEADS,
        object_id=source_id,
        event_id=None,
        occurred_at=_moment(updated),
        # The delivery has the rest: a person's data need not stand here, too.
        payload={} if source_id is None else {"id": source_id},
        dedupe_key=None,
        problem=problem,
        record=record if problem else shaped,
    )


def _problem(record: Any, shaped: Fields) -> str | None:
    """Why what was delivered can never be merged, or None."""
    if isinstance(record, bytes):
        return "is nested too deeply, or no JSON"
    if not isinstance(record, dict):
        return "is not an object"
    if is_deeper(shaped, MOST_LEVELS):
        return f"is nested more than {MOST_LEVELS} levels deep"
    return None


def _inside(holder: Fields, key: str) -> Fields:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> str | None:
    """An id as text, or None when it is none that a record can be known by."""
    if type(value) is int:
        return str(value)
    usable = type(value) is str and 0 < len(value) <= _LONGEST_ID
    return value if usable and value.isprintable() else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
