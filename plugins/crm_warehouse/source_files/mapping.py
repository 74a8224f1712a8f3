"""The ``map`` of an entity: unified column <- place in the record."""

from collections.abc import Iterator
from typing import Any, get_args

from marshmallow import ValidationError
from marshmallow.fields import Field

from crm_warehouse.source_files import paths
from crm_warehouse.source_files.containers import Items, load_part
from crm_warehouse.source_files.fields import (
    Choice,
    Described,
    Flag,
    Text,
    kind_of,
    nearest,
)
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.source_files.values import record_path
from crm_warehouse.spec import FieldMap, OnError, Path
from crm_warehouse.unified import KINDS, UNIFIED

_PATH = record_path("Where the value is in the record, e.g. properties.email.")
_PATHS = Items(
    "Places to look, in this order; the first that is present wins.",
    _PATH,
    minimum=1,
    unique_by=paths.format_path,
)


class Origin(Described):
    """One path, several paths, or ``$rest``; loaded as a tuple of paths."""

    one = _PATH
    several = _PATHS

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[Path, ...]:
        if isinstance(value, list):
            loaded: tuple[Path, ...] = self.several.deserialize(value)
            return loaded
        if value == paths.REST:
            return ((paths.REST,),)
        return (self.one.deserialize(value),)


class RuleSchema(StrictSchema):
    """The long form of a mapped column."""

    origin = Origin(
        "Where the value is: a path, a list of paths, or $rest.", key="from"
    )
    on_error = Choice(
        "What an unusable value does: reject the record, set the column to NULL, or "
        "keep the text as sent (text columns only). Absent: the column's own rule.",
        get_args(OnError),
        default=None,
    )
    join = Text(
        "Text between the values of all the paths, which make one together: a name of "
        "those that are there, a parent's id only of all. Absent: the first present "
        "one is the value.",
        pattern="[^\\r\\n]{1,10}",
        hint="must be 1 to 10 characters of one line",
        default=None,
    )
    skip_empty = Flag(
        "Whether an empty text is passed over in search of the first present one.",
        default=False,
    )


class Rule(Described):
    """One value of a mapping; loaded as ``(paths, on_error, join, skip_empty)``."""

    short_form = Origin("Where the value is.")
    long_form = RuleSchema

    def _deserialize(
        self, value: Any, *_: Any, **__: Any
    ) -> tuple[tuple[Path, ...], OnError | None, str | None, bool]:
        if isinstance(value, dict):
            rule = load_part(self.long_form, value)
            keys = "origin", "on_error", "join", "skip_empty"
            return tuple(rule[key] for key in keys)
        if not isinstance(value, str | list):
            raise ValidationError(
                f"must be a path, a list of paths or {{from, on_error}}, "
                f"not {kind_of(value)}"
            )
        return self.short_form.deserialize(value), None, None, False


def field_maps(loaded: dict[str, Any]) -> tuple[FieldMap, ...]:
    """Loaded ``map`` -> the mapping, in YAML order."""
    return tuple(FieldMap(target, *rule) for target, rule in loaded.items())


def map_problems(into: str, original: Any, loaded: dict[str, Any]) -> dict[str, Any]:
    """What is wrong between a mapping and the unified table that it fills.

    Args:
        into: Name of the table.
        original: The mapping as written.
        loaded: Its usable lines.

    Returns:
        Messages by column; those about the whole mapping under ``_schema``.
    """
    columns = columns_of(into)
    problems: dict[str, Any] = {}
    for target in original if isinstance(original, dict) else ():
        if target not in columns:
            hint = nearest(target, columns)
            problems[target] = [f"unknown column {target!r} of {into}{hint}"]
    for target in loaded.keys() & columns.keys():
        if found := list(_rule_problems(columns[target], *loaded[target])):
            problems[target] = found
    missing = [
        f"{column!r} is missing, and a row of {into} cannot exist without it"
        for column, field in columns.items()
        if field.required and isinstance(original, dict) and column not in original
    ]
    return problems | ({"_schema": missing} if missing else {})


def columns_of(into: str) -> dict[str, Field[Any]]:
    """Columns of a unified table that a mapping may fill, in their order."""
    return UNIFIED[into]().fields


def _rule_problems(
    column: Field[Any],
    origin: tuple[Path, ...],
    on_error: OnError | None,
    join: str | None,
    skip_empty: bool,
) -> Iterator[str]:
    kind = column.metadata["kind"]
    if origin == ((paths.REST,),) and kind != "json":
        yield f"$rest makes an object, which a {kind} column cannot hold; give a path"
    if on_error == "keep" and KINDS[kind] != "text":
        yield f"on_error: keep is for text only, not for {kind}; use reject or set_null"
    if on_error == "set_null" and column.required:
        yield "on_error: set_null cannot be: no row exists without it; use reject"
    if join is not None and (len(origin) < 2 or KINDS[kind] != "text"):
        yield "join is for several paths into a text column"
    if skip_empty and (len(origin) < 2 or join is not None):
        yield "skip_empty is for the first of several paths"
