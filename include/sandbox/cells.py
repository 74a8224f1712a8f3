"""Unified columns read from a record, by the specification's mapping."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

from include.sandbox.clock import iso, parse_moment
from include.sandbox.records import Fields


def unifier(
    columns: Mapping[str, str], write_time: Callable[[datetime], str] = iso
) -> Callable[[Fields], Fields]:
    """Function from a record to its unified columns.

    Columns that end in ``_at`` are instants and ``value`` is an amount: None when
    unusable. Everything else stays as sent; what is absent is None.

    Args:
        columns: Unified column <- dotted path of the field.
        write_time: How truth writes an instant.
    """
    paths = {column: path.split(".") for column, path in columns.items()}

    def cell(column: str, value: Any) -> Any:
        if column.endswith("_at"):
            moment = parse_moment(value)
            return write_time(moment) if moment else None
        return amount(value) if column == "value" else value

    def unify(fields: Fields) -> Fields:
        return {
            column: cell(column, reduce(_step, path, fields))
            for column, path in paths.items()
        }

    return unify


def amount(value: Any) -> str | None:
    """Number, or its text, with two decimals; None when it is none."""
    try:
        return f"{Decimal(str(value)):.2f}"
    except InvalidOperation:
        return None


def _step(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else None
