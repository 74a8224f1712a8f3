"""A lead as it is delivered: one record as JSON, as a form, or as XML."""

from random import Random
from typing import Any
from urllib.parse import urlencode

from lxml import etree

from include.sandbox.records import Fields, parse_json

FORMS = ("json", "form", "xml")
#: Content type and body.
Sent = tuple[str, bytes]


def deliver(body: bytes, form: str, rng: Random) -> Sent:
    """The record in one of the forms; as JSON where the form cannot hold it."""
    if form == "form":
        fields = _flat(parse_json(body), dotted=rng.random() < 0.5)
        encoded = urlencode(fields, errors="replace").encode()
        return "application/x-www-form-urlencoded", encoded
    if form == "xml":
        root = etree.Element("delivery")
        try:
            _add(root, parse_json(body))
        except ValueError:  # a letter or a name that XML does not have
            return "application/json", body
        return "application/xml", etree.tostring(root, encoding="utf-8")
    return "application/json", body


def spoil(sent: Sent, rng: Random) -> Sent:
    """A delivery that holds no lead any more: cut off, emptied, or something else."""
    content_type, body = sent
    if content_type == "application/x-www-form-urlencoded":
        return content_type, b"lead"  # a name, and no value
    return content_type, rng.choice((body[: len(body) // 2], b"<html>", b" "))


def _flat(fields: Fields, *, dotted: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            found += [
                (f"{name}.{inner}" if dotted else _bracketed(name, inner), text)
                for inner, text in _flat(value, dotted=dotted)
            ]
        elif isinstance(value, list):
            found += [(f"{name}[]", _text(each)) for each in value]
        else:
            found.append((name, _text(value)))
    return found


def _bracketed(outer: str, inner: str) -> str:
    first, *rest = inner.split("[", 1)
    return f"{outer}[{first}]" + "".join(f"[{each}" for each in rest)


def _add(element: etree._Element, fields: Fields) -> None:
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            child = etree.SubElement(element, name)
            if isinstance(each, dict):
                _add(child, each)
            else:
                child.text = _text(each)


def _text(value: Any) -> str:
    """A value as templates write it; nothing for nothing."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
