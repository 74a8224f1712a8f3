"""One answer of a list endpoint, whatever envelope it wears."""

from dataclasses import dataclass, replace
from typing import Any

from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Paging, Path

#: Longest number that an envelope's counter may have.
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Listing:
    """One page as decoded.

    Attributes:
        records: The records.
        total: Records of the whole list by the envelope, or None.
        total_pages: Pages of the whole list by the envelope, or None.
        per_page: Page size by the envelope, or None.
    """

    records: list[Any]
    total: int | None
    total_pages: int | None
    per_page: int | None

    @property
    def is_counted(self) -> bool:
        """Whether the envelope tells how long the whole list is."""
        return self.total is not None or self.total_pages is not None

    def page_size(self, asked: int) -> int:
        """Records per page that the source works with.

        Sources cap what is asked, or ignore it: their word is taken unless the page
        itself disproves it.
        """
        told = self.per_page
        return told if told and told >= len(self.records) else asked


def read_listing(decoded: Any, records_path: Path) -> Listing:
    """Read a bare list of records, or an envelope around one.

    Args:
        decoded: The answer's body.
        records_path: Keys that lead from the envelope to its list.

    Raises:
        TransientSourceError: There is no list of records: sources answer so during
            incidents, and it must never look like an empty page.
    """
    envelope = {} if isinstance(decoded, list) else decoded
    records = decoded if isinstance(decoded, list) else value_at(decoded, records_path)
    if not isinstance(records, list):
        place = ".".join(map(str, records_path))
        raise TransientSourceError(f"the answer holds no list at {place!r}")
    # An odd element is an odd record, which is set aside later. A bare list of nothing
    # else is no list of records.
    if records and not envelope and dict not in set(map(type, records)):
        raise TransientSourceError("the list holds no object at all")
    return _listing(records, envelope)


def with_counts(listing: Listing, decoded: Any, paging: Paging) -> Listing:
    """The listing with its counters from the places that the YAML names, if any.

    Raises:
        TransientSourceError: There is no number: without it, the end would be a guess.
    """
    named = {"total": paging.total_path, "total_pages": paging.pages_path}
    counts: dict[str, Any] = {}
    for counter, path in named.items():
        if path:
            counts[counter] = _count(value_at(decoded, path))
            if counts[counter] is None:
                place = ".".join(map(str, path))
                raise TransientSourceError(f"the answer holds no number at {place!r}")
    return replace(listing, **counts) if counts else listing


def read_xml_listing(decoded: Any, records_path: Path) -> Listing:
    """Read the records that are children of one element, which counts in attributes.

    Args:
        decoded: The document as ``decode_xml`` gives it.
        records_path: Names of the elements from the root to the records.

    Raises:
        TransientSourceError: Another root, or something else in its place: it must
            never look like an empty page.
    """
    *way, name = records_path
    envelope = value_at(decoded, tuple(way))
    if envelope is not None and not isinstance(envelope, dict):
        # XML writes an empty list as an empty element, and that is text.
        envelope = {"#text": envelope}
    place = ".".join(map(str, way))
    if envelope is None:
        raise TransientSourceError(f"the answer holds no element {place!r}")
    # One record is an object, several are a list.
    records = envelope.get(name, [])
    if name not in envelope and _has_content(envelope):
        raise TransientSourceError(f"the element {place!r} holds no {name!r}")
    return _listing(
        records if isinstance(records, list) else [records],
        {key[1:]: text for key, text in envelope.items() if key.startswith("@")},
    )


def _has_content(envelope: dict[str, Any]) -> bool:
    """Whether an element holds anything but attributes and white space."""
    return any(
        not key.startswith("@") and (key != "#text" or str(value).strip())
        for key, value in envelope.items()
    )


def _listing(records: list[Any], envelope: dict[str, Any]) -> Listing:
    return Listing(
        records=records,
        total=_count(envelope.get("total")),
        total_pages=_count(envelope.get("total_pages")),
        per_page=_count(envelope.get("per_page")),
    )


def value_at(value: Any, path: Path) -> Any:
    """Value at a path, or None where the path leads nowhere."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _count(value: Any) -> int | None:
    """A counter of the envelope; sources also write them as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= _MAX_DIGITS else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
