"""The running server process behind a data directory."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from include.local_stack.errors import StackError
from include.local_stack.procfs import Identity, command_line

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server.

    Attributes:
        data: Its data directory.
        identity: Its process.
        port: Its TCP port.
        status: ``starting``, ``ready``, ``stopping`` …, in the server's words.
    """

    data: Path
    identity: Identity
    port: int
    status: str

    @classmethod
    def find(cls, data: Path) -> Self | None:
        """The server of this data directory, or None.

        The pid file alone proves nothing: it outlives a killed server, and its pid
        may belong to somebody else by now. The command line names the directory.
        """
        lines = _pid_file(data)
        if len(lines) < 8:
            return None  # none, or one that is just being written
        identity = Identity.of(int(lines[0]))
        if identity is None or not identity.alive():
            return None
        if str(data) not in command_line(identity.pid):
            return None
        return cls(data, identity, int(lines[3]), lines[7].strip())

    @staticmethod
    def remove_foreign_pid_file(data: Path) -> None:
        """Drop a pid file whose pid was given to another program since.

        PostgreSQL itself drops the file of a dead pid, yet refuses to start while
        anything has that pid; that no server lives here was asked by the caller.
        """
        lines = _pid_file(data)
        if (
            lines
            and lines[0].isdigit()
            and str(data) not in command_line(int(lines[0]))
        ):
            (data / "postmaster.pid").unlink(missing_ok=True)

    def wait_ready(self, seconds: float) -> None:
        """Wait until connections are accepted.

        Raises:
            StackError: Not in time; recovery may take long after a crash.
        """
        deadline = time.monotonic() + seconds
        while (now := Postmaster.find(self.data)) is None or now.status != "ready":
            if time.monotonic() > deadline:
                raise StackError(
                    f"PostgreSQL (pid {self.identity.pid}) does not become ready; "
                    "after a crash it may still be recovering. Try again later."
                )
            time.sleep(_POLL_SECONDS)

    def stop_fast(self, seconds: float) -> None:
        """Cut off sessions, write everything, end; give up order after the time."""
        self._signal(signal.SIGINT)
        if not self._wait_gone(seconds):
            self.stop_immediately(seconds)

    def stop_immediately(self, seconds: float) -> None:
        """End without writing anything.

        Raises:
            StackError: The server does not end.
        """
        self._signal(signal.SIGQUIT)
        if not self._wait_gone(seconds):
            raise StackError(f"PostgreSQL (pid {self.identity.pid}) does not end.")

    def _signal(self, number: signal.Signals) -> None:
        if self.identity.alive():
            os.kill(self.identity.pid, number)

    def _wait_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.identity.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
