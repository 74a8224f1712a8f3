"""What runs now, in a file: how commands and a next supervisor find the parts."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from include.local_stack.procfs import Identity
from include.local_stack.secret_files import write_private

PartHealth = Literal["starting", "healthy", "unhealthy", "stopped"]
Phase = Literal["starting", "ready", "stopping", "failed"]


@dataclass(slots=True)
class PartState:
    """One part as the supervisor last saw it.

    Attributes:
        name: Its name.
        identity: Its process, or None while it waits for a restart.
        digest: Fingerprint of its definition.
        health: Last answer.
        since: Start of the process, seconds since the epoch.
        restarts: How often it died under this stack.
    """

    name: str
    digest: str
    identity: Identity | None = None
    health: PartHealth = "stopped"
    since: float = 0.0
    restarts: int = 0

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self.identity is not None and self.identity.alive()


@dataclass(slots=True)
class State:
    """The whole stack as the supervisor last saw it.

    Attributes:
        supervisor: The supervisor's process.
        phase: Where the stack is between start and end.
        message: Why, when ``failed``.
        ports: Name -> TCP port.
        parts: In starting order, PostgreSQL first.
    """

    supervisor: Identity | None = None
    phase: Phase = "starting"
    message: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    parts: list[PartState] = field(default_factory=list)

    @property
    def supervised(self) -> bool:
        """Whether the supervisor lives."""
        return self.supervisor is not None and self.supervisor.alive()

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def save(self, path: Path) -> None:
        """Replace the file in one step."""
        write_private(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """The state in the file; an empty one when there is none to read."""
        try:
            value = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return cls(phase="stopping")
        parts = [
            PartState(**{**each, "identity": _identity(each["identity"])})
            for each in value["parts"]
        ]
        supervisor = _identity(value["supervisor"])
        return cls(**{**value, "supervisor": supervisor, "parts": parts})


def _identity(value: dict[str, Any] | None) -> Identity | None:
    return Identity(**value) if value else None
