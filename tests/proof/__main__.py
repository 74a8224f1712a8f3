"""All slow proofs that are programs of their own: ``python -m tests.proof``."""

import json
import subprocess
import sys
from pathlib import Path

from tests.proof.command import ROOT
from tests.proof.report import folder

#: Modules of ``tests.proof`` with their options, run one after the other.
PROOFS: tuple[tuple[str, ...], ...] = (
    ("boundaries",),
    ("kills", "--kills", "500"),
    ("many_syncs",),
    ("stack_kills",),
    ("stack_waiting",),
    ("stack_syncs",),
    ("throughput",),
    ("storm",),
    ("scale",),
    ("database",),
    ("csv_file",),
    ("receiver_rate",),
    ("receiver_overload",),
    ("receiver_deaths",),
    ("receiver_ledger", "--events", "1000000"),
    ("webhook_latency",),
    ("mutants",),
)


def main() -> int:
    """Run each to its end, whatever becomes of the others.

    Returns:
        0: all of them hold.
    """
    for old in folder().glob("*.json"):
        old.unlink()
    failed = [proof[0] for proof in PROOFS if _run(*proof)]
    for path in sorted(folder().glob("*.json")):
        _tell(path)
    print(f"failed: {', '.join(failed)}" if failed else "all proofs hold")
    return 1 if failed else 0


def _run(name: str, *options: str) -> int:
    print(f"\n== {name}\n", flush=True)
    command = [sys.executable, "-m", f"tests.proof.{name}", *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _tell(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    print(f"{'holds' if found['holds'] else 'FAILS'}: {found['proof']}", end="")
    print(f" ({found['seconds']} s, {path})")


if __name__ == "__main__":
    sys.exit(main())
