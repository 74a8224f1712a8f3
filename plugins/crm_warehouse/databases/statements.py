"""The statements that read a table: by key, or by time of change and key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_warehouse.clients.interface import Window
from crm_warehouse.databases.layout import Column, Layout

#: ``rows``: all of the table. ``timeless``: rows of which no time says when they
#: changed. ``changed``: rows that changed in the window.
Part = Literal["rows", "timeless", "changed"]

#: No change is older; MySQL's zero dates are, and SQL finds them so.
_FIRST_YEAR = "1000-01-01"
#: No clock was ever put back or forward by as much.
_LONGEST_SHIFT = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was read.

    Attributes:
        part: What is being read.
        changed: Its time of change, as the database writes it, in ``changed`` only.
        key: The values of its key; empty before the first row.
    """

    part: Part
    changed: str | None = None
    key: tuple[int | str, ...] = ()

    def as_checkpoint(self) -> dict[str, Any]:
        """JSON object that :func:`read_checkpoint` reads."""
        return {
            "database": {
                "part": self.part,
                "changed": self.changed,
                "key": list(self.key),
            }
        }


def read_checkpoint(checkpoint: dict[str, Any] | None) -> Position | None:
    """The position of a checkpoint; None: there is none, or it is not ours."""
    match checkpoint:
        case {"database": {"part": part, "changed": changed, "key": list(key)}}:
            if part in get_args(Part):
                return Position(cast(Part, part), changed, tuple(key))
    return None


class Statements:
    """Statements of one reading.

    Args:
        layout: The tables.
        window: What changed in it is read; from its beginning on when that is known.
        zone: Zone of times that are stored without one.

    Attributes:
        parts: What is read, one after the other.
    """

    def __init__(self, layout: Layout, window: Window, zone: ZoneInfo) -> None:
        self._layout = layout
        self.parts: tuple[Part, ...] = ("rows",)
        if window.since is not None and window.until is not None and layout.changed:
            self.parts = ("timeless", "changed")
            self._bounds = _bounds(window.since, window.until, zone)

    def stretch(self, position: Position, limit: int) -> sa.Select[Any]:
        """The next rows behind a position; their time of change is last."""
        layout = self._layout
        keys = [column.expression for column in layout.keys]
        selected = [*layout.selected]
        where, order = [*self._within(position.part)], [*keys]
        if position.part == "changed":
            moment = _moment(layout.changed)
            selected.append(moment.label("changed_at"))
            order.insert(0, moment)
        if position.key:
            last: list[Any] = [*position.key]
            if position.part == "changed":
                last.insert(0, position.changed)
                where.append(order[0] >= _literal(position.changed))  # for its index
            where.append(_behind(order, last))
        statement = sa.select(*selected).select_from(layout.source)
        return statement.where(*where).order_by(*order).limit(limit)

    def count(self) -> sa.Select[Any]:
        """How many rows there are to read."""
        parts = [sa.and_(sa.true(), *self._within(part)) for part in self.parts]
        table = self._layout.table
        return sa.select(sa.func.count()).select_from(table).where(sa.or_(*parts))

    def by_keys(self, keys: Iterable[Sequence[Any]]) -> sa.Select[Any]:
        """The rows that have one of these keys."""
        layout = self._layout
        columns = [column.expression for column in layout.keys]
        wanted = [
            sa.and_(*(c == _literal(v) for c, v in zip(columns, key, strict=True)))
            for key in keys
        ]
        statement = sa.select(*layout.selected).select_from(layout.source)
        return statement.where(sa.or_(*wanted))

    def _within(self, part: Part) -> list[sa.ColumnElement[bool]]:
        """Which rows a part has."""
        if part == "rows":
            return []
        missing = [_is_missing(column) for column in self._layout.changed]
        if part == "timeless":
            return missing
        # Not by one expression of all columns, which no index would serve.
        return [
            sa.or_(
                *(
                    sa.and_(*missing[:place], *self._between(column))
                    for place, column in enumerate(self._layout.changed)
                )
            )
        ]

    def _between(self, column: Column) -> Iterable[sa.ColumnElement[bool]]:
        first, last = self._bounds["instant" if column.is_instant else "local"]
        if column.is_day:
            first, last = first[:10], last[:10]
        yield column.expression >= _literal(first)
        yield column.expression <= _literal(last)


def _bounds(
    since: datetime, until: datetime, zone: ZoneInfo
) -> dict[str, tuple[str, str]]:
    """First and last time of a window, as databases write them.

    A local clock that is put back shows an hour twice: the window has all times that
    it can have shown within.
    """

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(zone).utcoffset() or timedelta(0)

    first, last = (each.astimezone(UTC).replace(tzinfo=None) for each in (since, until))
    return {
        "instant": (str(first), str(last)),
        "local": (
            str(first + min(offset(since), offset(since + _LONGEST_SHIFT))),
            str(last + max(offset(until), offset(until - _LONGEST_SHIFT))),
        ),
    }


def _literal(value: Any) -> sa.BindParameter[Any]:
    """A parameter without a type: the database takes that of what it compares with."""
    return sa.bindparam(None, value, type_=sa.types.NullType())


def _is_missing(column: Column) -> sa.ColumnElement[bool]:
    is_zero = column.expression < _literal(_FIRST_YEAR)
    return sa.or_(column.expression.is_(None), is_zero)


def _moment(changed: Sequence[Column]) -> sa.ColumnElement[Any]:
    """When a row last changed; the column itself where there is one, for its index."""
    if len(changed) == 1:
        return changed[0].expression
    return sa.case(
        *(
            (each.expression >= _literal(_FIRST_YEAR), each.expression)
            for each in changed
        )
    )


def _behind(
    order: Sequence[sa.ColumnElement[Any]], last: Sequence[Any]
) -> sa.ColumnElement[bool]:
    """What comes after the values of the last row, column by column."""
    column, value = order[0], _literal(last[0])
    if len(order) == 1:
        return column > value
    rest = sa.and_(column == value, _behind(order[1:], last[1:]))
    return sa.or_(column > value, rest)
