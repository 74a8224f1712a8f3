"""A part that is a process of ours: kept running, asked, stopped with its session."""

import logging
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from include.local_stack.health import Checker
from include.local_stack.logs import open_log, rotate
from include.local_stack.part import Pause
from include.local_stack.process import Process
from include.local_stack.procfs import Identity, terminate
from include.local_stack.state import PartState

logger = logging.getLogger("supervisor")

#: A part that answered once and then not for so long is started again.
_DEAF_SECONDS = 120.0
#: Deaths before the first healthy answer that make a start hopeless.
_EARLY_DEATHS = 3
_LEFTOVER_SECONDS = 2.0
#: Becomes the part's program once its process is on record; ends if the supervisor is
#: killed before. So no killed supervisor leaves a process that nobody knows.
_GATE = """
import os, sys
if os.read(0, 1):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
"""


class ProcessPart:
    """A part that is a child process, or one adopted from a killed supervisor."""

    def __init__(
        self, process: Process, log: Path, root: Path, former: PartState | None
    ) -> None:
        self.process = process
        self.log = log
        self._root = root
        self._handle: subprocess.Popen[bytes] | None = None
        self._pause = Pause()
        self._last_healthy = time.time()
        self._early_deaths = 0
        adopted = former and former.alive and former.digest == process.digest()
        self.state = (
            former if former and adopted else PartState(process.name, process.digest())
        )
        self._was_healthy = self.state.health == "healthy"

    def tend(self, checker: Checker) -> None:
        """Look once: start again what died, ask what lives."""
        if self._handle:
            self._handle.poll()  # so that a dead child is no zombie
        if self.state.identity and not self.state.identity.alive():
            self._bury(self.state.identity)
        if self.state.identity is None and self._pause.over:
            self._start()
        elif self.state.identity:
            self._ask(checker)
        rotate(self.log)

    @property
    def hopeless(self) -> str | None:
        """Why this part will not come up at the stack's start, or None."""
        if self._was_healthy:
            return None
        if self._early_deaths >= _EARLY_DEATHS:
            return f"{self.process.name} ended {self._early_deaths} times"
        waited = time.time() - self.state.since
        if self.state.identity and waited > self.process.start_seconds:
            return f"{self.process.name} does not answer after {waited:.0f} s"
        return None

    def release(self) -> None:
        """Let a start go on, now that its process is on record."""
        if self._handle and self._handle.stdin:
            with suppress(BrokenPipeError), self._handle.stdin as gate:
                gate.write(b"\n")
            self._handle.stdin = None

    def _start(self) -> None:
        with open_log(self.log) as log:
            self._handle = subprocess.Popen(
                (sys.executable, "-I", "-S", "-c", _GATE, *self.process.argv),
                cwd=self._root,
                env=self.process.env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.state.since = self._last_healthy = time.time()
        self.state.identity = Identity.of(self._handle.pid)
        self.state.health = "starting"

    def _bury(self, identity: Identity) -> None:
        code = self._handle.returncode if self._handle else "unknown"
        logger.warning("%s ended with status %s", self.process.name, code)
        # What a dead leader leaves behind would hold its port and its work.
        terminate([identity], _LEFTOVER_SECONDS)
        self._count_death(time.time() - self.state.since)

    def _count_death(self, lived_seconds: float) -> None:
        self._pause.after_death(lived_seconds)
        self.state.identity = None
        self.state.health = "stopped"
        self.state.restarts += 1
        self._early_deaths += not self._was_healthy
        self._was_healthy = False

    def _ask(self, checker: Checker) -> None:
        health = self.process.health
        now = time.time()
        if health is None or checker.healthy(health, self.state.since):
            self.state.health = "healthy"
            self._was_healthy = True
            self._last_healthy = now
            return
        self.state.health = "unhealthy" if self._was_healthy else "starting"
        deaf = now - self._last_healthy
        limit = _DEAF_SECONDS if self._was_healthy else self.process.start_seconds
        if self.state.identity and deaf > limit:
            logger.warning("%s does not answer; it is ended", self.process.name)
            terminate([self.state.identity], _LEFTOVER_SECONDS)
