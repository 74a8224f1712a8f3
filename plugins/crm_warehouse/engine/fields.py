"""Columns of a row: where each stands in a record, and what becomes of its value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crm_warehouse.engine import payload, values
from crm_warehouse.engine.problems import Problem, too_long
from crm_warehouse.engine.record_paths import first_of, getter, joined, rest
from crm_warehouse.engine.values import NULL
from crm_warehouse.errors import Action, CrmWarehouseError
from crm_warehouse.spec import FieldMap, OnError

_EMPTY_IS_TEXT = frozenset({"text", "email", "phone"})
_NO_LIMIT = 1 << 40


class RejectError(CrmWarehouseError):
    """Internal: leaves the mapping of a record that cannot be a row."""

    category = "reject"
    action = Action.REJECT

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error_type)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Field:
    """How a column is read from a record.

    Attributes:
        column: The column of the unified table.
        get: Reads the place, or places, of the record.
        convert: Turns what stands there into COPY text.
        is_text: An empty value is a value.
        plain_to: A text of up to so many characters is its own COPY text.
        required: A record without it is no row.
        expected: A record without it is worth a warning.
        on_error: What becomes of a value that cannot be used.
        warn_length: Characters from which on a value is worth a warning.
    """

    column: str
    get: Callable[[Any], Any]
    convert: values.Converter
    is_text: bool
    plain_to: int
    required: bool
    expected: bool
    on_error: OnError
    warn_length: int


def compile_field(
    line: FieldMap, field: Any, taken: set[str], value_keys: Sequence[str]
) -> Field:
    """A line of the mapping, ready to be read many times.

    Args:
        line: The line.
        field: The column as the unified schema describes it.
        taken: Top-level fields of a record that other lines read.
        value_keys: Keys at which an object in a place may hold the value.
    """
    metadata = field.metadata
    kind = metadata["kind"]
    if line.paths == (("$rest",),):
        get = rest(taken)
    elif line.join is not None:
        # Part of a name is a name; part of an id is another record's id.
        whole = "links_to" in metadata
        get = joined(line.paths, line.join, whole=whole, value_keys=value_keys)
    elif kind == "json":
        get = first_of(line.paths)  # an object is its value
    elif len(line.paths) == 1:
        get = getter(line.paths[0], value_keys)
    else:
        get = first_of(line.paths, value_keys, skip_empty=line.skip_empty)
    convert = values.CONVERTERS[kind]
    if metadata.get("trim"):
        convert = values.trimmed
    keeps = kind in _EMPTY_IS_TEXT
    if keeps and value_keys:
        convert = values.one_value(convert)
    warn_length = metadata.get("warn_length") or _NO_LIMIT
    default: OnError = "reject" if field.required else "keep" if keeps else "set_null"
    return Field(
        column=line.target,
        get=get,
        convert=convert,
        is_text=keeps,
        plain_to=warn_length if convert is values.text else 0,
        required=field.required,
        expected=bool(metadata.get("expected")),
        on_error=line.on_error or default,
        warn_length=warn_length,
    )


def read_values(
    fields: Sequence[Field], record: Any, warnings: list[Problem]
) -> list[str]:
    """COPY text of each column, not yet escaped; adds what could not be used.

    Raises:
        RejectError: The record cannot be a row.
    """
    row = []
    for field in fields:
        value = field.get(record)
        # What most values are; a call for each would cost as much again.
        if type(value) is str and 0 < len(value) <= field.plain_to and value != NULL:
            row.append(value)
        else:
            row.append(_value(field, value, warnings))
    return row


def _value(field: Field, value: Any, warnings: list[Problem]) -> str:
    if value is None or (value == "" and not field.is_text):
        return _absent(field, warnings)
    try:
        text = field.convert(value)
    except values.UnusableValueError as error:
        problem = Problem(error.error_type, str(error), field.column)
        if field.on_error == "reject":
            raise RejectError(problem) from None
        warnings.append(problem)
        return NULL
    if text == NULL:
        text = payload.REPLACEMENT
    if not text and field.expected:
        warnings.append(_missing(field))
    if len(text) > field.warn_length:
        warnings.append(too_long(field.column, field.warn_length))
    if not field.is_text and "\\u0000" in text:
        text = values.json(payload.clean(value))
    return text


def _absent(field: Field, warnings: list[Problem]) -> str:
    if field.required:
        raise RejectError(_missing(field))
    if field.expected:
        warnings.append(_missing(field))
    return NULL


def _missing(field: Field) -> Problem:
    word = "required" if field.required else "expected"
    return Problem("missing_value", f"{word}, but empty or absent", field.column)
