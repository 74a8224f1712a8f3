"""The shipped nginx in front of one receiver, as a process of this machine."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from include.local_stack.ports import HOST, choose

ROOT = Path(__file__).parents[2]
_CONFIGURATION = ROOT / "docker" / "nginx"
_PATH = f"/usr/sbin:{os.environ.get('PATH', '')}"
_PATIENCE_SECONDS = 60.0


def program() -> str | None:
    """nginx, where there is one."""
    return shutil.which("nginx", path=_PATH)


class NginxDoor:
    """``docker/nginx`` with ports and places of this machine; its context ends it.

    Args:
        folder: Empty; holds what the container's ``/tmp`` would.
        receiver_port: Where the receiver listens.
    """

    def __init__(self, folder: Path, receiver_port: int) -> None:
        self._folder = folder
        self.port = choose("nginx", 27288)
        health = choose("nginx's health", 27388, taken=frozenset((self.port,)))
        (folder / "tmp").mkdir()
        (folder / "listen.conf").write_text(f"listen {HOST}:{self.port};\n", "utf-8")
        text = (_CONFIGURATION / "nginx.conf").read_text("utf-8")
        for there, here in (
            ("/tmp/", f"{folder}/tmp/"),  # first: the folder itself may lie there
            ("receiver:8090", f"{HOST}:{receiver_port}"),
            # Nobody is there: what leads to the pages is seen by its 502.
            ("api-core:8080", f"{HOST}:9"),
            (f"{HOST}:8081", f"{HOST}:{health}"),
            ("/dev/stdout", str(folder / "access.log")),
            ("/dev/stderr", str(folder / "error.log")),
        ):
            assert there in text, there
            text = text.replace(there, here)
        text = re.sub(r"resolver [^;]+;", "", text)  # only addresses are left
        (folder / "nginx.conf").write_text(text, "utf-8")
        nginx = program()
        assert nginx
        # Whoever may not read our folder could not keep bodies there.
        user = " user root;" if os.geteuid() == 0 else ""
        self._command = [
            *(nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")),
            *("-e", str(folder / "error.log"), "-g", f"daemon off;{user}"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def test(self) -> str:
        """What ``nginx -t`` says of it; empty when it says nothing but good."""
        done = subprocess.run(
            [*self._command, "-t", "-q"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stdout or "failed"

    @property
    def access_log(self) -> str:
        return (self._folder / "access.log").read_text("utf-8")

    def memory_kib(self) -> int:
        """What its processes hold of their own."""
        assert self._process
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found = (Path(f"/proc/{pid}/status").read_text() for pid in children)
        return sum(int(text.split("RssAnon:")[1].split()[0]) for text in found)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            assert self._process.poll() is None, (
                self._folder / "error.log"
            ).read_text()
            try:
                socket.create_connection((HOST, self.port), 5).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(_PATIENCE_SECONDS)
