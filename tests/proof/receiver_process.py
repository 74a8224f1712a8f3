"""A real receiver: gunicorn as the contract starts it, on a port of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from include.local_stack.ports import HOST
from tests.proof.connection import postgres_connection
from tests.proof.hubspot_sender import PUBLIC_URL, SECRET, Answer, call, deliver

ROOT = Path(__file__).parents[2]
HUBSPOT = {"webhook_secrets": [SECRET], "public_url": PUBLIC_URL}
_GUNICORN = Path(sys.executable).with_name("gunicorn")
_PATIENCE_SECONDS = 120.0


def environment(conninfo: str, hubspot: dict[str, Any] | None) -> dict[str, str]:
    """Variables of a receiver on that database; ``hubspot`` is its extra."""
    env = {
        "PATH": os.environ["PATH"],
        "CRM_WAREHOUSE_ENV": "dev",
        "CRM_WAREHOUSE_CONNECTIONS": "/nowhere/connections.sealed",
        "AIRFLOW_CONN_CRM_WAREHOUSE": json.dumps(postgres_connection(conninfo)),
    }
    if hubspot is not None:
        connection = {"conn_type": "hubspot", "password": "unused", "extra": hubspot}
        env["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = json.dumps(connection)
    return env


def gunicorn(door: int, application: str = "webhook_receiver.wsgi:app") -> list[str]:
    """Command that serves an application as the contract does, on an open socket."""
    settings = ["-c", "webhook_receiver/gunicorn.conf.py"]
    return [str(_GUNICORN), "--bind", f"fd://{door}", *settings, application]


class Receiver:
    """One receiver; its context ends with no process left.

    Args:
        env: Its variables.
        log: Where its lines go.
        command: From the number of an open socket to the command that serves there.
    """

    def __init__(
        self,
        env: dict[str, str],
        log: Path,
        command: Callable[[int], list[str]] = gunicorn,
    ) -> None:
        self._log = log
        # Bound here and handed over, so that nobody else's receiver can get the port
        # in between, and answer in its place.
        with socket.socket() as door, log.open("wb") as stream:
            door.bind((HOST, 0))
            self.port: int = door.getsockname()[1]
            self.process = subprocess.Popen(
                command(door.fileno()),
                cwd=ROOT,
                env=env,
                pass_fds=[door.fileno()],
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def workers(self) -> list[int]:
        """Process ids of those that serve."""
        pid = self.process.pid
        return [
            int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]

    def get(self, path: str, **headers: str) -> Answer:
        return call(self.port, "GET", path, headers)

    def wait_for(self, path: str, status: int = 200) -> None:
        """Until the path answers with this status."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                if self.get(path).status == status:
                    return
            except OSError:
                pass  # not yet listening
            time.sleep(0.05)
        raise AssertionError(f"{path} is never {status}:\n{self.log}")

    def wait_until_it_takes(self) -> None:
        """Until a delivery is taken: also for a server without our paths."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                if deliver(self.port).status == 200:
                    return
            except OSError:
                pass  # not yet listening
            time.sleep(0.05)
        raise AssertionError(f"no delivery is ever taken:\n{self.log}")

    def wait_end(self) -> int:
        """Until it ends by itself; its exit status."""
        return self.process.wait(_PATIENCE_SECONDS)

    def kill(self) -> None:
        """As a power cut would: master and workers at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE_SECONDS)


#: Connection string, extra of ``hubspot_default``, variables.
Start = Callable[..., Receiver]


def started(
    conninfo: str,
    hubspot: dict[str, Any] | None,
    log: Path,
    *,
    ready: bool = True,
    **variables: str,
) -> Receiver:
    """A receiver that was started, and is ready unless that is not waited for."""
    receiver = Receiver(environment(conninfo, hubspot) | variables, log)
    if ready:
        try:
            receiver.wait_for("/readyz")
        except AssertionError:
            receiver.kill()
            raise
    return receiver
