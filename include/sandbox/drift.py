"""Answers whose fields are not what they were: renamed, dropped, of another type."""

import json
import re
from typing import Any

from include.sandbox.faults import DRIFTS, Fault
from include.sandbox.messages import Answer


def drifted(answer: Answer, faults: list[Fault]) -> Answer:
    """The answer after every fault of ``DRIFTS``; errors stay as they are."""
    for fault in faults:
        if fault.kind in DRIFTS and answer.status < 400:
            in_xml = b"xml" in answer.content_type
            answer.body = (_in_xml if in_xml else _in_json)(answer.body, fault)
    return answer


def _in_json(body: bytes, fault: Fault) -> bytes:
    changed = _changed(json.loads(body), fault)
    return json.dumps(changed, separators=(",", ":")).encode()


def _changed(value: Any, fault: Fault) -> Any:
    """The value with the field changed in every object, at any depth."""
    if isinstance(value, list):
        return [_changed(each, fault) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, each in value.items():
        if key != fault.options["field"]:
            changed[key] = _changed(each, fault)
        elif fault.kind == "rename_field":
            changed[fault.options["to"]] = each
        elif fault.kind == "retype_field":
            changed[key] = {"value": each}
    return changed


def _in_xml(body: bytes, fault: Fault) -> bytes:
    prefix = rb"(?:\w+:)?"  # which a feed's elements have
    name = re.escape(fault.options["field"].encode())
    if fault.kind == "rename_field":
        to = fault.options["to"].encode()
        return re.sub(rb"(</?%b)%b(?=[\s/>])" % (prefix, name), rb"\g<1>" + to, body)
    name = prefix + name
    empty, whole = rb"<%b(?:\s[^>]*)?/>" % name, rb"<%b(?:\s[^>]*)?>(.*?)</%b>"
    if fault.kind == "drop_field":
        pattern = empty + b"|" + whole % (name, name)
        return re.sub(pattern, b"", body, flags=re.DOTALL)
    nested = rb"<\g<1>><Value>\g<2></Value></\g<1>>"
    pattern = rb"<(%b)>(.*?)</%b>" % (name, name)
    return re.sub(pattern, nested, body, flags=re.DOTALL)
