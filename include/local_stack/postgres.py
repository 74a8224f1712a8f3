"""One PostgreSQL server of our own: TCP on the loopback interface and a socket.

The server outlives the process that started it; whoever comes next with the same
home adopts it. Passwords (SCRAM-SHA-256) are asked for on both ways in.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread

from psycopg.conninfo import make_conninfo

from include.local_stack import cluster, postgres_home
from include.local_stack.databases import Databases
from include.local_stack.errors import StackError
from include.local_stack.logs import open_log, tail
from include.local_stack.ports import HOST, choose
from include.local_stack.postmaster import Postmaster

#: Room for Airflow's pools, syncs and receiver; memory for one machine.
DEFAULT_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PORT_TRIES = 5


class Postgres(Databases):
    """A server in its own folder.

    Args:
        home: Holds data, socket and, when needed, a copy of the programs.
        passwords: Role -> password; ``postgres`` is needed for the first start.
        port: The TCP port, when only this one will do.
        preferred_port: Otherwise, where the search for a free one begins.
        settings: Server settings on top of the defaults.
        binaries: Folder of another PostgreSQL's programs.
        log: Where the server's messages go; default ``<home>.log`` beside the home.
    """

    def __init__(
        self,
        home: Path,
        passwords: Mapping[str, str],
        *,
        port: int | None = None,
        preferred_port: int = 5433,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self.home = home.absolute()
        self.data = self.home / "data"
        self.log = log or home.with_name(f"{home.name}.log")
        self._user = postgres_home.server_user()
        self._passwords = passwords
        self._fixed_port = port
        self._preferred_port = preferred_port
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._binaries = binaries
        self._handle: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """TCP port of the running server.

        Raises:
            StackError: The server does not run.
        """
        running = self._postmaster()
        if running is None:
            raise StackError("PostgreSQL does not run. Start it with `make up`.")
        return running.port

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        running = self._postmaster()
        return running.identity.pid if running else None

    def program(self, name: str) -> Path:
        """Path of a program of this PostgreSQL, e.g. ``psql``."""
        if self._binaries is None:
            self._binaries = postgres_home.find_binaries(self.home, self._user)
        return self._binaries / name

    def conninfo(self, database: str, role: str = "postgres") -> str:
        """Connection string over TCP, password included: not for logs."""
        return make_conninfo(
            host=HOST,
            port=self.port,
            dbname=database,
            user=role,
            password=self._passwords[role],
        )

    def start(self) -> bool:
        """Start the server, or adopt the one that runs in this home.

        Returns:
            Whether a server was started; False means adopted.

        Raises:
            StackError: No start, with the end of the server's log.
        """
        postgres_home.make_home(self.home, self._user)
        running = self._postmaster()
        if running:
            running.wait_ready(_START_SECONDS)
            return False
        if not self.data.exists():
            cluster.initialise(
                self.program("initdb"),
                self.data,
                self._user,
                self._passwords["postgres"],
                sync=self._settings.get("fsync") != "off",
            )
        cluster.check_version(self.data, self.program("postgres"))
        Postmaster.remove_foreign_pid_file(self.data)
        for attempt in range(_PORT_TRIES):
            # Between choice and start somebody may take the port.
            if self._try_start(self._choose_port(attempt)):
                return True
        raise StackError(
            f"PostgreSQL did not start. The end of {self.log}:\n{tail(self.log)}"
        )

    def ready(self) -> bool:
        """Whether the server accepts connections, asked as clients ask."""
        running = self._postmaster()
        if running is None:
            return False
        command = [str(self.program("pg_isready")), "-q", "-t", "3", "-h", HOST]
        asked = subprocess.run([*command, "-p", str(running.port)], check=False)
        return asked.returncode == 0

    def stop(self) -> None:
        """End the server in order; open sessions are cut off."""
        self._end(Postmaster.stop_fast)

    def crash(self) -> None:
        """End the server as a power cut would: recovery at the next start."""
        self._end(Postmaster.stop_immediately)

    def _end(self, how: Callable[[Postmaster, float], None]) -> None:
        running = self._postmaster()
        if running:
            how(running, _STOP_SECONDS)
        if self._handle:
            self._handle.wait(_STOP_SECONDS)
            self._handle = None

    def _postmaster(self) -> Postmaster | None:
        return Postmaster.find(self.data)

    def _choose_port(self, attempt: int) -> int:
        fixed = self._fixed_port
        preferred = fixed or self._preferred_port + attempt
        return choose("PostgreSQL", preferred, fixed=fixed is not None)

    def _try_start(self, port: int) -> bool:
        settings = {
            **self._settings,
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": cluster.socket_folder(self.home, self._user),
            "unix_socket_permissions": "0700",
        }
        command = [str(self.program("postgres")), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open_log(self.log) as log:
            self._handle = cluster.run_as(self._user, command, log.fileno())
        deadline = time.monotonic() + _START_SECONDS
        while self._handle.poll() is None and time.monotonic() < deadline:
            running = self._postmaster()
            if running and running.status == "ready":
                # A starter that lives on must take note of the server's death: to
                # PostgreSQL a process nobody has waited for looks alive, and its lock
                # file bars the next start.
                Thread(target=self._handle.wait, daemon=True).start()
                return True
            time.sleep(0.02)
        if self._handle.poll() is None:
            self.crash()
        self._handle = None
        return False
