"""What distinguishes one stack from another on the same machine."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.local_stack.errors import StackError
from include.local_stack.process import Process

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENTS = ("dev", "staging", "prod")
#: Name -> where the search for a free port begins.
PREFERRED_PORTS = {"ui": 8080, "execution": 8180, "postgres": 5433, "receiver": 8090}

Ports = Mapping[str, int]
#: More environment for every part, once the ports are known.
MoreEnvironment = Callable[[Ports], dict[str, str]]
#: More parts, once ports and the environment of the others are known.
MoreProcesses = Callable[[Ports, dict[str, str]], tuple[Process, ...]]


def _no_environment(_ports: Ports) -> dict[str, str]:
    return {}


def _no_processes(_ports: Ports, _env: dict[str, str]) -> tuple[Process, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class StackSettings:
    """One stack. Several may run side by side, each with its own ``var``.

    Attributes:
        root: The repository.
        var: Everything the stack makes: data, logs, secrets.
        environment: ``dev`` | ``staging`` | ``prod``.
        fixed_ports: Name -> port, where no other will do.
        preferred_ports: Name -> where the search for a free port begins.
        more_environment: More environment for every part, such as
            ``AIRFLOW_CONN_*``; what the stack itself sets goes before it.
        more_processes: More parts, started with the others.
    """

    root: Path = ROOT
    var: Path = ROOT / ".var"
    environment: str = "dev"
    fixed_ports: Ports = field(default_factory=dict)
    preferred_ports: Ports = field(default_factory=lambda: PREFERRED_PORTS)
    more_environment: MoreEnvironment = _no_environment
    more_processes: MoreProcesses = _no_processes

    @property
    def secrets(self) -> Path:
        """Folder of the generated secrets."""
        return self.var / "secrets"

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return self.var / "logs"

    @property
    def sealed_connections(self) -> Path:
        """Connections for the receiver and for commands, sealed."""
        return self.var / "connections.sealed"

    @property
    def state_file(self) -> Path:
        """What runs now."""
        return self.var / "stack" / "state.json"

    def make_folders(self) -> None:
        """Make the stack's own folders.

        Raises:
            StackError: They belong to another user.
        """
        if not self.var.exists():
            self.var.mkdir(parents=True)
            self.var.chmod(0o755)  # the database's user passes through
        if self.var.stat().st_uid != os.geteuid():
            raise StackError(
                f"{self.var} belongs to user {self.var.owner()}: another user began "
                "this stack. Go on as that user, or remove the folder."
            )
        for folder in (self.logs, self.state_file.parent):
            folder.mkdir(exist_ok=True)
        self.logs.chmod(stat.S_IRWXU)
        self.state_file.parent.chmod(stat.S_IRWXU)


def from_environment(env: Mapping[str, str] = os.environ) -> StackSettings:
    """Settings of ``make up``.

    ``CRM_WAREHOUSE_ENV`` is the environment (default ``dev``), ``CRM_STACK_VAR``
    another folder than ``.var``, ``CRM_STACK_UI_PORT``, ``CRM_STACK_POSTGRES_PORT``
    and so on fix a port.

    Raises:
        StackError: A value that means nothing.
    """
    environment = env.get("CRM_WAREHOUSE_ENV", "dev")
    if environment not in ENVIRONMENTS:
        raise StackError(
            f"CRM_WAREHOUSE_ENV is {environment!r}. Use {', '.join(ENVIRONMENTS)}."
        )
    fixed = {}
    for name in PREFERRED_PORTS:
        word = env.get(f"CRM_STACK_{name.upper()}_PORT")
        if word is None:
            continue
        if not word.isdecimal() or not 0 < int(word) < 65536:
            raise StackError(
                f"CRM_STACK_{name.upper()}_PORT is {word!r}. Use a TCP port number."
            )
        fixed[name] = int(word)
    var = Path(env.get("CRM_STACK_VAR") or ROOT / ".var").absolute()
    return StackSettings(var=var, environment=environment, fixed_ports=fixed)
