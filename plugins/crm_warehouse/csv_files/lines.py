"""Lines of a file, and where the record behind them begins."""

from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper

from crm_warehouse.csv_files.file import CsvFile
from crm_warehouse.errors import ConfigurationError

#: Characters of a line that no export has; a file without line ends must not fill the
#: memory.
_LONGEST_LINE = 8_000_000


class Lines:
    """Lines of a file with their own ends, each handed out once unless given back.

    Args:
        file: Open for reading bytes.
        form: How it is written.
        place: Byte at which the first line begins, and its number; None: the headers.

    Attributes:
        number: Number of the line that comes next.
        offset: Byte behind the lines that are done with.
    """

    def __init__(
        self,
        file: BufferedReader,
        form: CsvFile,
        place: tuple[int, int] | None = None,
    ) -> None:
        self.offset, self.number = place or (form.begins_at, form.first_line)
        file.seek(self.offset)
        self._form = form
        # Without translation: a CR LF in a cell is the cell's.
        self._text = TextIOWrapper(
            file, encoding=form.encoding, errors=form.errors, newline=""
        )
        self._is_wide = form.encoding.startswith(("utf-16", "utf-32"))
        self._taken: list[str] = []
        self._again: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.pop()
        else:
            line = self._text.readline(_LONGEST_LINE)
            if not line:
                raise StopIteration
            if len(line) == _LONGEST_LINE:
                raise ConfigurationError(
                    f"{self._form.name}: line {self.number} has more than"
                    f" {_LONGEST_LINE:,} characters; that is no CSV file"
                )
        self._taken.append(line)
        self.number += 1
        return line

    def settle(self) -> str:
        """The lines taken are done with; returns them as one text."""
        text = "".join(self._taken)
        self._taken.clear()
        if text.isascii() and not self._is_wide:
            self.offset += len(text)
        else:
            self.offset += len(text.encode(self._form.encoding, self._form.errors))
        return text

    def give_back(self) -> None:
        """Hand out the lines taken once more."""
        self._again += reversed(self._taken)
        self.number -= len(self._taken)
        self._taken.clear()
