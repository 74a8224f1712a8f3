"""What a saved answer of an API shows of its records and pages."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.listing import value_at
from crm_warehouse.errors import ConfigurationError, SourceError
from crm_warehouse.source_files.paths import PATTERN, parse_path

#: Where lists stand in most envelopes, when nothing else is known.
USUAL_PLACE = "data"
_DEEPEST = 4
#: Letters of a currency.
_CODE_LENGTH = 3
_TOTALS = ("total", "total_count", "total_results", "total_items", "count")
_PAGES = ("total_pages", "page_count", "pages", "last_page")
_FLAGS = ("has_more", "hasMore", "more", "has_next", "hasNext")
_CURSORS = ("next_cursor", "nextCursor", "next_page_token", "cursor", "after")
#: Those that are there, and null, on a last page.
_LAST_CURSORS = _CURSORS[:3]
_ADDRESSES = ("next", "next_page", "next_url", "href")
_OFFSETS = ("offset", "skip", "start", "from", "_skip")
_NUMBERS = ("page", "page_number", "pageNumber")
_SIZES = ("limit", "per_page", "page_size", "pageSize", "size", "_limit", "count")


@dataclass(frozen=True, slots=True)
class Sample:
    """A page, as far as it tells.

    Attributes:
        records: Place of the list.
        record: The first record.
        paging: Keys of ``paging`` in a source file that could be told from it.
    """

    records: str
    record: dict[str, Any]
    paging: dict[str, str]


def read_sample(path: Path) -> Sample:
    """Read a page, a list or one record.

    Raises:
        ConfigurationError: There is none in the file.
    """
    try:
        decoded = decode_json(path.read_bytes(), "")
    except OSError as error:
        raise ConfigurationError(f"--from: {path}: {error.strerror}") from None
    except SourceError as error:
        raise ConfigurationError(f"--from: {path}: {error}") from None
    place, record = _first_record(decoded)
    if record is None:
        raise ConfigurationError(
            f"--from: {path}: holds no record; save an answer of the API that does"
        )
    return Sample(place or USUAL_PLACE, record, _paging(decoded, place))


def leaves(record: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Places and values of a record that a mapping can read; of lists the first."""
    if isinstance(record, dict) and depth <= _DEEPEST:
        for key, value in record.items():
            below = f"{place}.{key}" if place else key
            if re.fullmatch(PATTERN, key) and "." not in key:
                yield from leaves(value, below, depth + 1)
    elif isinstance(record, list) and record:
        yield from leaves(record[0], f"{place}[0]", depth + 1)
    elif not isinstance(record, dict | list):
        yield place, record


def scrubbed(value: Any, place: str = "") -> Any:
    """The shape of a record without anybody's data.

    Args:
        value: A record.
        place: Where the value stands in it.
    """
    if isinstance(value, dict):
        return {
            key: scrubbed(each, f"{place}.{key}" if place else key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [scrubbed(each, f"{place}[0]") for each in value[:1]]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return 1
    return _plain_text(value, place)


def is_time(value: Any) -> bool:
    """Whether a value is a date and time as text, with a zone or without."""
    return isinstance(value, str) and bool(
        re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", value)
    )


def is_day(value: Any) -> bool:
    """Whether a value is a date as text."""
    return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value))


def _plain_text(text: str, place: str) -> str:
    if is_time(text):
        return "2026-01-15T10:30:00.000Z" if "." in text else "2026-01-15T10:30:00Z"
    if is_day(text):
        return "2026-01-15"
    if "currency" in place.lower() and len(text) == _CODE_LENGTH:
        return "USD"
    if "@" in text:
        return "someone@example.com"
    return "https://example.com/" if "://" in text else "text"


def _first_record(decoded: Any) -> tuple[str, dict[str, Any] | None]:
    """Place of the list, and its first object; the highest list of objects wins."""
    level: list[tuple[str, Any]] = [("", decoded)]
    for _ in range(_DEEPEST):
        for place, value in level:
            first = value[0] if isinstance(value, list) and value else None
            if isinstance(first, dict):
                return place, first
        level = [
            (f"{place}.{key}" if place else key, each)
            for place, value in level
            if isinstance(value, dict)
            for key, each in value.items()
            if re.fullmatch(PATTERN, key)
        ]
    if isinstance(decoded, dict) and decoded:
        only = next(iter(decoded.values()))
        is_wrapped = len(decoded) == 1 and isinstance(only, dict)
        return "", only if is_wrapped else _record(decoded)
    return "", None


def _record(decoded: dict[str, Any]) -> dict[str, Any] | None:
    """The object itself, unless it is the envelope of an empty list."""
    return None if any(value == [] for value in decoded.values()) else decoded


def _paging(decoded: Any, records: str) -> dict[str, str]:
    """What the envelope tells of pages; empty when nothing is known."""
    if not isinstance(decoded, dict) or not records:
        return {}
    around = {
        place: value
        for place, value in leaves(decoded)
        if not place.startswith(f"{records}[")
    }
    total, pages = _find(around, _TOTALS, int), _find(around, _PAGES, int)
    more = _find(around, _FLAGS, bool)
    counts = {"total": total, "total_pages": pages}
    found = _by_address(around, total, more) or _by_word(around, more)
    if not found and (_find(around, _OFFSETS, int)):
        place = _find(around, _OFFSETS, int)
        found = {"style": "offset", "offset_param": _last(place), "total": total}
    elif not found:
        number = _find(around, _NUMBERS, int)
        found = {"style": "number", "page_param": _last(number) or "page", **counts}
    size = _last(_find(around, _SIZES, int))
    told = {"style": "", **found}
    told["size_param"] = told.get("size_param") or (
        size if size != _last(total) else ""
    )
    return {key: text for key, text in told.items() if text}


def _by_address(around: dict[str, Any], total: str, more: str) -> dict[str, str]:
    """Pages by the next one's address, or by the offset that stands in it."""
    place = _find(around, _ADDRESSES, str)
    if "/" not in str(value_at_place(around, place)):
        return {}
    query = dict(parse_qsl(urlsplit(around[place]).query))
    offset = next((name for name in _OFFSETS if name in query), "")
    size = next((name for name in _SIZES if name in query), "")
    if offset:
        found = {"style": "offset", "offset_param": offset, "total": total}
    else:
        found = {"style": "next_url", "next": place}
    return {**found, "more": more, "size_param": size}


def _by_word(around: dict[str, Any], more: str) -> dict[str, str]:
    """Pages by cursor."""
    place = _find(around, _CURSORS, str) or _find(around, _LAST_CURSORS, type(None))
    if not place:
        return {}
    return {"style": "cursor", "cursor_param": "cursor", "next": place, "more": more}


def _find(around: dict[str, Any], names: tuple[str, ...], kind: type) -> str:
    """Place of the first of these names with such a value, or empty."""
    for name in names:
        for place, value in around.items():
            if _last(place) == name and type(value) is kind:
                return place
    return ""


def _last(place: str) -> str:
    return place.rpartition(".")[2]


def value_at_place(record: Any, place: str) -> Any:
    """Value at a place as a source file writes it; flat keys count as well."""
    if isinstance(record, dict) and place in record:
        return record[place]
    return value_at(record, parse_path(place))


def as_json(value: Any) -> str:
    """JSON text for a file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
