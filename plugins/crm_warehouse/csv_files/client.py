"""The client of a CSV file: from its lines to pages of records."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn

from crm_warehouse.clients.interface import Found, Gate, Page, Unreadable, Window
from crm_warehouse.csv_files.cells import converters, whole_text
from crm_warehouse.csv_files.file import CsvFile
from crm_warehouse.csv_files.header import Header, read_header
from crm_warehouse.csv_files.lines import Lines
from crm_warehouse.csv_files.rows import CsvRow, Rows
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity
from crm_warehouse.ways_in import CsvWay

#: Records of a page: a checkpoint is made for each.
PAGE_RECORDS = 500


class CsvClient:
    """Reads one file; see :class:`crm_warehouse.clients.interface.SourceClient`.

    Its records are what the API's mapping reads, as far as the file has columns for
    it. The checkpoint is ``{"csv": {"offset", "line", "torn"}}``: byte and number of
    the line behind the page, always the beginning of a row, and :attr:`Rows.is_torn`.

    Args:
        entity: What the file's rows are.
        file: The file.
        gate: Tells the time.

    Raises:
        ConfigurationError: The entity is not read from files.
    """

    def __init__(self, entity: Entity, file: CsvFile, gate: Gate) -> None:
        self._entity = entity
        self._way = csv_way(entity)
        self._id_key = str(entity.id_path[0])
        self._file = file
        self._gate = gate

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All rows of the file, or those behind ``checkpoint``; at least one page."""
        del entity, window, page_size
        observed_at = min(self._file.modified_at, self._gate.now())
        header = file_header(self._entity, self._file)
        place = (checkpoint or {}).get("csv")
        with self._file.path.open("rb") as opened:
            if place is None:
                lines = Lines(opened, self._file)
                next(Rows(lines, self._file.delimiter))
            else:
                lines = Lines(opened, self._file, (place["offset"], place["line"]))
            rows = Rows(
                lines,
                self._file.delimiter,
                len(header.keys),
                is_torn=bool(place and place["torn"]),
            )
            make = _RecordMaker(header.keys, self._way, self._id_key)
            while True:
                found = list(islice(rows, PAGE_RECORDS))
                behind = {"offset": lines.offset, "line": lines.number}
                yield Page(
                    records=[make(row) for row in found],
                    observed_at=observed_at,
                    source_time=None,
                    checkpoint={"csv": {**behind, "torn": rows.is_torn}},
                    total=None,
                    requests=0,
                    places=[f"line {row.number} of {self._file.name}" for row in found],
                )
                if len(found) < PAGE_RECORDS:
                    return

    def fetch(self, entity: Entity, source_id: str) -> NoReturn:
        """A file is not asked for single records."""
        raise NotImplementedError

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """A file is not asked for single records."""
        raise NotImplementedError

    def time_zone(self) -> None:
        """A file has no account."""

    def close(self) -> None:
        """Nothing is open between pages."""


class _RecordMaker:
    """Makes a record of a row's cells."""

    def __init__(self, keys: tuple[str, ...], way: CsvWay, id_key: str) -> None:
        convert = converters(way)
        self._keys = keys
        self._empty = "" if way.value_form == "text" else None
        self._convert = [(key, convert[key]) for key in keys if key in convert]
        self._id_key = id_key
        self._id_at = keys.index(id_key)
        self._is_number = id_key in way.integers

    def __call__(self, row: CsvRow) -> Any:
        if row.problem is not None:
            return self._unreadable(row, *row.problem)
        record: dict[str, Any] = {
            key: cell or self._empty
            for key, cell in zip(self._keys, row.cells, strict=False)
        }
        for key, convert in self._convert:
            if cell := record.get(key):
                record[key] = convert(cell)
        source_id = record.get(self._id_key)
        if type(source_id) is str:
            if self._is_number and not source_id.isdecimal():
                return self._unreadable(row, "invalid_id", "the id is no whole number")
            record[self._id_key] = source_id.strip() or None
        return record

    def _unreadable(self, row: CsvRow, error_type: str, message: str) -> Unreadable:
        told = row.cells[self._id_at].strip() if self._id_at < len(row.cells) else ""
        if self._is_number:
            told = whole_text(told)  # as a good row of that id would have it
        return Unreadable(row.cells, error_type, message, told or None)


def file_header(entity: Entity, file: CsvFile) -> Header:
    """The file's columns.

    Raises:
        ConfigurationError: The record's id has none.
    """
    with file.path.open("rb") as opened:
        rows = Rows(Lines(opened, file), file.delimiter)
        first = next(rows, None)
    cells = first.cells if first else []
    return read_header(cells, csv_way(entity), str(entity.id_path[0]))


def csv_way(entity: Entity) -> CsvWay:
    """How the entity is read from files.

    Raises:
        ConfigurationError: It is not.
    """
    if entity.csv is None:
        raise ConfigurationError(
            f"{entity.source} {entity.name} is not read from files: its source's file"
            " has no csv for it"
        )
    return entity.csv
