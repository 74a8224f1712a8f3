"""A MariaDB server of a test session, in a folder of its own."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pymysql

#: What is said where a test needs a server and this machine has none.
LEFT_OUT = (
    "left out: there is no MariaDB server on this machine (apt-get install "
    "mariadb-server); the database way in is not tested against one"
)
_START_SECONDS = 120
_STOP_SECONDS = 60


def is_installed() -> bool:
    """Whether this machine has the server's programs."""
    return all(map(shutil.which, ("mariadbd", "mariadb-install-db")))


class MariaDb:
    """A server with two logins: one that owns the tables, one that may only SELECT.

    Args:
        folder: Its data; made by it.
        settings: Server options, e.g. ``innodb_buffer_pool_size``.
    """

    owner, reader = "crm_owner", "crm_reader"

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.passwords = {
            name: secrets.token_hex(16) for name in ("root", self.owner, self.reader)
        }

    def start(self) -> None:
        """Make the data folder, start, and make the logins."""
        self._folder.mkdir(parents=True)
        self._run("mariadb-install-db", "--auth-root-authentication-method=normal")
        self.port = _free_port()
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command("mariadbd"), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait()
        # Root has no password yet.
        first = pymysql.connect(unix_socket=str(self._socket), user="root")
        with first as conn, conn.cursor() as cursor:
            for name in (self.owner, self.reader):
                password = self.passwords[name]
                cursor.execute(
                    f"CREATE USER {name}@127.0.0.1 IDENTIFIED BY '{password}'"
                )
            root = self.passwords["root"]
            cursor.execute(f"ALTER USER root@localhost IDENTIFIED BY '{root}'")

    def make_database(self) -> str:
        """A new database; returns its name."""
        name = f"crm_{secrets.token_hex(6)}"
        with self.connect("root") as conn, conn.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            cursor.execute(f"GRANT ALL ON {name}.* TO {self.owner}@127.0.0.1")
            cursor.execute(f"GRANT SELECT ON {name}.* TO {self.reader}@127.0.0.1")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, and cut off who still reads it."""
        self.cut_reader()
        self.execute(f"DROP DATABASE {name}")

    def cut_reader(self) -> None:
        """End all sessions of the reader."""
        self.execute(f"KILL USER {self.reader}@127.0.0.1")

    def execute(self, statement: str) -> None:
        """One statement as root."""
        with self.connect("root") as conn, conn.cursor() as cursor:
            cursor.execute(statement)

    def connect(self, login: str, database: str | None = None) -> Any:
        """A connection; root comes by the socket."""
        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        if login == "root":
            place = {"unix_socket": str(self._socket)}
        return pymysql.connect(
            **place,
            user=login,
            password=self.passwords[login],
            database=database,
            autocommit=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End it in order."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def _socket(self) -> Path:
        return self._folder / "s"

    def _command(self, program: str) -> list[str]:
        found = shutil.which(program)
        assert found is not None, LEFT_OUT
        command = [found, "--no-defaults", f"--datadir={self._folder / 'data'}"]
        # It refuses to be root's unless root says so.
        return [*command, "--user=root"] if os.geteuid() == 0 else command

    def _options(self) -> list[str]:
        return [
            f"--socket={self._socket}",
            f"--port={self.port}",
            f"--pid-file={self._folder / 'pid'}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            # No test cuts the power, and disks are slow.
            "--innodb-flush-log-at-trx-commit=0",
            *(f"--{name}={value}" for name, value in self._settings.items()),
        ]

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [*self._command(program), "--skip-test-db", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _wait(self) -> None:
        """Until it takes connections."""
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self._socket):
            assert self._process is not None
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.02)

    def _log(self) -> str:
        return (self._folder / "server.log").read_text("utf-8", "replace")[-2000:]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
