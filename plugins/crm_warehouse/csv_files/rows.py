"""Rows of a file: cells where it can be read, and where not, which line and why."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

from crm_warehouse.csv_files.lines import Lines

#: Characters of a cell. What an open quote swallows before it is found out is read
#: again, and held meanwhile.
_LONGEST_CELL = 4_000_000
_END, _ENDS = "\n", "\r\n"
_NOTHING = " \t\xa0\x1a"
_BROKEN = (
    "broken_quote",
    "a quotation mark is not closed, or stands inside a cell",
)
#: Its last cell may be the beginning of what stood there, as 12 of 1234.
_CUT_SHORT = ("cut_short", "the file ends in the middle of this line")


class CsvRow(NamedTuple):
    """One row.

    Attributes:
        number: Number of its first line, from 1.
        cells: What stands in it.
        problem: Reason and message why it cannot be read, or None.
        text: The row as it stands in the file, with its end.
    """

    number: int
    cells: list[str]
    problem: tuple[str, str] | None
    text: str


class Rows:
    """Rows from where the lines stand, one after the other; empty ones left out.

    Quotes are read strictly, since a stray one would make the rows up to the next one
    a single cell. A line that is not correct is tried once more by itself, as
    spreadsheets would read it; the next row begins behind it.

    Args:
        lines: The lines; when a row is handed out, they are settled behind it.
        delimiter: What stands between cells.
        width: Columns of the file; None: any number, as in its header.
        is_torn: As it stood behind the row before.

    Attributes:
        is_torn: Parts of a row with a broken quote may follow, until a whole one comes.
    """

    def __init__(
        self,
        lines: Lines,
        delimiter: str,
        width: int | None = None,
        *,
        is_torn: bool = False,
    ) -> None:
        csv.field_size_limit(_LONGEST_CELL)
        self._lines = lines
        self._delimiter = delimiter
        self._width = width
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        self.is_torn = is_torn

    def __iter__(self) -> Iterator[CsvRow]:
        return self

    def __next__(self) -> CsvRow:
        while True:
            number, problem = self._lines.number, None
            try:
                cells = next(self._reader)
            except csv.Error:
                cells = _line_alone(self._lines, self._delimiter)
                if len(cells) < (self._width or 0) or cells[-1].endswith(_END):
                    problem, self.is_torn = _BROKEN, True
            text = self._lines.settle()
            if _says_something(cells):
                problem = problem or self._judge(cells, text)
                return CsvRow(number, cells, problem, text)

    def _judge(self, cells: list[str], text: str) -> tuple[str, str] | None:
        width = self._width
        if width is None or len(cells) == width:
            self.is_torn = False
            return None
        # Spreadsheets end rows with delimiters that belong to no column.
        if any(cells[width:]):
            message = f"{len(cells)} cells, and the header names {width}"
            return "too_many_cells", message
        if self.is_torn:
            return _BROKEN
        if len(cells) < width and text[-1] not in _ENDS:
            return _CUT_SHORT
        return None


def _says_something(cells: list[str]) -> bool:
    """Whether a row is more than blanks, or the sign that ends some old files."""
    # Nearly every row begins with a letter or digit, all of which come behind a blank.
    return bool(cells) and (
        cells[0] > " " or any(cell.strip(_NOTHING) for cell in cells)
    )


def _line_alone(lines: Lines, delimiter: str) -> list[str]:
    """Read the first of the lines taken again, without those behind it.

    Returns:
        Its cells; where it ends inside quotes, the last one ends with the line's end.
    """
    lines.give_back()
    line = next(lines).rstrip("\r\n") + _END
    try:
        cells = next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        cells = [line]
    return line.split(delimiter) if cells[-1].endswith(_END) else cells
