"""One mapped record, as people and programs see it in a preview."""

import json
import re
from typing import Any

from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.values import NULL

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
#: Elements of a list that are shown in lines; some records have hundreds of links.
_MOST_SHOWN = 10
_PLAIN = {"t": "\t", "n": "\n", "r": "\r"}


def as_json(mapping: Mapping, record: Any) -> dict[str, Any]:
    """The record's id, version, row or reject, keys and warnings, as a JSON object."""
    source_id = mapping.source_id(record)
    row = mapping.map(record, source_id)
    keys = NULL
    if mapping.known_keys is not None and source_id is not None:
        keys = mapping.known_keys(record, row.warnings)
    return {
        "source_id": source_id,
        "version": mapping.version(record) if source_id is not None else None,
        "row": None if row.line is None else _values(mapping, row.line),
        "also": {
            other.into: _values(other, made.line)
            for other, made in zip(mapping.also, row.also, strict=False)
            if made.line is not None
        },
        "known_keys": _value("jsonb", keys) or {},
        "reject": row.reject and _problem(row.reject),
        "warnings": [_problem(warning) for warning in row.warnings],
    }


def as_text(shown: dict[str, Any]) -> str:
    """The same in lines, for people.

    Characters that would steer a terminal are escaped, long lists are shortened.
    """
    version = shown["version"] or "no version"
    lines = [f"{_printable(shown['source_id'] or 'no id')}   ({version})"]
    if shown["reject"]:
        lines.append(f"  rejected: {_told(shown['reject'])}")
    lines += _columns(shown["row"] or {}, "  ")
    for table, values in shown["also"].items():
        lines.append(f"  also in warehouse.{table}:")
        lines += _columns(values, "    ")
    if shown["known_keys"]:
        lines.append("  known elsewhere as:")
        lines += _columns(shown["known_keys"], "    ")
    lines += [f"  warning: {_told(warning)}" for warning in shown["warnings"]]
    return "\n".join(lines)


def _columns(row: dict[str, Any], indent: str) -> list[str]:
    """One line for each column of a row."""
    width = max(map(len, row), default=0)
    texts = ["" if v is None else _printable(_text(v)) for v in row.values()]
    return [
        f"{indent}{column:<{width}}  {text}".rstrip()
        for column, text in zip(row, texts, strict=True)
    ]


def _values(mapping: Mapping, line: str) -> dict[str, Any]:
    """Column -> value, from what the engine would COPY."""
    columns = zip(mapping.line_columns().items(), line.split("\t"), strict=True)
    return {name: _value(kind, text) for (name, kind), text in columns}


def _value(kind: str, text: str) -> Any:
    if text == NULL:
        return None
    plain = _ESCAPED.sub(lambda match: _PLAIN.get(match[1], match[1]), text)
    return json.loads(plain) if kind == "jsonb" else plain


def _problem(problem: Problem) -> dict[str, str | None]:
    return {
        "error_type": problem.error_type,
        "field": problem.field or None,
        "message": problem.message,
    }


def _told(problem: dict[str, Any]) -> str:
    field = f"{problem['field']}: " if problem["field"] else ""
    return f"{field}{problem['message']} ({problem['error_type']})"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > _MOST_SHOWN:
        first = json.dumps(value[:_MOST_SHOWN], ensure_ascii=False)
        return f"{first[:-1]}, … ({len(value)} in all)]"
    return json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
