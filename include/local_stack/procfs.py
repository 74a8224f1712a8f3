"""Processes as /proc shows them: identities that survive pid reuse, and sessions.

Every part of the stack leads a session of its own, so a part is its leader and
whatever still lives in that session, task processes with own groups included.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

_PROC = Path("/proc")
_POLL_SECONDS = 0.05
#: The kernel needs a moment after SIGKILL.
_KILLED_SECONDS = 5.0


class Stat(NamedTuple):
    """The few columns of ``/proc/<pid>/stat`` that matter here."""

    state: str
    session: int
    start_ticks: int


def read_stat(pid: int) -> Stat | None:
    """State of a process, or None when there is none of this pid."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses itself.
    columns = text[text.rindex(")") + 2 :].split()
    return Stat(state=columns[0], session=int(columns[3]), start_ticks=int(columns[19]))


def boot_id() -> str:
    """Word that changes with every start of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def command_line(pid: int) -> list[str]:
    """Arguments of a process; empty when it is gone."""
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in raw.split(b"\0") if word]


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: its pid, and when it started.

    Attributes:
        pid: Process id, also the id of the session it leads.
        start_ticks: Start in clock ticks since the machine started.
        boot: The machine start that both belong to.
    """

    pid: int
    start_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Identity of the process that has this pid now."""
        stat = read_stat(pid)
        return cls(pid, stat.start_ticks, boot_id()) if stat else None

    def alive(self) -> bool:
        """Whether exactly this process still runs (a zombie does not)."""
        stat = read_stat(self.pid)
        return (
            stat is not None
            and stat.state != "Z"
            and stat.start_ticks == self.start_ticks
            and self.boot == boot_id()
        )

    def members(self) -> list[int]:
        """Pids that still run in the session this process led."""
        leader = read_stat(self.pid)
        if self.boot != boot_id():
            return []
        if leader and leader.start_ticks != self.start_ticks:
            return []  # the pid belongs to somebody else by now
        return [pid for pid, stat in _all() if stat.session == self.pid]

    def signal(self, number: signal.Signals) -> None:
        """Signal the leader's group or, when it is gone, what it left behind."""
        if self.alive():
            _deliver(os.killpg, self.pid, number)
            return
        for pid in self.members():
            _deliver(os.kill, pid, number)


def terminate(identities: Iterable[Identity], grace_seconds: float) -> None:
    """End whole sessions: SIGTERM, and SIGKILL for what is left after the grace.

    Args:
        identities: Leaders of the sessions; dead ones are fine.
        grace_seconds: Time for an orderly end.
    """
    targets = list(identities)
    for target in targets:
        target.signal(signal.SIGTERM)
    if _wait_gone(targets, grace_seconds):
        return
    for target in targets:
        for pid in target.members():
            _deliver(os.kill, pid, signal.SIGKILL)
    _wait_gone(targets, _KILLED_SECONDS)


def _wait_gone(targets: list[Identity], seconds: float) -> bool:
    """Whether all sessions are empty in time; orphans are asked once to end."""
    asked: set[Identity] = set()
    deadline = time.monotonic() + seconds
    while left := [target for target in targets if target.members()]:
        if time.monotonic() > deadline:
            return False
        for target in left:
            # A leader's own groups heard nothing of the signal to its group.
            if target not in asked and not target.alive():
                asked.add(target)
                target.signal(signal.SIGTERM)
        time.sleep(_POLL_SECONDS)
    return True


def _all() -> Iterable[tuple[int, Stat]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            stat = read_stat(int(entry.name))
            if stat and stat.state != "Z":
                yield int(entry.name), stat


def _deliver(
    send: Callable[[int, int], None], pid: int, number: signal.Signals
) -> None:
    """A process that ends between look and signal is no error."""
    try:
        send(pid, number)
    except ProcessLookupError:
        return
