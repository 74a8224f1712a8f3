"""A record as JSON for the raw layer, whatever PostgreSQL thinks of its characters.

jsonb refuses NUL, lone surrogates, NaN and infinities. Such a record is stored twice:
cleaned in ``payload``, where SQL can read it, and exactly in ``payload_bytes``.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson

#: What stands in PostgreSQL for a character that it refuses.
REPLACEMENT = "\ufffd"
#: Frames that the deepest record may need beyond the usual: three for each level.
_DEPTH = 4_000
_REFUSED = re.compile("[\0\ud800-\udfff]")


class Payload(NamedTuple):
    """One record as stored.

    Attributes:
        text: JSON that jsonb accepts, keys sorted.
        exact: The exact JSON, ASCII with escapes, or None when ``text`` is exact.
        digest: SHA-256 (hex) over the exact JSON.
    """

    text: str
    exact: bytes | None
    digest: str


def encode(record: Any) -> Payload:
    """JSON of one record, with its digest."""
    try:
        body = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):  # lone surrogates, integers above 64 bits
        return _encode_odd(record)
    # What jsonb refuses, or gives back as another number: 1e+16 as an integer, -0.0 as
    # 0. orjson writes NaN and infinities as null: only then a look at the values pays.
    # One by one: a generator costs more than the looks.
    if (
        b"\\u0000" in body
        or b"e+" in body
        or b"-0.0" in body
        or (b"null" in body and _has_odd_number(record))
    ):
        return _encode_odd(record)
    return Payload(body.decode(), None, hashlib.sha256(body).hexdigest())


def decode(text: str, exact: bytes | None) -> Any:
    """The record that :func:`encode` stored."""
    return decode_exact(exact) if exact is not None else orjson.loads(text)


def decode_exact(text: str | bytes) -> Any:
    """The record of exact JSON, as rejects are kept: any characters and integers."""
    with _deep_recursion():
        return json.loads(text)


def clean(value: Any) -> Any:
    """The value with everything replaced that PostgreSQL refuses."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # Not comprehensions: each is a frame of its own, which halves the depth.
    if isinstance(value, dict):
        return dict(zip(map(clean, value), map(clean, value.values()), strict=True))
    if isinstance(value, list):
        return list(map(clean, value))
    return value


def clean_json(value: Any) -> str:
    """JSON text of the cleaned value, keys sorted."""
    return json.dumps(
        clean(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def clean_text(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return _REFUSED.sub(REPLACEMENT, text)


def _has_odd_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_odd_number, value.values()))
    return isinstance(value, list) and any(map(_has_odd_number, value))


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """The page's decoder takes some thousand levels; Python's own limit is lower."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _encode_odd(record: Any) -> Payload:
    with _deep_recursion():
        exact = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
        text = clean_json(record)
    return Payload(text, exact, hashlib.sha256(exact).hexdigest())


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can hold it."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
