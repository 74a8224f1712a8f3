"""Ways into a source besides its API, as the YAML describes them.

Read and checked by :mod:`crm_warehouse.source_files`, as everything in
:mod:`crm_warehouse.spec`.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Join:
    """A table in which each row of another names at most one row.

    Attributes:
        table: Table that is joined.
        origin: Column that names a row of it, perhaps of an earlier join.
        key: Unique column that it is named by.
    """

    table: str
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """Where a database has the value of one key of a record.

    A column of a join is written ``<join>.<column>``.

    Attributes:
        columns: Columns to look in, the first one with a value wins. For an instant in
            several columns: its date and its time.
        values: Code in the database, as text -> word in the record; others stay.
        is_local: The columns are date and time in a zone of their own.
        plus: Column of a duration to add, or None.
        zone: Zone of a local time; where ``zone_from`` names none, when both are there.
        zone_from: Column that names the zone, or None.
    """

    columns: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    is_local: bool = False
    plus: str | None = None
    zone: str | None = None
    zone_from: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseWay:
    """How an entity is read from the source's own database.

    Attributes:
        table: Table whose rows are its records, perhaps ``<schema>.<table>``.
        key: Columns of its key, in the order in which they make the source id.
        changed: Columns that say when a row last changed; of several the first one
            that has a value. None: every run reads the whole table.
        columns: Key of a record -> where the database has its value. Columns of the
            table that no rule names come along under their own names.
        joins: Name -> another table that rules take columns from.
        leave_out: Columns of the table that are not read.
        time_zone: Zone of times that are stored without one.
        schedule: Cron of incremental runs (UTC), or None.
        full_schedule: Cron of full runs (UTC), or None.
    """

    table: str
    key: tuple[str, ...] = ("id",)
    changed: tuple[str, ...] = ()
    columns: dict[str, ColumnRule] = field(default_factory=dict)
    joins: dict[str, Join] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    time_zone: str = "UTC"
    schedule: str | None = None
    full_schedule: str | None = None


@dataclass(frozen=True, slots=True)
class CsvWay:
    """How an entity is read from files that people or programs export.

    Attributes:
        columns: Key of a record -> headers under which files may have it.
        integers: Keys whose cells are whole numbers.
        numbers: Keys whose cells are decimal numbers.
        times: Keys whose cells are dates and times.
        value_form: How its API writes values: ``json`` knows numbers and null,
            ``text`` is text only, as XML.
        time_formats: Forms of times besides ISO 8601, as ``strptime`` reads them.
        time_zone: Where times without an offset were written.
        decimal_comma: Whether numbers are written ``1.234,50``.
        encoding: Of the files; None: found out from each.
        delimiter: Between cells; None: found out from each.
    """

    columns: dict[str, tuple[str, ...]]
    integers: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    value_form: Literal["json", "text"] = "json"
    time_formats: tuple[str, ...] = ()
    time_zone: str = "UTC"
    decimal_comma: bool = False
    encoding: str | None = None
    delimiter: str | None = None
