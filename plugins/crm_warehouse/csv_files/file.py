"""One file to import: what it is, and how it is written."""

import codecs
import csv
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from crm_warehouse.csv_files.header import score
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.ways_in import CsvWay

#: Bytes that are looked at to find delimiter and UTF-16 out; and read at a time.
_SAMPLE_BYTES, _BLOCK_BYTES = 65_536, 1 << 20
_DELIMITERS = ",;\t|"
#: Byte order mark -> encoding of what follows it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Share of zero bytes at every second place that only headers in UTF-16 have.
_ZERO_SHARE = 0.3
_UTF16 = re.compile("utf-?16", re.IGNORECASE)
#: What files that are no text begin with, whatever they are called.
_OTHER_FILES = (
    (b"PK\x03\x04", "is a workbook or a ZIP archive; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old workbook; save it as CSV"),
    (b"\x1f\x8b", "is compressed; unpack it"),
)
#: A first line by which spreadsheets tell each other the delimiter.
_SEP = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One file, looked at once from its beginning to its end.

    Attributes:
        path: Where it is now.
        name: What it was called where it came from.
        sha256: SHA-256 (hex) of its bytes: files that have the same are the same.
        size_bytes: Its length.
        modified_at: Aware time at which it was written; what it says was true then.
        encoding: Of its text.
        begins_at: Bytes before its headers: a byte order mark, a line ``sep=;``.
        delimiter: What stands between cells.
        guessed: What was found out about it, and how, for people.
        first_line: Number of the line at which the headers begin.
    """

    path: Path
    name: str
    sha256: str
    size_bytes: int
    modified_at: datetime
    encoding: str
    begins_at: int
    delimiter: str
    guessed: tuple[str, ...] = ()
    first_line: int = 1

    @property
    def errors(self) -> str:
        """What the decoder makes of bytes that are no text of the encoding."""
        return "replace" if self.encoding.startswith("utf-16") else "surrogateescape"


def look_at(
    path: Path,
    way: CsvWay,
    *,
    name: str | None = None,
    modified_at: datetime | None = None,
) -> CsvFile:
    """Read a file once: its hash, its encoding, its delimiter.

    Args:
        path: Where it is.
        way: What is known of such files.
        name: What it is called, when not by its path.
        modified_at: When it was written, when its path does not say.

    Raises:
        ConfigurationError: It is not there, cannot be read, or is empty.
    """
    try:
        facts = path.stat()
        digest, utf8 = _read_through(path)
        with path.open("rb") as file:
            sample = file.read(_SAMPLE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{path.name}: {error.strerror}") from None
    if not sample:
        raise ConfigurationError(f"{name or path.name}: is empty, without a header")
    for begins, what in _OTHER_FILES:
        if sample.startswith(begins):
            raise ConfigurationError(f"{name or path.name}: {what}")
    encoding, begins_at, how = _encoding(sample, way, utf8)
    text = sample[begins_at:].decode(encoding, "replace")
    said = _SEP.match(text)
    if said is not None:
        begins_at += len(said[0].encode(encoding))
    delimiter = said[1] if said else way.delimiter or _delimiter(text, way)
    return CsvFile(
        path=path,
        name=name or path.name,
        sha256=digest,
        size_bytes=facts.st_size,
        modified_at=modified_at or datetime.fromtimestamp(facts.st_mtime, UTC),
        encoding=encoding,
        begins_at=begins_at,
        delimiter=delimiter,
        guessed=(how,),
        first_line=2 if said else 1,
    )


class _Utf8(NamedTuple):
    """How much of a file is UTF-8.

    Attributes:
        wide: Bytes behind the first one of its characters.
        broken: Bytes that are no part of any character.
    """

    wide: int
    broken: int


def _read_through(path: Path) -> tuple[str, _Utf8]:
    """Hash of the file, and how much of it is UTF-8; a last character may be cut."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    read = characters = kept = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            text = decoder.decode(block)
            read += len(block)
            characters += len(text)
            kept += len(text) if text.isascii() else len(text.encode())
    cut_short = len(decoder.getstate()[0])
    return digest.hexdigest(), _Utf8(kept - characters, read - kept - cut_short)


def _encoding(sample: bytes, way: CsvWay, utf8: _Utf8) -> tuple[str, int, str]:
    """Encoding, length of the byte order mark, and how that is known."""
    mark, marked = next(
        ((mark, name) for mark, name in _MARKS if sample.startswith(mark)), (b"", None)
    )
    if marked is not None:
        return marked, len(mark), "its byte order mark says so"
    if way.encoding is not None:
        # Without a mark, Windows writes the little end first.
        wide = _UTF16.fullmatch(way.encoding)
        return "utf-16-le" if wide else way.encoding, 0, "the source's file says so"
    # Headers are mostly ASCII; what stands below them may be in any script.
    headers = sample.partition(b"\n")[0]
    for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        places = headers[first::2]
        if places.count(0) > _ZERO_SHARE * max(len(places), 1):
            return name, 0, "every second byte of its headers is zero"
    if not utf8.broken:
        return "utf-8", 0, "all of it is valid UTF-8"
    # In another encoding, hardly two letters in a row would be one of UTF-8.
    if utf8.wide > utf8.broken:
        how = f"it is UTF-8; bytes of it that are no text: {utf8.broken:,}"
        return "utf-8", 0, how
    return "cp1252", 0, "it is not valid UTF-8, so Windows-1252 is assumed"


def _delimiter(text: str, way: CsvWay) -> str:
    """The one that makes most headers known, or else most headers."""

    def judge(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader(StringIO(text), delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return score(cells, way), len(cells)

    return max(_DELIMITERS, key=judge)
