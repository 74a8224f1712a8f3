"""What came of an import, for whoever brought the file: text, and its bad rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from crm_warehouse.csv_files.file import CsvFile
from crm_warehouse.csv_files.lines import Lines
from crm_warehouse.csv_files.rows import Rows
from crm_warehouse.engine import jobs
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.moments import utc_text

#: Bad rows that a report lists one by one; and that are looked for in the file.
_LISTED, _MOST = 1_000, 100_000


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that could not be loaded.

    Attributes:
        line: Number of its first line.
        reason: Why, without its values.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """What came of one import.

    Attributes:
        result: Its job's counters.
        file: What is known of the file, as ``sql/engine/load_csv_file.sql`` has it.
        notes: Why this call did nothing, if so.
        bad_rows: Rows that could not be loaded, in the order of lines.
    """

    result: SyncResult
    file: dict[str, Any]
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]

    def text(self) -> str:
        """The report as lines for people; without values of any record."""
        result = self.result
        lines = [
            f"{self.file['name']}: {result.source} {result.entity}, {self._outcome()}",
            *(f"  {note}" for note in self.notes),
            "  That import:" if self.notes else "",
            f"  rows       {result.records_received - result.records_deleted:>12,}",
            f"  created    {result.records_created:>12,}",
            f"  updated    {result.records_updated:>12,}",
            f"  unchanged  {result.records_unchanged:>12,}",
            f"  repeated   {result.records_repeated:>12,}",
            f"  bad        {result.records_failed:>12,}",
            f"  warnings   {result.warnings:>12,}",
        ]
        if self.file["is_snapshot"]:
            lines += [
                f"  deleted    {result.records_deleted:>12,}",
                f"  missing    {result.records_absent:>12,}  (deleted when the next"
                " snapshot lacks them, too)",
            ]
        lines += ["", *self._about_file()]
        if self.bad_rows:
            lines += ["", "Bad rows:", *self._listed()]
        return "\n".join(lines)

    def _outcome(self) -> str:
        result = self.result
        seconds = result.duration_seconds
        return f"{result.status}, job {result.job_id}, {seconds:.1f} s"

    def _about_file(self) -> list[str]:
        file = self.file
        delimiter = {"\t": "tab"}.get(file["delimiter"], file["delimiter"])
        return [
            f"  written {utc_text(file['modified_at'])}, {file['size_bytes']:,} bytes,"
            f" SHA-256 {file['sha256']}",
            f"  {file['encoding']}, cells divided by {delimiter}",
            *(f"  {note}" for note in file["notes"]),
        ]

    def _listed(self) -> Iterator[str]:
        for row in self.bad_rows[:_LISTED]:
            yield f"  line {row.line}: {row.reason}"
        if (more := self.result.records_failed - _LISTED) > 0:
            yield f"  and {more:,} more"


def read_report(conninfo: str, job_id: int, notes: tuple[str, ...] = ()) -> FileReport:
    """What came of the import that a job did.

    Args:
        conninfo: libpq connection string of the warehouse.
        job_id: The job.
        notes: Why this call did nothing, if so.

    Raises:
        ConfigurationError: The job imported no file.
    """
    with psycopg.connect(conninfo) as conn:
        job = jobs.load(conn, job_id)
        values = {"job_id": job_id, "limit": _MOST}
        with conn.cursor(row_factory=dict_row) as cursor:
            file = cursor.execute(query("load_csv_file"), values).fetchone()
            rejects = cursor.execute(query("read_csv_rejects"), values).fetchall()
    if job is None or file is None:
        raise ConfigurationError(f"job {job_id} imported no file")
    return FileReport(job.result(), file, notes, tuple(map(_bad_row, rejects)))


def write_bad_rows(report: FileReport, file: CsvFile, to: Path) -> bool:
    """Write the file's header and its bad rows, as they stand there, to be mended.

    Returns:
        Whether there were any.
    """
    wanted = {row.line for row in report.bad_rows}
    if not wanted:
        return False
    with file.path.open("rb") as source, to.open("wb") as target:
        source.seek(0)
        target.write(source.read(file.begins_at))
        rows = Rows(Lines(source, file), file.delimiter)
        for at, row in enumerate(rows):
            if at == 0 or row.number in wanted:
                target.write(row.text.encode(file.encoding, file.errors))
            if row.number >= max(wanted):
                break
    return True


def _bad_row(reject: dict[str, Any]) -> BadRow:
    field = f"{reject['field']}: " if reject["field"] else ""
    line = reject["page"].split()[1]
    reason = f"{field}{reject['error_message']} ({reject['error_type']})"
    return BadRow(int(line), reason)
