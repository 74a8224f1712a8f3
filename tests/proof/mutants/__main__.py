"""Break our code in one place at a time; a test of the guarantee must notice.

``python -m tests.proof.mutants``, with words of guarantees to take only these. Works on
a copy; ends with status 1 when a mutant survives, or when its place was not found.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.proof.command import ROOT
from tests.proof.mutants.changes import MUTANTS, Mutant
from tests.proof.mutants.receiver import RECEIVER_MUTANTS
from tests.proof.mutants.webhooks import WEBHOOK_MUTANTS

_COPIED = ("include", "plugins", "sql", "tests", "webhook_receiver", "dags")
_SECONDS_EACH = 120
#: Exit statuses of pytest: tests failed; interrupted, as by a fault while collecting.
_FAILED = 1


class LostPlaceError(Exception):
    """The text that a mutant changes does not stand in its file exactly once."""


def main(words: Sequence[str]) -> int:
    """Run the mutants whose guarantee has all the words.

    Returns:
        0: the tests pass, and each mutant was killed.
    """
    mutants = (*MUTANTS, *WEBHOOK_MUTANTS, *RECEIVER_MUTANTS)
    chosen = [m for m in mutants if all(word in m.guarantee for word in words)]
    with tempfile.TemporaryDirectory(prefix="crm-mutants-") as folder:
        copy = Path(folder)
        copy.chmod(0o755)
        _copy_to(copy)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        if _run(copy, tests, _SECONDS_EACH * len(chosen)) != 0:
            print("the tests fail without any mutant: nothing is shown by them")
            return 1
        outcomes = [_outcome(copy, mutant) for mutant in chosen]
    killed = outcomes.count("killed")
    print(f"{killed} of {len(chosen)} mutants killed")
    return 0 if killed == len(chosen) else 1


def _copy_to(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in _COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)


def _outcome(copy: Path, mutant: Mutant) -> str:
    """``killed``, ``survived`` or ``lost its place``; printed as a line of a table."""
    begun = time.monotonic()
    try:
        outcome = _break(copy, mutant)
    except LostPlaceError as lost:
        outcome = f"lost its place: {lost}"
    tests = ", ".join(test.rpartition("::")[2] for test in mutant.tests)
    seconds = time.monotonic() - begun
    print(f"{outcome:9} | {mutant.guarantee} | {tests} | {seconds:.0f} s", flush=True)
    return outcome


def _break(copy: Path, mutant: Mutant) -> str:
    before = {
        change.path: (copy / change.path).read_text() for change in mutant.changes
    }
    try:
        for path, old, new in mutant.changes:
            text = (copy / path).read_text()
            if text.count(old) != 1:
                raise LostPlaceError(path)
            (copy / path).write_text(text.replace(old, new))
        status = _run(copy, mutant.tests, _SECONDS_EACH)
    finally:
        for path, text in before.items():
            (copy / path).write_text(text)
    return "killed" if status in (_FAILED, None) else "survived"


def _run(copy: Path, tests: Sequence[str], seconds: float) -> int | None:
    """Exit status of the tests; None when they never end, as a circle does not."""
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",  # slow ones too
        "",
    ]
    try:
        ended = subprocess.run(
            [*command, *tests],
            cwd=copy,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
