"""Start, look at and stop one stack."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from include.local_stack import postgres_home, secret_files
from include.local_stack.errors import StackError
from include.local_stack.hand_over import hand_over
from include.local_stack.launch import Say, launch
from include.local_stack.logs import tail
from include.local_stack.pools import AirflowApi
from include.local_stack.ports import HOST
from include.local_stack.postgres import Postgres
from include.local_stack.procfs import Identity, terminate
from include.local_stack.readable_sources import readable_sources
from include.local_stack.settings import StackSettings
from include.local_stack.state import State
from include.local_stack.supervisor import STOP_SECONDS

_POLL_SECONDS = 0.2
_READY_SECONDS = 600.0
#: Orderly end of the parts, kill of the rest, PostgreSQL's last checkpoint.
_DOWN_SECONDS = 2 * STOP_SECONDS + 30.0
ADMIN = "admin"


class Stack:
    """One stack on this machine.

    Args:
        settings: Which one.
        say: Shows one line of progress.
    """

    def __init__(self, settings: StackSettings, say: Say = print) -> None:
        self.settings = settings
        self._say = say
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._server: Postgres | None = None

    def up(self) -> State:
        """Start what does not run, and wait until all of it is healthy.

        Returns:
            The state, with the ports.

        Raises:
            StackError: A part does not come up; with the end of its log.
        """
        with self._alone():
            state = self.state()
            if not state.supervised:
                if self._supervisor:
                    self._supervisor.wait()  # it died; take note
                self._supervisor = launch(
                    self.settings, self.postgres(), self.secrets(), state, self._say
                )
            state = self._wait_ready()
            self._make_pools()
            self._hand_over(state)
        return state

    def down(self) -> bool:
        """Stop everything this stack started; data stays.

        Returns:
            Whether anything ran.
        """
        if not self.settings.secrets.exists():
            return False
        with self._alone():
            state = self.state()
            server = self.postgres()
            ran = state.supervised or server.pid is not None
            if state.supervised and state.supervisor:
                self._end_supervisor(state.supervisor)
                state = self.state()
            parts = [part for part in state.parts if part.name != "postgres"]
            ran = ran or any(part.alive for part in parts)
            terminate([p.identity for p in parts if p.identity], STOP_SECONDS)
            server.stop()
            self.settings.state_file.unlink(missing_ok=True)
        return ran

    def state(self) -> State:
        """What runs now."""
        return State.load(self.settings.state_file)

    def secrets(self) -> secret_files.Secrets:
        """The stack's secrets, generated on first use."""
        return secret_files.load(self.settings.secrets)

    def postgres(self) -> Postgres:
        """The stack's PostgreSQL, running or not."""
        if self._server is None:
            self._server = self._find_server()
        return self._server

    def _find_server(self) -> Postgres:
        user = postgres_home.server_user()
        wished = self.settings.var / "postgres"
        home = postgres_home.choose_home(wished, user)
        if home != wished:
            self._say(
                f"The server's user {user.name if user else ''} cannot reach "
                f"{wished}; the databases live in {home}"
            )
        preferred = self.settings.preferred_ports["postgres"]
        return Postgres(
            home,
            self.secrets().database_passwords(),
            port=self.settings.fixed_ports.get("postgres"),
            preferred_port=self.state().ports.get("postgres", preferred),
            log=self.settings.logs / "postgres.log",
        )

    def ui_url(self) -> str:
        """Where Airflow's pages are."""
        return f"http://{HOST}:{self.state().ports['ui']}"

    def api(self) -> AirflowApi:
        """Airflow's REST API as its administrator."""
        return AirflowApi(self.ui_url(), ADMIN, self.secrets().admin_password)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time may change this stack."""
        self.settings.make_folders()
        lock = self.settings.state_file.with_name("lock")
        with lock.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _wait_ready(self) -> State:
        told: set[str] = set()
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            ended = self._supervisor_ended()
            state = self.state()
            for part in state.parts:
                if part.health == "healthy" and part.name not in told:
                    told.add(part.name)
                    self._say(f"{part.name} is healthy")
            if state.phase == "ready" and state.supervised:
                return state
            if ended or state.phase == "failed":
                log = self.settings.logs / "supervisor.log"
                raise StackError(
                    state.message or f"The supervisor ended. {log}:\n{tail(log)}"
                )
            time.sleep(_POLL_SECONDS)
        raise StackError(f"The stack is not ready after {_READY_SECONDS:.0f} s.")

    def _supervisor_ended(self) -> bool:
        if self._supervisor:
            return self._supervisor.poll() is not None
        return not self.state().supervised

    def _end_supervisor(self, supervisor: Identity) -> None:
        os.kill(supervisor.pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_SECONDS
        while supervisor.alive() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        terminate([supervisor], grace_seconds=0.0)
        if self._supervisor:
            self._supervisor.wait()

    def _make_pools(self) -> None:
        with self.api() as api:
            for note in api.make_pools(readable_sources(self._say)):
                self._say(note)

    def _hand_over(self, state: State) -> None:
        """Let commands find the stack; it runs all the same when they cannot."""
        try:
            hand_over(self.settings, state.ports, self.secrets())
        except StackError as error:
            self._say(str(error))
