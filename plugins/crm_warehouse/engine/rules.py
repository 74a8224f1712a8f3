"""Validation rules: what a column's values must fulfil beyond what the mapping demands.

Rules are rows of ``ops.sync_validation_rules`` and change without a deploy. Here one
is checked and compiled to a function of the mapped value, once per job.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

from crm_warehouse.engine import values
from crm_warehouse.engine.patterns import compile_pattern
from crm_warehouse.engine.values import NULL
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import ON_ERRORS, Entity, OnError
from crm_warehouse.unified import UNIFIED

#: Columns -> those that are made of them.
_NORMALIZED = {"email": ("email_normalized",), "phone": ("phone_e164",)}
_RELATIVE = re.compile(r"now(?:([+-][0-9]{1,5})([dy]))?", re.ASCII)
_DAYS = {"d": 1, "y": 365}
_TEXTS = frozenset({"text", "email", "phone"})
_ALL = _TEXTS | {"numeric", "timestamp", "json", "boolean", "integer"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it is stored.

    Attributes:
        name: Unique name.
        field: Unified column; ``<table>.<column>`` where the record makes several rows.
        rule_type: Key of ``_TYPES``.
        config: Its arguments.
        on_error: What a value that breaks the rule does.
    """

    name: str
    field: str
    rule_type: str
    config: dict[str, Any]
    on_error: str = "reject"


class Check(NamedTuple):
    """A rule, compiled.

    Attributes:
        rule: The rule.
        table: Unified table of the column.
        column: The column.
        passes: Takes the mapped value as text, NULL included.
        message: What a value that does not pass is.
    """

    rule: Rule
    table: str
    column: str
    passes: Callable[[str], bool]
    message: str

    @property
    def on_error(self) -> OnError:
        """What a value that does not pass does."""
        return cast(OnError, self.rule.on_error)


def compile_rule(rule: Rule, entity: Entity, now: datetime) -> Check:
    """Check a rule, and make it a function.

    Args:
        rule: The rule.
        entity: Whose values it is about.
        now: What ``now`` in the rule means.

    Raises:
        ConfigurationError: Names the rule and says what is wrong with it.
    """
    try:
        return _compile(rule, entity, now)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        reason = str(error) if type(error) is ValueError else _SHAPE[rule.rule_type]
        raise ConfigurationError(f"rule {rule.name}: {reason}") from None


def _compile(rule: Rule, entity: Entity, now: datetime) -> Check:
    if rule.rule_type not in _TYPES:
        raise ValueError(f"type must be one of {', '.join(_TYPES)}")
    if rule.on_error not in ON_ERRORS:
        raise ValueError(f"on_error must be one of {', '.join(ON_ERRORS)}")
    view, column = _find_column(rule, entity)
    field = UNIFIED[view.into]().fields.get(column)
    kind = field.metadata["kind"] if field is not None else "text"
    make, kinds = _TYPES[rule.rule_type]
    if kind not in kinds:
        raise ValueError(f"{rule.rule_type} means nothing for {column}, a {kind}")
    if rule.on_error == "set_null" and (
        rule.rule_type == "required" or (field is not None and field.required)
    ):
        raise ValueError(f"{column} cannot be set to NULL; let it reject or keep")
    passes, message = make(rule.config, now)
    return Check(rule, view.into, column, passes, message)


def _find_column(rule: Rule, entity: Entity) -> tuple[Entity, str]:
    """The unified table as a view of the entity, and the column there."""
    views = {f"{view.into}.": view for view in entity.views()[:-1]} | {"": entity}
    known = {
        f"{table}{column}": (view, column)
        for table, view in views.items()
        for line in view.fields
        for column in (line.target, *_NORMALIZED.get(line.target, ()))
    }
    if rule.field in known:
        return known[rule.field]
    near = get_close_matches(rule.field, known, n=1)
    raise ValueError(
        f"field {rule.field!r} is not mapped"
        f"{f' (did you mean {near[0]}?)' if near else ''};"
        f" {entity.source} {entity.name} has {', '.join(known)}"
    )


_Passes = Callable[[str], bool]
_Made = tuple[_Passes, str]


def _is_empty(text: str) -> bool:
    return text == NULL or not text


def _required(config: dict[str, Any], _now: datetime) -> _Made:
    if config:
        raise ValueError(_SHAPE["required"])
    return lambda text: not _is_empty(text), "empty or absent"


def _min_length(config: dict[str, Any], _now: datetime) -> _Made:
    least = _length(config)
    return (
        lambda text: len(text) >= least or _is_empty(text),
        f"shorter than {least} characters",
    )


def _max_length(config: dict[str, Any], _now: datetime) -> _Made:
    most = _length(config)
    return lambda text: len(text) <= most, f"longer than {most} characters"


def _length(config: dict[str, Any]) -> int:
    (length,) = _only(config, "length")
    if type(length) is not int or length < 1:
        raise TypeError
    return length


def _pattern(config: dict[str, Any], _now: datetime) -> _Made:
    (pattern,) = _only(config, "pattern")
    matches = compile_pattern(pattern)
    return lambda text: _is_empty(text) or matches(text), "does not match the pattern"


def _one_of(config: dict[str, Any], _now: datetime) -> _Made:
    allowed = _texts(config) | {NULL, ""}
    message = f"none of the {len(allowed) - 2} values that are allowed"
    return allowed.__contains__, message


def _not_one_of(config: dict[str, Any], _now: datetime) -> _Made:
    forbidden = _texts(config) - {""}
    return lambda text: text not in forbidden, "one of the values that are forbidden"


def _texts(config: dict[str, Any]) -> frozenset[str]:
    (listed,) = _only(config, "values")
    if type(listed) is not list or not listed:
        raise TypeError
    if not all(type(each) is str for each in listed):
        raise TypeError
    return frozenset(listed)


def _range(config: dict[str, Any], _now: datetime) -> _Made:
    low, high = config.get("min"), config.get("max")
    if not config or config.keys() - {"min", "max"}:
        raise TypeError
    if any(type(each) not in (int, float) for each in config.values()):
        raise TypeError
    least = Decimal("-Infinity") if low is None else Decimal(str(low))
    most = Decimal("Infinity") if high is None else Decimal(str(high))
    if least > most:
        raise TypeError
    limits = [f"below {low}"] * (low is not None) + [f"above {high}"] * (
        high is not None
    )
    return (
        lambda text: _is_empty(text) or least <= Decimal(text) <= most,
        " or ".join(limits),
    )


def _not_before(config: dict[str, Any], now: datetime) -> _Made:
    (sent,) = _only(config, "time")
    earliest = _moment(sent, now)
    return (
        lambda text: _is_empty(text) or text.removesuffix("Z") >= earliest,
        f"before {sent}",
    )


def _not_after(config: dict[str, Any], now: datetime) -> _Made:
    (sent,) = _only(config, "time")
    latest = _moment(sent, now)
    return (
        lambda text: _is_empty(text) or text.removesuffix("Z") <= latest,
        f"after {sent}",
    )


def _moment(sent: Any, now: datetime) -> str:
    """Canonical text without its Z, which sorts as the instants do."""
    if type(sent) is not str:
        raise TypeError
    text = sent
    if relative := _RELATIVE.fullmatch(sent):
        count, unit = relative.groups(default="0")
        span = timedelta(days=int(count) * _DAYS.get(unit, 1))
        text = (now.astimezone(UTC) + span).isoformat()
    try:
        return values.timestamp(text).removesuffix("Z")
    except values.UnusableValueError:
        raise TypeError from None


def _only(config: dict[str, Any], *keys: str) -> list[Any]:
    """Values of the keys, which must be all there are."""
    if config.keys() != set(keys):
        raise TypeError
    return [config[key] for key in keys]


#: Rule type -> what compiles it, and the kinds of columns that it can be about.
_TYPES: dict[
    str, tuple[Callable[[dict[str, Any], datetime], _Made], frozenset[str]]
] = {
    "required": (_required, _ALL),
    "min_length": (_min_length, _TEXTS),
    "max_length": (_max_length, _TEXTS),
    "pattern": (_pattern, _TEXTS),
    "one_of": (_one_of, _TEXTS),
    "not_one_of": (_not_one_of, _TEXTS),
    "range": (_range, frozenset({"numeric", "integer"})),
    "not_before": (_not_before, frozenset({"timestamp"})),
    "not_after": (_not_after, frozenset({"timestamp"})),
}
RULE_TYPES = tuple(_TYPES)

_LENGTH = 'config needs "length", a whole number from 1 on'
_VALUES = 'config needs "values", a list of texts'
_TIME = (
    'config needs "time", like "2020-01-31", "2020-01-31T12:00:00Z", "now",'
    ' "now+30d" or "now-5y"'
)
#: Rule type -> what its config looks like.
_SHAPE = {
    "required": "config of required is {}",
    "min_length": _LENGTH,
    "max_length": _LENGTH,
    "pattern": 'config needs "pattern", a regular expression of 1 to 200 characters',
    "one_of": _VALUES,
    "not_one_of": _VALUES,
    "range": 'config needs "min", "max" or both, numbers, min not above max',
    "not_before": _TIME,
    "not_after": _TIME,
}
