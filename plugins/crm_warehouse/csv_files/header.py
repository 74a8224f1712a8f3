"""Which column of a file is which key of a record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files.csv_way import plain
from crm_warehouse.ways_in import CsvWay


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of one file.

    Attributes:
        keys: Key of the record for each column, each once.
        notes: What people should know: columns that no key is known for, twice there,
            without a name, or missing.
    """

    keys: tuple[str, ...]
    notes: tuple[str, ...]


def read_header(cells: Sequence[str], way: CsvWay, id_key: str) -> Header:
    """Match the headers of a file with the keys of a record.

    A column that nobody knows keeps its header as its key; so does a second one of a
    key, with its position where that is taken.

    Raises:
        ConfigurationError: No column is the record's id. Headers are not told: a file
            without them has people's data there.
    """
    known = _by_header(way)
    chosen = _choose(cells, way, known)
    keys: list[str] = []
    notes: list[str] = []
    for at, cell in enumerate(cells):
        key = chosen.get(at) or _own_name(cell.strip(), at, keys, set(way.columns))
        if at not in chosen:
            notes.append(_note(cell.strip(), at, key, known))
        keys.append(key)
    if id_key not in chosen.values():
        raise ConfigurationError(
            f"no header of {len(cells)} is known for the record's {id_key}; known are"
            f" {', '.join((id_key, *way.columns[id_key]))}. Correct the file's first"
            " line, or add its header to csv.columns of the source's file"
        )
    missing = [key for key in way.columns if key not in keys]
    if missing:
        notes.append(
            f"no column for {', '.join(missing)}: what the warehouse has there stays"
        )
    return Header(tuple(keys), tuple(notes))


def score(cells: Iterable[str], way: CsvWay) -> int:
    """How many of these headers are known."""
    known = _by_header(way)
    return len({known[word] for cell in cells if (word := plain(cell)) in known})


def _by_header(way: CsvWay) -> dict[str, str]:
    return {
        plain(header): key
        for key, headers in way.columns.items()
        for header in (key, *headers)
    }


def _choose(cells: Sequence[str], way: CsvWay, known: dict[str, str]) -> dict[int, str]:
    """Column -> key. Of several columns for one key: by the order in the YAML."""
    words = [plain(cell) for cell in cells]
    chosen = {}
    for key, headers in way.columns.items():
        for header in (key, *headers):
            if known[plain(header)] == key and plain(header) in words:
                chosen[words.index(plain(header))] = key
                break
    return chosen


def _own_name(header: str, at: int, taken: Sequence[str], reserved: set[str]) -> str:
    name = header or f"column {at + 1}"
    return f"{name} ({at + 1})" if name in taken or name in reserved else name


def _note(header: str, at: int, key: str, known: dict[str, str]) -> str:
    if not header:
        return f"column {at + 1} has no header; kept as {key!r}"
    if plain(header) in known:
        return (
            f"column {at + 1}, {header!r}, is another one for {known[plain(header)]};"
            f" kept as {key!r}"
        )
    return f"column {at + 1}, {header!r}, is not known; kept under its own name"
