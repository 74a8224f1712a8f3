"""XML bytes to Python values: tolerant to letters, deaf to everything XML can do.

No document type is read, so there are no entities, no external files and no network;
what costs out of proportion is refused by its bytes, before a parser sees it.
"""

import re
from typing import Any

from lxml import etree

from crm_warehouse.errors import TransientSourceError

#: A page of 50 records has some twenty kilobytes.
MAX_BODY_BYTES = 8 * 1024 * 1024
#: Elements and attributes of one document. A page of 50 records has some hundreds.
MAX_MARKUP = 200_000
#: Elements inside each other.
MAX_DEPTH = 100
#: Attributes of one element: to list them takes the square of their number.
MAX_ATTRIBUTES = 100

_UTF8 = "utf-8"
#: Declared encoding -> codec. All are ASCII with more letters, so that the bytes of a
#: declaration mean the same in each, to us as to the parser.
_CODECS = {
    "utf-8": _UTF8,
    "utf8": _UTF8,
    "us-ascii": _UTF8,
    "ascii": _UTF8,
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([^"'>]{0,40})""")
_HTML_OR_TYPED = re.compile(rb"<(?:!doctype|html)\b", re.IGNORECASE)
_SPACES = re.compile(rb"[ \t\r\n]*")
_NIL = (
    "{http://www.w3.org/2001/XMLSchema-instance}nil",
    "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}null",
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: Letters that XML forbids, other than what stands for a byte that is no UTF-8.
_FORBIDDEN = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF]
_REPAIRS = {
    **dict.fromkeys(_FORBIDDEN, _REPLACEMENT),
    **{0xDC00 + n: bytes([n]).decode("cp1252", "replace") for n in range(0x80, 0x100)},
}
_REFERENCE = re.compile(r"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,8}));")


def decode_xml(body: bytes, content_type: str = "") -> Any:
    """Parse one complete XML document.

    An element with children becomes an object of them by their local names; one that
    is repeated becomes a list. Attributes stand under ``@name``, the text of an element
    that has attributes or children under ``#text``. Any other element is its text as
    sent, ``""`` when empty. ``xsi:nil`` and ``m:null`` make None.

    Letters that XML forbids become U+FFFD; bytes that are no UTF-8 are read as
    Windows-1252: one of them must not block all other records.

    Args:
        body: The body as received, decompressed.
        content_type: The answer's ``Content-Type``; its charset counts when the
            document declares none.

    Returns:
        An object with the root element's name as its only key.

    Raises:
        TransientSourceError: Truncated, no XML, or beyond what we read; says which.
    """
    body = body.removeprefix(_BOM).strip(_SPACE)
    codec = _CODECS.get(_declared_encoding(body, content_type))
    _check(body, codec)
    root = _parse(body, codec or _UTF8)
    return {_local(root.tag): _value(root, 1)}


def _check(body: bytes, codec: str | None) -> None:
    """Refuse by its bytes what no parser shall see."""
    if not body:
        raise TransientSourceError("the body is empty")
    if len(body) > MAX_BODY_BYTES:
        raise TransientSourceError(
            f"the XML body is larger than {MAX_BODY_BYTES} bytes: lower batch_size"
        )
    if b"\0" in body:
        raise TransientSourceError("the body holds NUL: UTF-16, UTF-32 or no XML")
    if not body.startswith(b"<"):
        raise TransientSourceError("the body is no XML in an encoding that we read")
    if codec is None:
        raise TransientSourceError(
            "the XML body is declared in an encoding that we do not read: UTF-8, "
            "US-ASCII, ISO-8859-1 and Windows-1252 are"
        )
    # Fewer bytes cannot hold so many, and counting shows.
    if len(body) > MAX_MARKUP and _markup(body) > MAX_MARKUP:
        raise TransientSourceError(
            f"the XML body has more than {MAX_MARKUP} elements and attributes: lower "
            f"batch_size"
        )
    _check_prolog(body)


def _markup(body: bytes) -> int:
    """At least as many as the document has elements and attributes."""
    return body.count(b"<") - body.count(b"</") + body.count(b"=")


def _check_prolog(body: bytes) -> None:
    """Look at what stands before the root element.

    Behind its start a document type is text, or an error to every parser.
    """
    at = 0
    while True:
        if body.startswith(b"<?", at):
            end = body.find(b"?>", at + 2) + 2
        elif body.startswith(b"<!--", at):
            end = body.find(b"-->", at + 4) + 3
        elif _HTML_OR_TYPED.match(body, at):
            raise TransientSourceError("the body is HTML, or XML with a document type")
        elif body.startswith(b"<!", at):
            raise TransientSourceError("the XML body begins with a declaration")
        else:
            return
        if end < at + 4:
            raise TransientSourceError("the body is truncated, or no XML")
        at = _SPACES.match(body, end).end()  # type: ignore[union-attr]


def _declared_encoding(body: bytes, content_type: str) -> str:
    if found := _DECLARED.match(body):
        return found[1].decode("ascii", "replace").lower()
    _, _, declared = content_type.lower().partition("charset=")
    return declared.partition(";")[0].strip(" \"'") or _UTF8


def _parse(body: bytes, codec: str) -> etree._Element:
    try:
        clean = body if codec == _UTF8 else body.decode(codec).encode()
        return etree.fromstring(clean, _parser())
    except (etree.XMLSyntaxError, UnicodeDecodeError):
        pass
    try:
        return etree.fromstring(_cleaned(body, codec), _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        # The parser's own words may hold names out of the document.
        reason = (
            "nested too deeply, or holds too long a text"
            if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT  # type: ignore[attr-defined]
            else "truncated, or no XML"
        )
        raise TransientSourceError(
            f"the body is {reason} (line {line}, column {column})"
        ) from None


def _parser() -> etree.XMLParser:
    """A parser that reads UTF-8 and nothing but the bytes it is given."""
    return etree.XMLParser(
        encoding=_UTF8,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _cleaned(body: bytes, codec: str) -> bytes:
    """The document in UTF-8, without what XML forbids."""
    # UTF-8 escapes what it cannot read, the others replace it.
    errors = "surrogateescape" if codec == _UTF8 else "replace"
    text = body.decode(codec, errors).translate(_REPAIRS)
    return _REFERENCE.sub(_allowed_reference, text).encode()


def _allowed_reference(reference: re.Match[str]) -> str:
    hexadecimal, decimal = reference.groups()
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000 or code in _REPAIRS:
        return _REPLACEMENT
    return reference[0]


def _value(element: etree._Element, depth: int) -> Any:
    """What an element becomes; ``depth`` is its own, the root's being 1."""
    if depth > MAX_DEPTH:
        raise TransientSourceError(
            f"the XML body is nested deeper than {MAX_DEPTH} elements"
        )
    value: dict[str, Any] = {}
    if names := element.keys():
        if any(element.get(name) in ("true", "1") for name in _NIL):
            return None
        value = _attributes(element, len(names))
    if not len(element):
        text = element.text or ""
        return {**value, "#text": text} if value else text
    if own := _add_children(value, element, depth):
        value["#text"] = own
    return value


def _attributes(element: etree._Element, count: int) -> dict[str, Any]:
    if count > MAX_ATTRIBUTES:
        raise TransientSourceError(
            f"an XML element has more than {MAX_ATTRIBUTES} attributes"
        )
    return {f"@{_local(str(name))}": text for name, text in element.items()}


def _add_children(value: dict[str, Any], element: etree._Element, depth: int) -> str:
    """Put an element's children into its value; return the text around them."""
    texts = [element.text or ""]
    lists: set[str] = set()
    for child in element:
        name = child.tag
        if "}" in name:
            name = _local(name)
        item = (
            _value(child, depth + 1)
            if len(child) or child.keys()
            else child.text or ""  # most elements, so without a call
        )
        if name not in value:
            value[name] = item
        elif name in lists:
            value[name].append(item)
        else:
            value[name] = [value[name], item]
            lists.add(name)
        if tail := child.tail:
            texts.append(tail)
    # Between elements white space is layout.
    return "".join([text for text in texts if not text.isspace()])


def _local(name: str) -> str:
    return name.rpartition("}")[2]
