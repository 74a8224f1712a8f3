"""What a proof saw: a table for people, a JSON file for machines."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proof.command import ROOT

_SHOWN = 10


def folder() -> Path:
    """Where reports are kept: ``proof`` in the folder of the local stack."""
    found = Path(os.environ.get("CRM_STACK_VAR") or ROOT / ".var") / "proof"
    found.mkdir(parents=True, exist_ok=True)
    return found


class Report:
    """Lines of figures, and what was wrong.

    Args:
        name: Of its file.
        title: What was proven.
    """

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = title
        self._began = datetime.now(UTC)
        self.lines: list[dict[str, Any]] = []
        self.wrong: list[str] = []

    def add(self, line: dict[str, Any]) -> None:
        """Add a line of the table, and show that the proof goes on."""
        self.lines.append(line)
        print(", ".join(f"{name} {value}" for name, value in line.items()), flush=True)

    def fail(self, wrong: Iterable[str]) -> None:
        """Note what must not be."""
        for each in wrong:
            self.wrong.append(each)
            print(f"WRONG: {each}", flush=True)

    def end(self) -> None:
        """Show the table and keep it.

        Raises:
            SystemExit: Something was wrong.
        """
        self._print()
        kept = {
            "proof": self._title,
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - self._began).total_seconds()),
            "holds": not self.wrong,
            "lines": self.lines,
            "wrong": self.wrong,
        }
        path = folder() / f"{self._name}.json"
        path.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
        if self.wrong:
            raise SystemExit(f"{self._title}: {len(self.wrong)} wrong; see {path}")

    def _print(self) -> None:
        print(f"\n{self._title}\n")
        if self.lines:
            names = list(self.lines[0])
            print("| " + " | ".join(names) + " |")
            print("|" + "---|" * len(names))
        for line in self.lines:
            print("| " + " | ".join(str(value) for value in line.values()) + " |")
        for each in self.wrong[:_SHOWN]:
            print(f"\nwrong: {each}")
        print(flush=True)
