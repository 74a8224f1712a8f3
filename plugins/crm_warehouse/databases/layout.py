"""What the columns of an entity's tables are, and the record that a row makes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedIndex

from crm_warehouse.databases import values
from crm_warehouse.databases.keys import join_key
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files.databases import columns_of
from crm_warehouse.source_files.fields import nearest
from crm_warehouse.spec import Entity
from crm_warehouse.ways_in import ColumnRule, DatabaseWay

Record = dict[str, Any]
Fill = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one of the tables.

    Attributes:
        expression: It, in a statement.
        type: Its type, as the database describes it.
        nullable: Whether it may have no value.
    """

    expression: sa.ColumnElement[Any]
    type: sa.types.TypeEngine[Any]
    nullable: bool

    @property
    def is_number(self) -> bool:
        """Whether it holds whole numbers."""
        return isinstance(self.type, sa.Integer)

    @property
    def is_day(self) -> bool:
        """Whether it holds dates without a time."""
        return isinstance(self.type, sa.Date)

    @property
    def is_instant(self) -> bool:
        """Whether its times are instants, whatever zone is declared for others."""
        kind = self.type
        return isinstance(kind, sa.TIMESTAMP) and (
            kind.timezone or isinstance(kind, mysql.TIMESTAMP)
        )

    def converter(self, zone: ZoneInfo, *, typed: bool) -> values.Convert | None:
        """What makes JSON of its values; None: they are JSON.

        Args:
            zone: Of times that are stored without one.
            typed: Whether the database keeps other values out of a column.
        """
        kind = self.type
        if isinstance(kind, sa.DateTime):
            return values.moments(None if self.is_instant else zone)
        if self.is_day:
            return values.day
        if isinstance(kind, mysql.BIT):
            return values.bits if kind.length != 1 else _flag
        if isinstance(kind, mysql.JSON):
            return _parsed
        if typed and isinstance(kind, sa.CHAR):
            return _unpadded
        is_json = isinstance(kind, sa.Integer | sa.String)
        return None if typed and is_json else values.plain


class Layout:
    """The tables of one entity, as they are.

    Args:
        inspector: Describes the database.
        entity: What is read; it has a ``database``.
        origin: The connection, for messages.

    Attributes:
        table: Its table.
        source: The table with its joins.
        keys: Columns of its key.
        changed: Columns that say when a row last changed.
        selected: What a statement has to select.

    Raises:
        ConfigurationError: Tables or columns are not as the source file says.
    """

    def __init__(self, inspector: sa.Inspector, entity: Entity, origin: str) -> None:
        assert entity.database is not None  # noqa: S101  the caller's promise
        self._way: DatabaseWay = entity.database
        self._inspector = inspector
        self._origin = f"{origin}: {entity.name}"
        self._typed = inspector.dialect.name != "sqlite"
        self._tables: dict[str, dict[str, Column]] = {}
        self.table = self._describe("", self._way.table, alias=None)
        self.source: sa.FromClause = self.table
        for name in self._way.joins:
            self._join(name)
        self.keys = [self.column(name) for name in self._way.key]
        self._check_keys()
        self.changed = [self.column(name) for name in self._way.changed]
        self._check_changed()
        self._zone = ZoneInfo(self._way.time_zone)
        self.selected: list[sa.ColumnElement[Any]] = []
        self._converters: list[values.Convert | None] = []
        self._places: dict[tuple[str, bool], int] = {}
        self._id_key = str(entity.id_path[0])
        self._id_places = [self._place(name) for name in self._way.key]
        self._own = self._own_values()
        self._fills: list[tuple[str, Fill]] = [
            (key, self._fill(rule)) for key, rule in self._way.columns.items()
        ]

    def column(self, name: str) -> Column:
        """A column by the name that rules call it."""
        join, _, column = name.rpartition(".")
        columns = self._tables[join]
        if column not in columns:
            table = self._way.joins[join].table if join else self._way.table
            raise self._problem(
                f"table {table} has no column {column!r}{nearest(column, columns)}"
            )
        return columns[column]

    def record(self, row: Sequence[Any]) -> Record:
        """The record that a row makes, whose first columns are :attr:`selected`."""
        found = [
            value if convert is None or value is None else convert(value)
            for convert, value in zip(self._converters, row, strict=False)
        ]
        record = {name: found[place] for name, place in self._own}
        for key, fill in self._fills:
            record[key] = fill(found)
        parts = [found[place] for place in self._id_places]
        if None in parts:
            raise self._problem(
                f"a row of {self._way.table} has no value in its key"
                f" ({', '.join(self._way.key)}), so that nothing can be read behind it"
            )
        record[self._id_key] = join_key(parts)
        return record

    def key_of(self, row: Sequence[Any]) -> tuple[int | str, ...]:
        """The values of a row's key, as statements take them."""
        found = [
            (row[place], self._converters[place] or values.plain)
            for place in self._id_places
        ]
        return tuple(convert(value) for value, convert in found)

    def _describe(self, name: str, table: str, alias: str | None) -> sa.FromClause:
        schema, _, plain = table.rpartition(".")
        try:
            found = self._inspector.get_columns(plain, schema=schema or None)
        except sa.exc.NoSuchTableError:
            raise self._problem(f"there is no table {table}") from None
        except sa.exc.UnreflectableTableError:
            raise self._problem(
                f"{table} is a view that the database itself cannot read"
            ) from None
        quoted = {each["name"]: sa.quoted_name(each["name"], True) for each in found}
        made: Any = sa.table(
            sa.quoted_name(plain, True),
            *(sa.column(each) for each in quoted.values()),
            schema=sa.quoted_name(schema, True) if schema else None,
        )
        made = made if alias is None else made.alias(alias)
        self._tables[name] = {each["name"]: _column(made, each) for each in found}
        known: sa.FromClause = made
        return known

    def _join(self, name: str) -> None:
        join = self._way.joins[name]
        other = self._describe(name, join.table, alias=name)
        if {join.key} not in self._unique_sets(join.table):
            raise self._problem(
                f"joins.{name}: {join.key} is no unique column of {join.table}, so that"
                " rows would come several times"
            )
        mine, theirs = self.column(join.origin), self.column(f"{name}.{join.key}")
        self.source = self.source.outerjoin(other, mine.expression == theirs.expression)

    def _unique_sets(self, table: str) -> list[set[str | None]]:
        """Columns by which a table names each of its rows; a view has none."""
        schema, _, plain = table.rpartition(".")
        place, inspector = (plain, schema or None), self._inspector
        keys: list[Sequence[str | None]] = [
            inspector.get_pk_constraint(*place)["constrained_columns"]
        ]
        keys += [
            index["column_names"]
            for index in inspector.get_indexes(*place)
            if index["unique"] and not _is_partial(index)
        ]
        keys += [
            each["column_names"] for each in inspector.get_unique_constraints(*place)
        ]
        return [set(key) for key in keys if key]

    def _check_keys(self) -> None:
        for name, column in zip(self._way.key, self.keys, strict=True):
            if not isinstance(column.type, sa.Integer | sa.String | sa.Uuid):
                raise self._problem(
                    f"key column {name} is of type {column.type!r}; a key is made of"
                    " whole numbers, texts and UUIDs"
                )
        unique = self._unique_sets(self._way.table)
        if unique and not any(each <= {*self._way.key} for each in unique):
            raise self._problem(
                f"key {', '.join(self._way.key)} is not unique in {self._way.table}, so"
                " that rows would take the place of others"
            )

    def _check_changed(self) -> None:
        for name, column in zip(self._way.changed, self.changed, strict=True):
            if not isinstance(column.type, sa.DateTime | sa.Date):
                raise self._problem(
                    f"column {name} of changed is of type {column.type!r}, which is no"
                    " time"
                )
        kinds = {column.is_instant for column in self.changed if not column.is_day}
        if len(kinds) > 1 and self._way.time_zone != "UTC":
            raise self._problem(
                "of the columns of changed some have a zone and some are in"
                f" {self._way.time_zone}: they have no common order"
            )

    def _own_values(self) -> list[tuple[str, int]]:
        """Keys that columns have without a rule, with their places."""
        way = self._way
        named = {*way.leave_out, *_rule_columns(way.columns.values())}
        if len(way.key) == 1:
            named.update(way.key)  # it is the record's id
        taken = {*way.columns, self._id_key}
        found = []
        for name in self._tables[""]:
            if name not in named:
                # What would hide another value comes along beside it.
                key = f"{way.table}.{name}" if name in taken else name
                found.append((key, self._place(name)))
        for name in way.leave_out:
            self.column(name)
        return found

    def _place(self, name: str, *, raw: bool = False) -> int:
        """Where a column stands among those selected."""
        place = self._places.setdefault((name, raw), len(self.selected))
        if place == len(self.selected):
            column = self.column(name)
            self.selected.append(column.expression.label(f"c{place}"))
            self._converters.append(
                None if raw else column.converter(self._zone, typed=self._typed)
            )
        return place

    def _fill(self, rule: ColumnRule) -> Fill:
        if rule.is_local:
            return self._fill_local(rule)
        places = [self._place(name) for name in rule.columns]
        words = rule.values

        def fill(found: Sequence[Any]) -> Any:
            value = next(
                (found[place] for place in places if found[place] is not None), None
            )
            return words.get(str(value), value) if words else value

        return fill

    def _fill_local(self, rule: ColumnRule) -> Fill:
        day, time = (self._place(name, raw=True) for name in rule.columns)
        plus, zone = (
            None if name is None else self._place(name, raw=True)
            for name in (rule.plus, rule.zone_from)
        )

        def fill(found: Sequence[Any]) -> Any:
            plus_of, zone_of = (
                None if at is None else found[at] for at in (plus, zone)
            )
            return values.local_instant(
                found[day], found[time], plus_of, zone_of, rule.zone
            )

        return fill

    def _problem(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._origin}: {what}")


def _column(table: sa.FromClause, found: ReflectedColumn) -> Column:
    kind = found["type"]
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    return Column(table.c[found["name"]], kind, found["nullable"])


def _is_partial(index: ReflectedIndex) -> bool:
    """Whether an index has only rows that a condition holds of."""
    return any(name.endswith("_where") for name in index.get("dialect_options", {}))


def _rule_columns(rules: Iterable[ColumnRule]) -> Iterator[str]:
    for rule in rules:
        yield from columns_of(rule)


def _flag(value: Any) -> Any:
    return bool(values.bits(value))


def _unpadded(value: Any) -> Any:
    """``CHAR(n)`` without the blanks that PostgreSQL fills it up with."""
    return value.rstrip(" ") if isinstance(value, str) else values.plain(value)


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else values.plain(value)
