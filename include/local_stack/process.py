"""What one part of the stack is: a command, its environment, its health."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Health:
    """How to ask a part whether it works.

    Attributes:
        url: Answers 200 when the part (or who watches it) works.
        component: Name in Airflow's health report at that URL, for parts that serve
            no HTTP themselves; its heartbeat must be younger than the process.
    """

    url: str
    component: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One part that the supervisor keeps running.

    Attributes:
        name: Word for people, for the log file and for ``make logs PART=``.
        argv: Program and arguments; secrets belong into ``env``.
        env: The whole environment; nothing else is passed on.
        health: How to ask it; None: it is healthy while it runs.
        start_seconds: Longest time from start to first healthy answer.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    health: Health | None = None
    start_seconds: float = 240.0

    def digest(self) -> str:
        """Fingerprint of command and environment: same digest, same process."""
        text = json.dumps([self.argv, sorted(self.env.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Form in which the supervisor is told; holds secrets."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Inverse of ``to_json``."""
        health = Health(**value["health"]) if value["health"] else None
        return cls(**{**value, "argv": tuple(value["argv"]), "health": health})
