"""Lists for people: columns below each other, nothing that steers a terminal."""

import json
from collections.abc import Sequence
from typing import Any

_WIDEST = 60


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lines with aligned columns; long texts are shortened, absent ones empty.

    Args:
        head: Names of the columns.
        rows: Their values.
    """
    lines = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def printable(text: str) -> str:
    """Nothing that steers a terminal; JSON stays the same JSON."""
    return "".join(
        c if c.isprintable() else " " if c in "\t\r\n" else json.dumps(c)[1:-1]
        for c in text
    )
