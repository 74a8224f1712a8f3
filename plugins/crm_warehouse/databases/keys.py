"""Keys of tables as source ids.

One column's value is the id itself. Several are joined by colons, and colons and
percent signs inside them written ``%3A`` and ``%25``.
"""

import re
from collections.abc import Sequence
from typing import Any

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")


def join_key(values: Sequence[Any]) -> Any:
    """The source id that the values of a key make."""
    if len(values) == 1:
        return values[0]
    return ":".join(
        str(value).replace("%", "%25").replace(":", "%3A") for value in values
    )


def split_key(source_id: str, numbers: Sequence[bool]) -> tuple[int | str, ...] | None:
    """The values of a key, or None: no row can have this id.

    Args:
        source_id: What :func:`join_key` made.
        numbers: For each column, whether it holds whole numbers.
    """
    parts = [source_id]
    if len(numbers) > 1:
        parts = [
            part.replace("%3A", ":").replace("%25", "%")
            for part in source_id.split(":")
        ]
    # A text that is no number would be one to MySQL: 'x' = 0.
    if len(parts) != len(numbers) or not all(
        _WHOLE.fullmatch(part)
        for part, is_number in zip(parts, numbers, strict=True)
        if is_number
    ):
        return None
    return tuple(
        int(part) if is_number else part
        for part, is_number in zip(parts, numbers, strict=True)
    )
