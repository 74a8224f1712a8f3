"""``POST …/search`` over the index of one object type."""

from collections.abc import Callable, Iterable

from include.sandbox.clock import Clock
from include.sandbox.faults import Fault
from include.sandbox.hubspot.index import SearchIndex
from include.sandbox.hubspot.properties import MODIFIED, shown_properties
from include.sandbox.hubspot.query import Comparable, Filter, Query, comparable
from include.sandbox.hubspot.render import listing, show
from include.sandbox.hubspot.table import HubSpotTable

#: Searches whose results are kept while readers page through them.
_KEPT = 16
#: From and to, both inclusive.
Span = tuple[float, float]


class Search:
    """Searches one object type.

    Args:
        table: The records.
        clock: Of the system.
    """

    def __init__(self, table: HubSpotTable, clock: Clock) -> None:
        self._table = table
        self._entity = table.blueprint.name
        self._index = SearchIndex(table, clock)
        self._found: dict[bytes, tuple[int, list[int]]] = {}
        #: Search -> offset behind which so many hits moved back by a short page.
        self._moved: dict[bytes, dict[int, int]] = {}

    def page(
        self,
        query: Query,
        lag_seconds: float,
        faults: list[Fault],
        *,
        text_ids: bool,
    ) -> tuple[bytes, list[int]]:
        """Body of one page, and the keys of its records.

        Args:
            query: What is asked.
            lag_seconds: How far search is behind.
            faults: Faults that strike.
            text_ids: Whether ids are compared as text.
        """
        self._index.refresh(lag_seconds)
        keys = self._keys(query, text_ids=text_ids)
        kinds = {fault.kind: fault for fault in faults}
        total, after, room = len(keys), query.after, query.limit
        moved = self._moved.setdefault(query.same, {})
        moved.pop(after, None)
        start = max(0, after - sum(n for at, n in moved.items() if at < after))
        if "repeat_page" in kinds:
            start = max(0, start - query.limit)
        if "short_page" in kinds or "empty_page" in kinds:
            left = max(0, min(room, total - start))
            room = left // 2 if "short_page" in kinds else 0
            moved[after] = query.limit - room
        shown = keys[start : start + room]
        following = after + query.limit if start + room < total else None
        if "loop" in kinds:
            following = after
        if "lying_total" in kinds:
            total = max(0, total + kinds["lying_total"].options.get("delta", 1))
        names = shown_properties(self._entity, query.properties, self._table.readable())
        bodies = [self._shown(key, names) for key in shown]
        return listing(bodies, _text(following), total), shown

    def _shown(self, key: int, names: tuple[str, ...]) -> bytes:
        record, entry = self._table.live[key], self._index.entries[key]
        if record.body is entry.body:
            return self._table.shown(record, names)
        return show(self._table.blueprint.parse(entry.body), names)

    def _keys(self, query: Query, *, text_ids: bool) -> list[int]:
        kept = self._found.get(query.same)
        if kept is not None and kept[0] == self._index.version:
            return kept[1]
        groups = query.groups or ((),)
        found = [key for g in groups for key in self._group(g, text_ids=text_ids)]
        if len(groups) > 1:
            found = list(set(found))
        keys = self._sorted(found, query.sort, text_ids=text_ids)
        if len(self._found) >= _KEPT:
            self._found.clear()
            self._moved = {query.same: self._moved.get(query.same, {})}
        self._found[query.same] = (self._index.version, keys)
        return keys

    def _group(self, filters: tuple[Filter, ...], *, text_ids: bool) -> Iterable[int]:
        """Keys of the records for which all filters hold."""
        if self._entity == "contacts" and any(
            f.name == "hs_lastmodifieddate" for f in filters
        ):
            return []
        spans, rest = _spans(filters, MODIFIED[self._entity])
        ids: list[Span] = []
        if not text_ids:
            ids, rest = _spans(rest, "hs_object_id")
        low, high = _common([*ids, (0, float("inf"))])
        keys: Iterable[int]
        if spans:
            timely = self._index.between(*_common(spans))
            keys = [key for key in timely if low <= key <= high]
        else:
            keys = self._index.ids_between(low, high)
        for condition in rest:
            read = self._reader(condition.name, text_ids=text_ids)
            keys = [key for key in keys if condition.holds(read(key))]
        return keys

    def _reader(self, name: str, *, text_ids: bool) -> Callable[[int], Comparable]:
        """Function from a key to the record's value of a property, None without one."""
        entries, parse = self._index.entries, self._table.blueprint.parse
        if name == "hs_object_id":
            return str if text_ids else int
        if name == MODIFIED[self._entity]:
            return lambda key: entries[key].modified

        def read(key: int) -> Comparable:
            value = parse(entries[key].body)["properties"].get(name)
            return comparable(self._entity, name, value, text_ids=text_ids)

        return read

    def _sorted(
        self, keys: list[int], sort: tuple[str, bool] | None, *, text_ids: bool
    ) -> list[int]:
        """Keys in the order asked for; what has no value comes last."""
        in_order = sorted(keys)
        if sort is None:
            return in_order
        name, descending = sort
        if name == "hs_object_id" and not text_ids:
            return in_order[::-1] if descending else in_order
        read = self._reader(name, text_ids=text_ids)
        values = {key: read(key) for key in in_order}
        with_value = [key for key in in_order if values[key] is not None]
        with_value.sort(key=values.__getitem__, reverse=descending)
        return with_value + [key for key in in_order if values[key] is None]


def _spans(filters: Iterable[Filter], name: str) -> tuple[list[Span], list[Filter]]:
    """What the filters on a property allow of it, and the filters left over."""
    spans, rest = [], []
    for condition in filters:
        span = _window(condition) if condition.name == name else None
        if span is None:
            rest.append(condition)
        else:
            spans.append(span)
    return spans, rest


def _common(spans: list[Span]) -> Span:
    return max(low for low, _ in spans), min(high for _, high in spans)


def _window(condition: Filter) -> Span | None:
    """What a filter on whole numbers allows; None when that is no single span."""
    value = condition.value
    match condition.operator:
        case "EQ":
            return value, value
        case "GT":
            return value + 1, float("inf")
        case "GTE":
            return value, float("inf")
        case "LT":
            return 0, value - 1
        case "LTE":
            return 0, value
        case "BETWEEN":
            return value, condition.high
        case _:
            return None


def _text(offset: int | None) -> str | None:
    return None if offset is None else str(offset)
