"""MarketSharp records as XML elements, and back.

A record is a dict: text is an element, empty text an empty element, None an absent one,
a list a repeated element, a dict an element of named ``<Field>`` elements.
"""

from html import escape
from typing import Any
from xml.etree import ElementTree

from include.sandbox.records import Fields

DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>'


def render(element: str, fields: Fields) -> bytes:
    """The record as one element."""
    children = "".join([_child(name, value) for name, value in fields.items()])
    return f"<{element}>{children}</{element}>".encode()


def parse(body: bytes) -> Fields:
    """Fields of a record that :func:`render` wrote."""
    fields: Fields = {}
    for child in ElementTree.fromstring(body):  # noqa: S314  (our own bytes)
        value: Any = child.text or ""
        if len(child):
            value = {field.attrib["name"]: field.text or "" for field in child}
        if child.tag in fields:
            before = fields[child.tag]
            value = [*before, value] if isinstance(before, list) else [before, value]
        fields[child.tag] = value
    return fields


def render_problem(message: str) -> bytes:
    """Document that says what is wrong."""
    return DECLARATION + render("Error", {"Message": message})


def _child(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join([_child(name, one) for one in value])
    if isinstance(value, dict):
        inner = "".join(
            [f'<Field name="{escape(k)}">{_text(v)}</Field>' for k, v in value.items()]
        )
        return f"<{name}>{inner}</{name}>"
    return f"<{name}>{_text(value)}</{name}>" if value else f"<{name}/>"


def _text(value: str) -> str:
    """Escaped text; what looks like markup goes as CDATA, as editors save it."""
    if "<" in value and "]]>" not in value:
        return f"<![CDATA[{value}]]>"
    return escape(value, quote=False)
