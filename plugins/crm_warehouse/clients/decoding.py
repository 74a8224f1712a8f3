"""JSON bytes to Python values, tolerant to bytes and strict about completeness."""

import json
import math
from typing import Any

import orjson

from crm_warehouse.errors import TransientSourceError

#: Digits of an integer that Python turns into a number without protest.
_MAX_DIGITS = 4300


def decode_json(body: bytes, content_type: str = "") -> Any:
    """Parse one complete JSON document.

    What a sloppy source sends is kept rather than refused, for one bad value must not
    block all the others: a byte that is no UTF-8 becomes a lone surrogate (as does an
    escaped one), ``NaN``, infinities and numbers beyond a double become their text.
    Of duplicate keys the last wins. Numbers with a fraction become floats, which keep
    15 significant digits exactly: enough for money; integers beyond 64 bits become
    floats too.

    Args:
        body: The body as received, decompressed.
        content_type: The answer's ``Content-Type``; its charset is asked only when
            the body is no UTF-8.

    Raises:
        TransientSourceError: Empty, truncated, HTML, or otherwise no JSON document.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _decode_slowly(body, content_type)


def _decode_slowly(body: bytes, content_type: str) -> Any:
    start = body.lstrip()[:1]
    if not start:
        raise TransientSourceError("the body is empty")
    if start == b"<":
        raise TransientSourceError("the body is HTML or XML instead of JSON")
    try:
        return json.loads(
            _text(body, content_type),
            parse_constant=str,
            parse_float=_float_or_text,
            parse_int=_int_or_text,
        )
    except RecursionError:
        raise TransientSourceError("the JSON body is nested too deeply") from None
    except ValueError:
        raise TransientSourceError("the body is truncated, or no JSON") from None


def _text(body: bytes, content_type: str) -> str:
    """The body as text: by its byte order mark, as UTF-8, by its charset, or escaped.

    UTF-8 comes before the declared charset because valid UTF-8 is hardly ever
    anything else, while declarations are often wrong.
    """
    # The standard library's own look at the mark and the first NULs.
    encoding = json.detect_encoding(body)
    for name in (encoding, _charset(content_type)):
        try:
            return body.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return body.decode("utf-8", errors="surrogateescape")


def _charset(content_type: str) -> str:
    _, _, declared = content_type.lower().partition("charset=")
    return declared.partition(";")[0].strip(" \"'") or "utf-8"


def _float_or_text(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number


def _int_or_text(number: str) -> int | str:
    return int(number) if len(number) <= _MAX_DIGITS else number
