"""A source and entity as JSON: what ``ops.source_specs`` keeps and the API shows."""

from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from crm_warehouse.source_files.paths import format_path
from crm_warehouse.spec import Entity, Source


def as_json(source: Source, entity: Entity) -> dict[str, Any]:
    """JSON object of what a run of ``entity`` works by.

    Keys are sorted, durations are seconds, paths are written as in YAML, so that equal
    definitions give equal text.

    Returns:
        ``{"entity": {...}, "source": {...}}``; the source without its entities
        and its other profiles.
    """
    return {
        "entity": _object(entity, leave_out=()),
        "source": _object(source, leave_out=("entities", "profiles")),
    }


def _object(value: Any, leave_out: tuple[str, ...]) -> dict[str, Any]:
    names = sorted(field.name for field in fields(value))
    return {
        name: _json(name, getattr(value, name))
        for name in names
        if name not in leave_out
    }


def _json(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json("", inner) for key, inner in sorted(value.items())}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value):
        return _object(value, leave_out=())
    if not isinstance(value, tuple):
        return value
    if name.endswith("path"):
        return format_path(value)
    if name in ("paths", "merged_ids"):
        return [format_path(path) for path in value]
    return [_json(name, item) for item in value]
