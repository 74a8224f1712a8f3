"""The ``database`` of an entity: the table that its records are read from, and how."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError, post_load, validates_schema

from crm_warehouse.source_files import values
from crm_warehouse.source_files.containers import Items, Named, Part, load_part
from crm_warehouse.source_files.fields import Described, Text, kind_of, nearest
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.spec import Path
from crm_warehouse.ways_in import ColumnRule, DatabaseWay, Join

_NAME = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_KEY = r"[^\s.\[\]$][^.\[\]\r\n]*"


def _table(description: str) -> Text:
    return Text(
        description,
        pattern=rf"({_NAME}\.)?{_NAME}",
        hint="is no name of a table; write e.g. prospect or crm.prospect",
    )


def _own_column(description: str, **options: Any) -> Text:
    """A column of the table itself."""
    return Text(
        description,
        pattern=_NAME,
        hint="is no name of a column of the table; write e.g. updated_at",
        **options,
    )


def _column(description: str, **options: Any) -> Text:
    """A column of the table, or of a join."""
    return Text(
        description,
        pattern=rf"({_NAME}\.)?{_NAME}",
        hint="is no name of a column; write e.g. status or division.label",
        **options,
    )


def _zone(description: str, **options: Any) -> Text:
    def convert(text: str) -> str:
        try:
            return ZoneInfo(text).key
        except (KeyError, ValueError, OSError):  # unknown, no name, or a folder
            raise ValidationError(
                f"{text!r} is no time zone; write e.g. US/Pacific"
            ) from None

    return Text(description, convert=convert, **options)


class JoinSchema(StrictSchema):
    """Another table that gives values to the records."""

    table = _table("Table that is joined.")
    origin = _column(
        "Column that names a row of it; of a join above: <join>.<column>.", key="from"
    )
    key = _own_column("Unique column of that table by which rows are named.", key="to")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Join:
        return Join(**data)


class LocalTimeSchema(StrictSchema):
    """An instant that stands in several columns, by a local clock."""

    date = _column("Column of the date.")
    time = _column("Column of the time of day.")
    plus = _column(
        "Column of a duration that is added: h:mm:ss, or minutes.", default=None
    )
    zone = _zone(
        "Time zone of the clock; with zone_from, where that names none.", default=None
    )
    zone_from = _column("Column that names the time zone.", default=None)

    @validates_schema
    def _check_zone(self, data: dict[str, Any], **_: Any) -> None:
        if data["zone"] is None and data["zone_from"] is None:
            raise ValidationError("needs zone, zone_from or both", "zone")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> ColumnRule:
        columns = data.pop("date"), data.pop("time")
        return ColumnRule(columns, is_local=True, **data)


class Places(Described):
    """One column, or several of which the first with a value counts."""

    one = _column("Column of the value.")
    several = Items("Columns; the first one with a value counts.", one, minimum=1)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[str, ...]:
        if isinstance(value, list):
            loaded: tuple[str, ...] = self.several.deserialize(value)
            return loaded
        return (self.one.deserialize(value),)


class CodesSchema(StrictSchema):
    """A column with codes."""

    origin = Places("Where the code is.", key="from")
    values = Named(
        "Code in the database: word in the record. Other codes stay.",
        Text("A code.", pattern=r".+"),
        Text("Its word."),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> ColumnRule:
        return ColumnRule(data["origin"], data["values"])


class Rule(Described):
    """Where the value of one key is; loaded as a ``ColumnRule``."""

    short_form = Places("Where the value is.")
    local_time = LocalTimeSchema
    codes = CodesSchema

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> ColumnRule:
        if isinstance(value, dict):
            form = self.local_time if "date" in value else self.codes
            rule: ColumnRule = load_part(form, value)
            return rule
        if not isinstance(value, str | list):
            raise ValidationError(
                "must be a column, a list of columns, {from, values} or "
                f"{{date, time, zone}}, not {kind_of(value)}"
            )
        return ColumnRule(self.short_form.deserialize(value))


class DatabaseSchema(StrictSchema):
    """How records are read from a table of the source's database."""

    table = _table("Table whose rows are the records.")
    key = Items(
        "Columns of the table's key; several make one id, a:b.",
        _own_column("A column of the key."),
        minimum=1,
        default=("id",),
    )
    changed = Items(
        "Columns that say when a row last changed; of several the first one with a "
        "value. Absent: every run reads the whole table.",
        _own_column("A column of times."),
        default=(),
    )
    columns = Named(
        "Key of the record: where the database has its value. Other columns of the "
        "table come along under their own names.",
        Text("A key of the record.", pattern=_KEY, hint="is no key of a record"),
        Rule("Column, or columns."),
        default={},
    )
    joins = Named(
        "Other tables that columns are taken from, by the name that rules call them.",
        values.name("Name of the join."),
        Part("A table in which each row names at most one row.", JoinSchema),
        default={},
    )
    leave_out = Items(
        "Columns of the table that are not read, e.g. hashes of passwords.",
        _own_column("A column."),
        default=(),
    )
    time_zone = _zone("Zone of times that are stored without one.", default="UTC")
    schedule = values.cron("Cron of incremental runs, in UTC.", default=None)
    full_schedule = values.cron("Cron of full runs, in UTC.", default=None)

    @validates_schema
    def _check_joins(self, data: dict[str, Any], **_: Any) -> None:
        if found := _join_problems(data["joins"], data["columns"]):
            raise ValidationError(found)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> DatabaseWay:
        return DatabaseWay(**data)


def database_problems(way: DatabaseWay, id_path: Path) -> dict[str, Any]:
    """What is wrong between a way in and the entity that it belongs to."""
    if len(id_path) > 1 or not isinstance(id_path[0], str):
        return {"key": ["goes with an id at the top of the record only"]}
    if id_path[0] in way.columns:
        return {"columns": {id_path[0]: ["is the record's id, which key makes"]}}
    if wrong := sorted({*way.leave_out} & {*way.key, *way.changed}):
        return {"leave_out": [f"{wrong[0]!r} is needed: it is in key or changed"]}
    return {}


def _join_problems(
    joins: dict[str, Join], columns: dict[str, ColumnRule]
) -> dict[str, Any]:
    """Columns of joins that are not there, or not yet."""
    problems: dict[str, Any] = {}
    known: list[str] = []
    for name, join in joins.items():
        if text := _unknown_join(join.origin, known):
            problems.setdefault("joins", {})[name] = {"from": [text]}
        known.append(name)
    for key, rule in columns.items():
        texts = [_unknown_join(each, known) for each in columns_of(rule)]
        if found := [text for text in texts if text]:
            problems.setdefault("columns", {})[key] = found
    return problems


def columns_of(rule: ColumnRule) -> Iterator[str]:
    """All columns that a rule reads."""
    yield from rule.columns
    yield from (each for each in (rule.plus, rule.zone_from) if each is not None)


def _unknown_join(column: str, known: list[str]) -> str | None:
    name, dot, _ = column.rpartition(".")
    if not dot or name in known:
        return None
    hint = nearest(name, known) if known else "; there is none before it"
    return f"unknown join {name!r}{hint}"
