"""Documents that a careless XML reader pays for: XML faults of the MarketSharp API."""

from collections.abc import Callable

_MANY = 2_000_000
_DEEP = 100_000


def attack(form: str, page: bytes, root: str, element: str) -> bytes:
    """A document to send instead of a page.

    Args:
        form: One of ``faults.XML_ATTACKS``.
        page: What the right answer is.
        root: Name of the page's root element.
        element: Name of a record's element.
    """
    return _FORMS[form](page, root.encode(), element.encode())


def _document(root: bytes, element: bytes, inner: bytes, types: bytes = b"") -> bytes:
    """A list of one record, with ``inner`` in its status."""
    declared = b"<!DOCTYPE %b [%b]>" % (root, types) if types else b""
    record = b"<%b><ID>1</ID><Status>%b</Status></%b>" % (element, inner, element)
    return b'<?xml version="1.0"?>%b<%b>%b</%b>' % (declared, root, record, root)


def _external_entity(_page: bytes, root: bytes, element: bytes) -> bytes:
    types = b'<!ENTITY file SYSTEM "file:///etc/passwd">'
    return _document(root, element, b"&file;", types)


def _entity_bomb(_page: bytes, root: bytes, element: bytes) -> bytes:
    """Ten levels of ten entities each: ten thousand million words."""
    types = [b'<!ENTITY e0 "word ">']
    types += [
        b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 11)
    ]
    return _document(root, element, b"&e10;", b"".join(types))


def _doctype(page: bytes, root: bytes, _element: bytes) -> bytes:
    return page.replace(b"?>", b"?><!DOCTYPE %b>" % root, 1)


def _many_elements(_page: bytes, root: bytes, element: bytes) -> bytes:
    return _document(root, element, b"<e/>" * _MANY)


def _nul(_page: bytes, root: bytes, element: bytes) -> bytes:
    return _document(root, element, b"Pros\x00pect")


def _utf16(page: bytes, _root: bytes, _element: bytes) -> bytes:
    """The right page in another encoding, which its byte order mark announces."""
    return page.decode().replace('"utf-8"', '"utf-16"', 1).encode("utf-16")


def _deep_nesting(_page: bytes, root: bytes, element: bytes) -> bytes:
    return _document(root, element, b"<d>" * _DEEP + b"</d>" * _DEEP)


_FORMS: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {
    "external_entity": _external_entity,
    "entity_bomb": _entity_bomb,
    "doctype": _doctype,
    "many_elements": _many_elements,
    "nul": _nul,
    "utf16": _utf16,
    "deep_nesting": _deep_nesting,
}
