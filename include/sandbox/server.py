"""Start, steer and stop a sandbox process from tests and the demonstration."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from include.sandbox.settings import Settings, token_variable

_ROOT = Path(__file__).resolve().parents[2]
#: A reset of a large sandbox makes all records anew.
_ADMIN_SECONDS = 120
_STOP_SECONDS = 10


class SandboxServer:
    """One sandbox process on a free loopback port; a context manager.

    Args:
        settings: What it is started with.
        system: The CRM that the helper methods are about.
        port: 0 takes a free one.
    """

    def __init__(
        self, settings: Settings | None = None, system: str = "genius", port: int = 0
    ) -> None:
        self.settings = settings or Settings()
        self.system = system
        self.url = ""
        self._port = port
        self._roots: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._http = requests.Session()
        # Proxies of the environment must not come between us and loopback.
        self._http.trust_env = False

    @property
    def base_url(self) -> str:
        """Base URL of the CRM's API, as a connection's host gives it."""
        return self._roots[self.system]

    @property
    def token(self) -> str:
        """The bearer token that the CRM accepts."""
        return self.settings.tokens[self.system]

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: It ended instead; its messages are on standard error.
        """
        options = self.settings
        command = [
            sys.executable, "-m", "include.sandbox",
            "--port", str(self._port),
            "--seed", str(options.seed),
            "--prospects", str(options.prospects),
            "--dirty", str(options.dirty),
            "--quota", "on" if options.quota else "off",
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
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the sandbox did not start; see standard error")
        ready = json.loads(line)
        self.url = ready["url"]
        self._roots = ready["systems"]
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

    def admin(self, method: str, path: str, call: dict[str, Any] | None = None) -> Any:
        """One admin call about the CRM; returns its JSON answer.

        Args:
            method: HTTP method.
            path: Below ``/_sandbox/<system>``, e.g. ``/stats``.
            call: JSON body.

        Raises:
            ValueError: The sandbox refuses; the message is its own.
        """
        url = f"{self.url}/_sandbox/{self.system}{path}"
        answer = self._http.request(method, url, json=call, timeout=_ADMIN_SECONDS)
        if not answer.ok:
            raise ValueError(f"{method} {path}: {answer.json()['error']}")
        return answer.json()

    def reset(self) -> None:
        """Begin anew: records, clock, quota, faults, statistics."""
        url = f"{self.url}/_sandbox/reset"
        self._http.post(url, timeout=_ADMIN_SECONDS).raise_for_status()

    def configure(self, **settings: Any) -> dict[str, Any]:
        """Change settings; returns all of them."""
        changed: dict[str, Any] = self.admin("PATCH", "/settings", settings)
        return changed

    def move(self, entity: str, action: str, count: int = 1, **more: Any) -> list[int]:
        """``create``, ``change``, ``delete``, ``spoil`` or ``mend``; returns ids."""
        call = {"count": count, **more}
        ids: list[int] = self.admin("POST", f"/{entity}/{action}", call)["ids"]
        return ids

    def fault(self, kind: str, **options: Any) -> int:
        """Switch a fault on; returns its id."""
        number: int = self.admin("POST", "/faults", {"kind": kind, **options})["id"]
        return number

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self.admin("DELETE", "/faults")

    def stats(self) -> dict[str, Any]:
        """Counts of requests since the last reset."""
        counts: dict[str, Any] = self.admin("GET", "/stats")
        return counts

    def log(self) -> list[dict[str, Any]]:
        """The newest requests, one by one."""
        entries: list[dict[str, Any]] = self.admin("GET", "/log")["requests"]
        return entries

    def truth(self, entity: str) -> list[dict[str, Any]]:
        """What the warehouse must hold of an entity, one object per live record."""
        return self._lines(f"/truth/{entity}")

    def deleted(self, entity: str) -> list[str]:
        """Ids of the records that were deleted, in that order."""
        lines = self._lines(f"/truth/{entity}/deleted")
        return [line["source_id"] for line in lines]

    def _lines(self, path: str) -> list[dict[str, Any]]:
        url = f"{self.url}/_sandbox/{self.system}{path}"
        answer = self._http.get(url, timeout=_ADMIN_SECONDS)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.content.splitlines()]
