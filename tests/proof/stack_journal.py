"""Kills of a stack, kept in a file so that an interrupted proof can go on."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it.

    Attributes:
        number: From 1.
        batch: The batch it belongs to.
        victim: Name of the process killed.
        parts: Seconds until every part was healthy.
        loads: Seconds until every load that was under way went on.
        struck: How many loads were under way.
        repeated: How many of them needed another attempt.
    """

    number: int
    batch: str
    victim: str
    parts: float
    loads: float
    struck: int
    repeated: int

    @property
    def seconds(self) -> float:
        """Until both."""
        return max(self.parts, self.loads)


class Journal:
    """What was done so far, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if any(line["kind"] == "done" for line in self._lines()):
            path.unlink()

    def write(self, kind: str, **values: Any) -> None:
        """Add a line; it is on disk when this returns."""
        with self._path.open("a", encoding="utf-8") as stream:
            # Begins with its own end of line: the one before may have been cut off.
            stream.write("\n" + json.dumps({"kind": kind, **values}))
            stream.flush()
            os.fsync(stream.fileno())

    def close(self) -> None:
        """Note that all is done: the next start begins anew."""
        self.write("done")

    def kills(self) -> list[Kill]:
        """The kills of all batches that were found right at their end."""
        kills, right = [], set()
        for line in self._lines():
            kind = line.pop("kind")
            if kind == "kill":
                kills.append(Kill(**line))
            elif kind == "right":
                right.add(line["batch"])
        return [kill for kill in kills if kill.batch in right]

    def _lines(self) -> Iterable[dict[str, Any]]:
        if not self._path.exists():
            return
        for line in self._path.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # cut off by the kill of the proof itself
