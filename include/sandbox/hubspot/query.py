"""A search as HubSpot takes it: filters in groups, one sort, an offset, limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from include.sandbox.clock import parse_moment
from include.sandbox.hubspot.problems import HubSpotError, refused
from include.sandbox.hubspot.properties import PROPERTIES

_MOST_GROUPS, _MOST_IN_GROUP, _MOST_FILTERS = 5, 6, 18
_MOST_RESULTS, _MOST_CHARACTERS = 10_000, 3_000
_LIMIT, _MOST_LIMIT = 10, 200
#: What a property and a filter's value are compared as.
Comparable = Any
_WITHOUT_VALUE = ("HAS_PROPERTY", "NOT_HAS_PROPERTY")
OPERATORS = (
    "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "BETWEEN", "IN", *_WITHOUT_VALUE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition about a property.

    Attributes:
        name: The property.
        operator: One of ``OPERATORS``.
        value: What it is compared with; None for those that compare nothing.
        high: The upper end of ``BETWEEN``.
        values: What ``IN`` allows.
    """

    name: str
    operator: str
    value: Comparable = None
    high: Comparable = None
    values: frozenset[Comparable] = frozenset()

    def holds(self, have: Comparable | None) -> bool:
        """Whether a property's value, None when absent, meets the condition."""
        if have is None:
            return self.operator in ("NEQ", "NOT_HAS_PROPERTY")
        return _HOLDS[self.operator](self, have)


_HOLDS: dict[str, Callable[[Filter, Comparable], bool]] = {
    "EQ": lambda f, have: bool(have == f.value),
    "NEQ": lambda f, have: bool(have != f.value),
    "GT": lambda f, have: bool(have > f.value),
    "GTE": lambda f, have: bool(have >= f.value),
    "LT": lambda f, have: bool(have < f.value),
    "LTE": lambda f, have: bool(have <= f.value),
    "BETWEEN": lambda f, have: bool(f.value <= have <= f.high),
    "IN": lambda f, have: have in f.values,
    "HAS_PROPERTY": lambda _f, _have: True,
    "NOT_HAS_PROPERTY": lambda _f, _have: False,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One search.

    Attributes:
        groups: A record is found when all filters of one group hold; none: always.
        sort: Property to sort by, and whether the largest comes first; None: creation.
        properties: Names asked for.
        limit: Most records of the page.
        after: Offset of the page.
        same: Equal for the pages of one search.
    """

    groups: tuple[tuple[Filter, ...], ...]
    sort: tuple[str, bool] | None
    properties: list[str]
    limit: int
    after: int
    same: bytes


def parse_query(
    entity: str, body: bytes, call: Mapping[str, Any], *, text_ids: bool
) -> Query:
    """The search that a body asks for.

    Args:
        entity: Object type.
        body: As sent, for its length.
        call: The body as an object.
        text_ids: Whether ``hs_object_id`` is compared as text.

    Raises:
        HubSpotError: It asks for more than HubSpot allows, or for what is not there.
    """
    if len(body.decode(errors="replace")) > _MOST_CHARACTERS:
        raise refused(f"the body has more than {_MOST_CHARACTERS} characters")
    groups = _groups(call)
    limit = _whole(call.get("limit", _LIMIT), "limit")
    after = _whole(call.get("after", 0), "after")
    if not 1 <= limit <= _MOST_LIMIT:
        raise refused(f"limit must be from 1 to {_MOST_LIMIT}")
    if after + limit > _MOST_RESULTS:
        raise refused(f"a search has at most {_MOST_RESULTS} results")
    return Query(
        groups=tuple(
            tuple(_filter(entity, given, text_ids=text_ids) for given in filters)
            for filters in groups
        ),
        sort=_sort(entity, _list(call, "sorts")),
        properties=[str(name) for name in _list(call, "properties")],
        limit=limit,
        after=after,
        same=orjson.dumps([call.get("filterGroups"), call.get("sorts"), text_ids]),
    )


def _groups(call: Mapping[str, Any]) -> list[list[Any]]:
    groups = [_list(group, "filters") for group in _list(call, "filterGroups")]
    counts = [len(filters) for filters in groups]
    if len(groups) > _MOST_GROUPS:
        raise refused(f"there are more than {_MOST_GROUPS} filterGroups")
    if max(counts, default=0) > _MOST_IN_GROUP or sum(counts) > _MOST_FILTERS:
        raise refused(
            f"at most {_MOST_IN_GROUP} filters in a group and {_MOST_FILTERS} in all"
        )
    return groups


def comparable(entity: str, name: str, text: object, *, text_ids: bool) -> Comparable:
    """A value as its property's type compares it; None when it is no such value."""
    kind = PROPERTIES[entity][name].kind
    if text is None or text == "":
        return None
    if name == "hs_object_id" and text_ids:
        return str(text)
    if kind == "datetime":
        moment = None if str(text).isdecimal() else parse_moment(text)
        return round(moment.timestamp() * 1_000) if moment else _number(text, int)
    if kind == "number":
        return _number(text, int if name == "hs_object_id" else float)
    return str(text) if kind == "enumeration" else str(text).lower()


def _number(text: object, kind: type[int] | type[float]) -> int | float | None:
    try:
        return kind(str(text))
    except ValueError:
        return None


def _filter(entity: str, given: Any, *, text_ids: bool) -> Filter:
    given = given if isinstance(given, dict) else {}
    name, operator = given.get("propertyName"), given.get("operator")
    if name not in PROPERTIES[entity]:
        raise refused(f"there is no property {name!r}")
    if operator not in OPERATORS:
        raise refused(f"operator must be one of {', '.join(OPERATORS)}")
    if operator in _WITHOUT_VALUE:
        return Filter(name, operator)
    if operator == "IN":
        return Filter(name, operator, values=_values(entity, given, text_ids=text_ids))
    value = _value(entity, name, given.get("value"), text_ids=text_ids)
    if operator != "BETWEEN":
        return Filter(name, operator, value)
    high = _value(entity, name, given.get("highValue"), text_ids=text_ids)
    return Filter(name, operator, value, high)


def _value(entity: str, name: str, given: Any, *, text_ids: bool) -> Comparable:
    value = comparable(entity, name, given, text_ids=text_ids)
    if value is None:
        raise refused(f"{name} cannot be compared with {given!r}")
    if value == 0 and PROPERTIES[entity][name].kind == "datetime":
        raise HubSpotError(500, "internal error", "INTERNAL_ERROR")
    return value


def _values(
    entity: str, given: Mapping[str, Any], *, text_ids: bool
) -> frozenset[Comparable]:
    name, values = given["propertyName"], _list(given, "values")
    if PROPERTIES[entity][name].kind == "string":
        # What is not in lower case is found by no IN.
        return frozenset(map(str, values))
    return frozenset(_value(entity, name, v, text_ids=text_ids) for v in values)


def _sort(entity: str, sorts: list[Any]) -> tuple[str, bool] | None:
    if len(sorts) > 1:
        raise refused("there is at most one sort")
    if not sorts:
        return None
    rule = sorts[0] if isinstance(sorts[0], dict) else {"propertyName": sorts[0]}
    name, direction = rule.get("propertyName"), rule.get("direction", "ASCENDING")
    if name not in PROPERTIES[entity]:
        raise refused(f"there is no property {name!r}")
    if direction not in ("ASCENDING", "DESCENDING"):
        raise refused("direction must be ASCENDING or DESCENDING")
    return name, direction == "DESCENDING"


def _list(holder: Any, name: str) -> list[Any]:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if value is None and isinstance(holder, Mapping):
        return []
    if not isinstance(value, list):
        raise refused(f"{name} must be a list")
    return value


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, bool) and str(value).isdecimal():
        return int(value)
    raise refused(f"{name} must be a whole number")
