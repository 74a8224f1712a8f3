"""Start, steer and stop a sandbox process from tests and the demonstration."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from include.sandbox.crm import ADMIN_SECONDS, Crm
from include.sandbox.settings import Settings, token_variable

_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 10
#: To import and to bind a port: seconds, of which a busy machine makes many.
_START_SECONDS = 120


class SandboxServer(Crm):
    """One sandbox process on a free loopback port; a context manager.

    Its own methods are about one CRM, those of :meth:`crm` about another.

    Args:
        settings: What it is started with.
        system: The CRM that its own methods are about.
        port: 0 takes a free one.
    """

    def __init__(
        self, settings: Settings | None = None, system: str = "genius", port: int = 0
    ) -> None:
        http = requests.Session()
        # Proxies of the environment must not come between us and loopback.
        http.trust_env = False
        super().__init__(settings or Settings(), system, http)
        self._port = port
        self._process: subprocess.Popen[str] | None = None

    def crm(self, system: str) -> Crm:
        """Another CRM of the same process, once it runs."""
        return Crm(self.settings, system, self._http, self.url, self._roots)

    def start(self) -> Self:
        """Start the process and wait until its own CRM has its records.

        Raises:
            RuntimeError: It ended, or said nothing for two minutes; its messages are on
                standard error.
        """
        options = self.settings
        command = [
            sys.executable, "-m", "include.sandbox",
            "--port", str(self._port),
            "--seed", str(options.seed),
            "--prospects", str(options.prospects),
            "--dirty", str(options.dirty),
            "--quota", "on" if options.quota else "off",
            *(f"--size={name}={count}" for name, count in options.sizes.items()),
            *(f"--with={path}" for path in options.described),
        ]  # fmt: skip
        tokens = {token_variable(name): t for name, t in options.tokens.items()}
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter)
            command,
            cwd=_ROOT,
            env={**os.environ, **tokens},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101  (for the type checker)
        # A pipe that has something has the whole line: it is written at once.
        is_heard, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if is_heard else ""
        if not line:
            self.stop()
            what = "ended" if is_heard else f"said nothing for {_START_SECONDS} seconds"
            raise RuntimeError(f"the sandbox {what} at its start; see standard error")
        ready = json.loads(line)
        self.url = ready["url"]
        self._roots = ready["systems"]
        self.stats()  # the first call makes the records, so that no test measures it
        return self

    def stop(self) -> None:
        """End the process."""
        self._http.close()
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Begin anew: records, clock, quota, faults, statistics, of every CRM."""
        url = f"{self.url}/_sandbox/reset"
        self._http.post(url, timeout=ADMIN_SECONDS).raise_for_status()
