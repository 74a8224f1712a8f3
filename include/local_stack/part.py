"""The parts of a stack, alike for the supervisor: child processes and PostgreSQL."""

import logging
import time
from pathlib import Path
from typing import Protocol

from include.local_stack.errors import StackError
from include.local_stack.health import Checker
from include.local_stack.logs import rotate
from include.local_stack.postgres import Postgres
from include.local_stack.procfs import Identity
from include.local_stack.state import PartState

logger = logging.getLogger("supervisor")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
#: A part that ran this long starts again without a pause when it dies.
_STEADY_SECONDS = 60.0


class Part(Protocol):
    """What the supervisor does with each part."""

    state: PartState
    log: Path

    def tend(self, checker: Checker) -> None:
        """Look once: start again what died, ask what lives."""

    def release(self) -> None:
        """Let a start go on, now that its process is on record."""

    @property
    def hopeless(self) -> str | None:
        """Why this part will not come up at the stack's start, or None."""


class Pause:
    """Growing pauses between the starts of a part that keeps dying."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = 0.0

    @property
    def over(self) -> bool:
        """Whether the next start may happen."""
        return time.monotonic() >= self._until

    def after_death(self, lived_seconds: float) -> None:
        """Decide when to start again."""
        if lived_seconds >= _STEADY_SECONDS:
            self._seconds = 0.0
        self._until = time.monotonic() + self._seconds
        doubled = self._seconds * 2 or _FIRST_PAUSE_SECONDS
        self._seconds = min(doubled, _LONGEST_PAUSE_SECONDS)


class PostgresPart:
    """PostgreSQL: started before the supervisor, started again by it."""

    def __init__(self, server: Postgres, former: PartState | None) -> None:
        self.log = server.log
        self.state = former or PartState("postgres", digest="")
        self._server = server
        self._pause = Pause()

    def tend(self, checker: Checker) -> None:  # noqa: ARG002 - as every part
        """Look once: start again what died, ask what lives."""
        pid = self._server.pid
        if pid is None:
            self._revive()
            return
        self._note(Identity.of(pid))
        self.state.health = "healthy" if self._server.ready() else "unhealthy"
        rotate(self.log)

    def release(self) -> None:
        """Nothing to do: its data directory is its record."""

    @property
    def hopeless(self) -> str | None:
        """Never: it ran before the supervisor began."""
        return None

    def _note(self, identity: Identity | None) -> None:
        if identity != self.state.identity:
            self.state.identity = identity
            self.state.since = time.time()

    def _revive(self) -> None:
        if self.state.identity:
            logger.warning("postgres ended; it is started again")
            self._pause.after_death(time.time() - self.state.since)
            self.state.restarts += 1
        self._note(None)
        self.state.health = "stopped"
        if not self._pause.over:
            return
        try:
            self._server.start()
        except StackError as error:
            # A killed server's children may hold the data for a moment.
            logger.error("%s", error)  # noqa: TRY400 - says it all
            self._pause.after_death(0.0)
