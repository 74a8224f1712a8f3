"""The folder that files are dropped into, of this machine or of an object store.

``<drop>/<source>/<entity>/`` holds what waits; below it, ``archive`` holds what was
imported and ``failed`` what could not be, each beside its report. Paths are those of
``pathlib``, or Airflow's ``ObjectStoragePath``, which has the same methods.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Literal

VARIABLE = "CRM_WAREHOUSE_DROP"
_SUFFIXES = (".csv", ".tsv", ".txt")
_LOCAL = ("", "file")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that waits.

    Attributes:
        name: Its name in the folder.
        size_bytes: Its length.
        modified: When it was last written, in Unix seconds; 0: the store does not say.
    """

    name: str
    size_bytes: int
    modified: float


def drop_url(
    source: str, entity: str, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Folder of an entity's files, or None where nobody may drop any."""
    root = environ.get(VARIABLE, "").strip()
    return f"{root.rstrip('/')}/{source}/{entity}" if root else None


def waiting(folder: Any) -> list[Dropped]:
    """Files that wait in a folder, the oldest first; none where there is no folder.

    What begins with a dot, or ends otherwise than a CSV file does, as ``.part`` and
    ``.tmp``, is not finished, or nobody's business here.
    """
    found = []
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    for path in paths:
        name = path.name
        if name.startswith(".") or not name.lower().endswith(_SUFFIXES):
            continue
        if not _is_text(name):
            _leave(name)
            continue
        try:
            if path.is_file():
                found.append(_look_at(path))
        except FileNotFoundError:
            continue  # somebody took it away just now
    return sorted(found, key=lambda each: (each.modified, each.name))


def _is_text(name: str) -> bool:
    """Whether UTF-8 can hold it; Linux takes any bytes for a name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _leave(name: str) -> None:
    """Say once that a file is left alone: folders are looked at all the time."""
    _log.warning("%a is left alone: its name is not in UTF-8; rename it", name)


def is_as_found(path: Any, dropped: Dropped) -> bool:
    """Whether a file is there, and nobody wrote to it since it was found.

    Stores that list milliseconds may tell whole seconds of a single file.
    """
    try:
        now = _look_at(path)
    except FileNotFoundError:
        return False
    is_of_then = abs(now.modified - dropped.modified) < 1
    return is_of_then and now.size_bytes == dropped.size_bytes


def _look_at(path: Any) -> Dropped:
    facts = path.stat()
    return Dropped(path.name, facts.st_size, _seconds(facts.st_mtime))


def _seconds(moment: Any) -> float:
    """Unix seconds; stores also give a moment, or none."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment or 0)


@contextmanager
def local_copy(path: Any, dropped: Dropped) -> Iterator[tuple[Path, datetime]]:
    """A path on this machine that holds the file, and when that was written."""
    moment = (
        datetime.fromtimestamp(dropped.modified, UTC)
        if dropped.modified
        else datetime.now(UTC)
    )
    if isinstance(path, Path) or path.protocol in _LOCAL:
        yield Path(getattr(path, "path", path)), moment
        return
    with TemporaryDirectory(prefix="crm-warehouse-") as folder:
        copied = Path(folder) / "file.csv"
        with path.open("rb") as source, copied.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield copied, moment


def put_away(
    path: Any,
    where: Literal["archive", "failed"],
    report: str,
    write_bad_rows: Callable[[Path], bool] | None = None,
) -> Any:
    """Move a file out of the way, beside its report.

    The report comes first: a file that has moved has one, whatever happens between.

    Args:
        path: The file.
        where: Folder below its own.
        report: What became of it, for people.
        write_bad_rows: Writes its bad rows to a file; tells whether there are any.

    Returns:
        Where it is now.
    """
    folder = path.parent / where
    folder.mkdir(parents=True, exist_ok=True)
    target = _free(folder, path.name)
    (folder / f"{target.name}.report.txt").write_text(f"{report}\n", encoding="utf-8")
    if write_bad_rows is not None:
        with TemporaryDirectory(prefix="crm-warehouse-") as own:
            written = Path(own) / "bad.csv"
            if write_bad_rows(written):
                bad = folder / f"{target.name}.bad.csv"
                with written.open("rb") as source, bad.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
    path.rename(target)
    return target


def _free(folder: Any, name: str) -> Any:
    """A path in the folder that nothing has: with a number, if need be."""
    whole, number = PurePosixPath(name), 1
    target = folder / name
    while target.exists():
        number += 1
        target = folder / f"{whole.stem}-{number}{whole.suffix}"
    return target
