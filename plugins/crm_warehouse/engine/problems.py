"""What can be wrong with a record or with one of its fields."""

from typing import NamedTuple

#: Error type -> what of the mapping itself says so. Validation rules have names of
#: their own, which hold no colon.
_BUILT_IN = {
    "not_an_object": "built-in:object",
    "missing_id": "built-in:id",
    "missing_value": "built-in:required",
    "invalid_timestamp": "built-in:timestamp",
    "invalid_number": "built-in:numeric",
    "invalid_boolean": "built-in:boolean",
    "invalid_text": "built-in:text",
    "invalid_email": "built-in:email",
    "invalid_phone": "built-in:phone",
    "too_long": "built-in:usual_length",
    "invalid_character": "built-in:characters",
    "unusable_key": "built-in:known_keys",
    "refused_by_warehouse": "built-in:postgresql",
    "too_many_cells": "built-in:csv",
    "broken_quote": "built-in:csv",
    "cut_short": "built-in:csv",
    "invalid_id": "built-in:csv",
}


class Problem(NamedTuple):
    """A field that could not be used, or the reason of a reject.

    Attributes:
        error_type: Stable word for ``ops.sync_errors.error_type``.
        message: What is expected; never the value.
        field: Unified column, or empty: the record.
        rule_name: Validation rule that says so, or empty: the mapping itself.
    """

    error_type: str
    message: str
    field: str
    rule_name: str = ""

    @property
    def rule(self) -> str:
        """Who says so, as ``ops.sync_errors.rule`` has it."""
        return self.rule_name or _BUILT_IN[self.error_type]


def too_long(column: str, limit: int) -> Problem:
    """A text longer than people expect."""
    return Problem("too_long", f"longer than {limit} characters; kept whole", column)


def replaced(column: str) -> Problem:
    """A text that PostgreSQL refuses as it is."""
    message = "NUL or a lone surrogate was replaced by U+FFFD"
    return Problem("invalid_character", message, column)
