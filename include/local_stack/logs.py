"""Log files of the parts: append-only, bounded, readable by their owner."""

import os
import shutil
from collections import deque
from pathlib import Path
from typing import IO

_LIMIT_BYTES = 50_000_000
_TAIL_LINES = 25


def open_log(path: Path) -> IO[bytes]:
    """Open for appending; writers keep working after a rotation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(handle, "ab", buffering=0)


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log, or a word that there are none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return "".join(deque(stream, lines)).rstrip() or "(empty)"
    except FileNotFoundError:
        return "(no log)"


def rotate(path: Path, limit: int = _LIMIT_BYTES) -> None:
    """Move a log that has grown too long to ``<name>.1``.

    The file is copied and cut, since its writer holds it open; lines written in
    between those two steps are lost.
    """
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)
