"""Compile an entity's mapping once, then turn each record into a row.

The unified marshmallow schema says kinds, lengths and what a row cannot exist without;
the mapping says where each value stands. What is compiled is a list of small closures.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from crm_warehouse.engine import local_times, normalize, payload, values
from crm_warehouse.engine.fields import (
    Field,
    RejectError,
    compile_field,
    read_values,
)
from crm_warehouse.engine.known_keys import key_reader
from crm_warehouse.engine.problems import Problem, replaced, too_long
from crm_warehouse.engine.record_paths import (
    getter,
    gone_getter,
    link_column,
    links_getter,
    merged_ids_getter,
    missing_id,
    usable_id,
    whole_getter,
)
from crm_warehouse.engine.rules import Check
from crm_warehouse.engine.schema_changes import is_lost
from crm_warehouse.engine.values import NULL
from crm_warehouse.spec import ON_ERRORS, Entity, OnError
from crm_warehouse.unified import UNIFIED

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_WARN_ID = 255


class Row(NamedTuple):
    """One record, mapped.

    Attributes:
        line: Mapped values as COPY text, tabs between them; None when rejected, or
            deleted in the source.
        sync_hash: SHA-256 (hex) over ``line`` and the names of what it cannot say.
        reject: Why the record cannot be a row, or None.
        warnings: Fields that could not be used.
        also: The rows that the record makes in other tables.
    """

    line: str | None
    sync_hash: str | None
    reject: Problem | None
    warnings: list[Problem]
    also: "tuple[Row, ...]" = ()


@dataclass(frozen=True, slots=True)
class _Bound:
    """A rule at the place of its column in a row."""

    index: int
    passes: Callable[[str], bool]
    on_error: OnError
    problem: Problem


@dataclass(frozen=True, slots=True)
class _Derived:
    column: str
    index: int
    normalize: Callable[[str], str | None]
    error_type: str
    message: str


class Mapping:
    """The compiled mapping of one entity.

    Args:
        entity: What to map, and where to.
        region: Country of phone numbers without a prefix.
        checks: Validation rules of the entity, compiled; each is about one column.
        removed: Properties that the source had, and does not name any more.

    Attributes:
        into: The unified table.
        columns: Columns of the unified table, in the order of a row's values.
        column_types: Their PostgreSQL types.
        links: Parents of which a record may have several. Their lists follow the
            columns in a row, as jsonb, and count in its hash.
        digest: Changes when records may map otherwise than before.
        merged_ids: Lists the ids that a record says were merged into it.
        part_of: Reads which record one is part of; None: they are of none.
        known_keys: Reads the known keys of a record; None: the entity has none.
        kept_kinds: Kinds of them about which records say nothing any more, likewise.
        is_gone: Whether a record says that it was deleted; None: none does.
        also: Mappings of the same records into other tables.
        kept: Columns about which records say nothing any more, since the properties
            are gone that they are mapped from. Rows keep what they have there.
    """

    def __init__(
        self,
        entity: Entity,
        region: str,
        checks: Sequence[Check] = (),
        removed: frozenset[str] = frozenset(),
    ) -> None:
        schema = UNIFIED[entity.into]()
        self.into = entity.into
        self.links = entity.links
        self.also = [
            Mapping(view, region, checks, removed) for view in entity.views()[:-1]
        ]
        self.kept: set[str] = set()
        self._zone = ZoneInfo(entity.time_zone) if entity.time_zone else None
        self._timestamp = (
            local_times.timestamp_in(self._zone) if self._zone else values.timestamp
        )
        self._links = [links_getter(link) for link in entity.links]
        self._fields: list[Field] = []
        self._derived: list[_Derived] = []
        self.columns: list[str] = []
        self.column_types: list[str] = []
        taken = {str(path[0]) for line in entity.fields for path in line.paths}
        taken.add(str(entity.id_path[0]))
        taken.update(str(link.path[0]) for link in entity.links)
        for index, line in enumerate(entity.fields):
            field = schema.fields[line.target]
            kind = field.metadata["kind"]
            compiled = compile_field(line, field, taken, entity.value_keys)
            if kind == "timestamp":
                compiled = replace(compiled, convert=self._timestamp)
            if is_lost(line, removed):
                self.kept.add(line.target)
                compiled = replace(compiled, get=lambda _: None, expected=False)
            self._fields.append(compiled)
            self.columns.append(line.target)
            self.column_types.append(_TYPES[kind])
            if kind in ("email", "phone"):
                self._derived.append(_derive(kind, index, region))
        self.columns += [d.column for d in self._derived]
        self.column_types += ["text"] * len(self._derived)
        self.kept |= {
            d.column for d in self._derived if self.columns[d.index] in self.kept
        }
        self._id = getter(entity.id_path)
        self._version = getter(entity.version_path) if entity.version_path else None
        self.merged_ids = merged_ids_getter(entity.merged_ids)
        self.part_of = whole_getter(entity)
        keys = entity.known_keys
        self.known_keys = key_reader(keys, entity.value_keys) if keys else None
        self.kept_kinds = [each.kind for each in keys if is_lost(each, removed)]
        self.is_gone = gone_getter(entity)
        own = [check for check in checks if check.table == entity.into]
        self._checks = self._bind(own, range(len(self._fields)))
        self._late_checks = self._bind(own, range(len(self._fields), len(self.columns)))
        # Rows keep other values there than the line has: when these can come again, it
        # must not pass for the line that was written.
        self._unsaid = "".join(f"\n{name}" for name in sorted(self.kept))
        self.digest = _digest(entity, region, checks, self.kept)

    def _bind(self, checks: Sequence[Check], columns: range) -> list[_Bound]:
        """Rules about these columns, those that reject first."""
        places = [(check, self.columns.index(check.column)) for check in checks]
        return [
            _Bound(
                index,
                check.passes,
                check.on_error,
                Problem(
                    "validation_rule", check.message, check.column, check.rule.name
                ),
            )
            for on_error in ON_ERRORS
            for check, index in places
            if index in columns and check.on_error == on_error
        ]

    @property
    def emptied(self) -> set[str]:
        """Columns that a rule may set to NULL, those made of them, and what is kept."""
        checks = [*self._checks, *self._late_checks]
        at = {check.index for check in checks if check.on_error == "set_null"}
        made = {each.column for each in self._derived if each.index in at}
        return made | {self.columns[index] for index in at} | self.kept

    def source_id(self, record: Any) -> str | None:
        """Id of the record as text, or None when it has no usable one."""
        if type(record) is not dict:
            return None
        return usable_id(self._id(record))

    def version(self, record: dict[str, Any]) -> str | None:
        """Time of the source's last change as canonical text, or None."""
        if self._version is None or not (value := self._version(record)):
            return None
        if self._zone is not None and local_times.comes_twice(value, self._zone):
            return None  # observation knows better which of two was later
        try:
            return self._timestamp(value)
        except values.UnusableValueError:
            return None

    def map(self, record: Any, source_id: str | None) -> Row:
        """The record as a row, or the reason why it cannot be one.

        One that says that it was deleted makes none.
        """
        if self.is_gone is not None and source_id is not None and self.is_gone(record):
            return Row(None, None, None, [])
        row = self._map(record, source_id)
        if not self.also or row.line is None:
            return row
        rows = []
        for mapping in self.also:
            other = mapping.map(record, source_id)
            if other.reject is not None:
                return Row(None, None, _of_table(mapping.into, other.reject), [])
            row.warnings.extend(_of_table(mapping.into, w) for w in other.warnings)
            rows.append(other)
        return row._replace(also=tuple(rows))

    def line_columns(self) -> dict[str, str]:
        """Names and types of everything that a row's line holds."""
        types = dict(zip(self.columns, self.column_types, strict=True))
        return types | {link_column(link.parent): "jsonb" for link in self.links}

    def _map(self, record: Any, source_id: str | None) -> Row:
        if source_id is None:
            return Row(None, None, missing_id(record), [])
        warnings: list[Problem] = []
        if len(source_id) > _WARN_ID:
            warnings.append(too_long("source_id", _WARN_ID))
        try:
            row = read_values(self._fields, record, warnings)
            for check in self._checks:
                if not check.passes(row[check.index]):
                    _break(check, row, warnings)
            for derived in self._derived:
                row.append(self._normalize(derived, row, warnings))
            for check in self._late_checks:
                if not check.passes(row[check.index]):
                    _break(check, row, warnings)
            row += [values.json(links(record)) for links in self._links]
        except RejectError as error:
            return Row(None, None, error.problem, [])
        line = self._storable("\t".join(row), row, warnings)
        digest = hashlib.sha256((line + self._unsaid).encode()).hexdigest()
        return Row(line, digest, None, warnings)

    def _normalize(
        self, derived: _Derived, row: list[str], warnings: list[Problem]
    ) -> str:
        sent = row[derived.index]
        if sent == NULL or not sent:
            return NULL
        if (normal := derived.normalize(sent)) is not None:
            return normal
        field = self._fields[derived.index]
        problem = Problem(derived.error_type, derived.message, field.column)
        if field.on_error == "reject":
            raise RejectError(problem)
        if field.on_error == "set_null":
            row[derived.index] = NULL
        warnings.append(problem)
        return NULL

    def _storable(self, line: str, row: list[str], warnings: list[Problem]) -> str:
        """COPY text of the row: replace what PostgreSQL refuses, escape the rest."""
        if "\0" in line or not payload.is_encodable(line):
            for index, value in enumerate(row):
                row[index] = payload.clean_text(value)
                if row[index] != value:
                    warnings.append(replaced(list(self.line_columns())[index]))
            line = "\t".join(row)
        if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(row):
            line = "\t".join([value.translate(_ESCAPES) for value in row])
        return line


_TYPES = {
    "text": "text",
    "email": "text",
    "phone": "text",
    "numeric": "numeric(12,2)",
    "timestamp": "timestamptz",
    "json": "jsonb",
    "boolean": "boolean",
    "integer": "bigint",
}


def _derive(kind: str, index: int, region: str) -> _Derived:
    if kind == "email":
        return _Derived(
            "email_normalized",
            index,
            normalize.email,
            "invalid_email",
            "not a valid e-mail address; kept as sent",
        )
    return _Derived(
        "phone_e164",
        index,
        normalize.phone_normalizer(region),
        "invalid_phone",
        "not a valid phone number; kept as sent",
    )


def _break(check: _Bound, row: list[str], warnings: list[Problem]) -> None:
    """Do what the rule says of a value that does not pass."""
    if check.on_error == "reject":
        raise RejectError(check.problem)
    if check.on_error == "set_null":
        row[check.index] = NULL
    warnings.append(check.problem)


def _digest(
    entity: Entity, region: str, checks: Sequence[Check], kept: set[str]
) -> str:
    parts: tuple[Any, ...] = (
        entity.into,
        entity.id_path,
        entity.version_path,
        entity.fields,
        entity.also,
        entity.links,
        entity.active_path,
        entity.time_zone,
        region,
        sorted(repr(check.rule) for check in checks),
        sorted(kept),
        # Left out where there are none: digests of before stay what they were.
        *([entity.value_keys] if entity.value_keys else []),
        *([entity.deleted_path] if entity.deleted_path else []),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _of_table(table: str, problem: Problem) -> Problem:
    """The problem, with a field that says which of the record's rows it is about."""
    return problem._replace(field=f"{table}.{problem.field}")
