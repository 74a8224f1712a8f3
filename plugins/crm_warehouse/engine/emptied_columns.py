"""Columns that come empty although the rows here have them filled: ``schema_break``."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from crm_warehouse.engine.values import NULL

#: A column is filled in this share of the rows, and now comes empty in that share of
#: the records.
FILLED_SHARE, EMPTY_SHARE = 0.5, 0.99
#: Every so many-th record is looked at first, so that a sound chunk costs next to
#: nothing; a column that is this empty among them is looked at in all.
_SAMPLE, _SAMPLE_SHARE = 100, 0.95

#: Source ids of records, and their lines of one table.
Lines = list[tuple[str | None, str | None]]


@dataclass(slots=True)
class ColumnWatch:
    """What chunks have shown so far of one table's columns.

    Attributes:
        into: The unified table.
        columns: Its mapped columns, in the order of a row's line.
        thin: Columns that most rows lack anyway, or that rules empty: they are no sign
            of anything.
        suspects: Columns that came empty in all that counts in ``known``.
        known: Records that are rows here.
        filled: Of these rows, those that have the column filled.
    """

    into: str
    columns: list[str]
    thin: set[str] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    known: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def narrow(self, empty: set[str]) -> None:
        """Keep the columns that are empty in this chunk, too."""
        both = self.suspects & empty
        if not both:
            self.known, self.filled = 0, Counter()
        self.suspects = both or empty

    def judge(self) -> list[str]:
        """Columns that a source has lost; then begin anew."""
        most = self.known * FILLED_SHARE
        lost = sorted(name for name in self.suspects if self.filled[name] >= most)
        self.thin |= self.suspects.difference(lost)
        return lost


def empty_columns(lines: list[str], columns: list[str], thin: set[str]) -> set[str]:
    """Columns without a value in nearly all lines."""
    if not lines:
        return set()
    sample = lines[:: max(1, len(lines) // _SAMPLE)]
    empty = _emptier_than(_SAMPLE_SHARE, sample, columns) - thin
    return empty and empty & _emptier_than(EMPTY_SHARE, lines, columns)


def _emptier_than(share: float, lines: list[str], columns: Iterable[str]) -> set[str]:
    cells = zip(*(line.split("\t") for line in lines), strict=True)
    # Lists of parents follow the columns.
    return {
        name
        for name, values in zip(columns, cells, strict=False)
        if is_share(values.count(NULL) + values.count(""), len(lines), share)
    }


def lacking(rows: Lines, places: list[int]) -> list[str]:
    """Records whose lines have no value in one of these places."""
    cells = ((source_id, line.split("\t")) for source_id, line in rows if line)
    return [
        source_id
        for source_id, values in cells
        if source_id and any(values[at] in (NULL, "") for at in places)
    ]


def is_share(part: int, whole: int, share: float) -> bool:
    """Whether it is this share of the whole, or more."""
    return part >= share * whole
