"""What a supervisor is told to run."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from include.local_stack.process import Process


@dataclass(frozen=True, slots=True)
class DatabaseOrders:
    """How PostgreSQL is started again.

    Attributes:
        home: Its folder.
        log: Its log.
        port: The port that the other parts were told.
    """

    home: Path
    log: Path
    port: int


@dataclass(frozen=True, slots=True)
class Orders:
    """One stack to keep running.

    Attributes:
        root: Working directory of the parts.
        state: The state file.
        logs: Folder of the logs.
        ports: Name -> TCP port, for the state file.
        database: PostgreSQL, or None for a stack without.
        processes: The other parts, in starting order.
    """

    root: Path
    state: Path
    logs: Path
    ports: dict[str, int]
    database: DatabaseOrders | None
    processes: tuple[Process, ...]

    def to_json(self) -> str:
        """Text for the supervisor's standard input; holds secrets."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of ``to_json``."""
        value: dict[str, Any] = json.loads(text)
        database = value["database"]
        return cls(
            root=Path(value["root"]),
            state=Path(value["state"]),
            logs=Path(value["logs"]),
            ports=value["ports"],
            database=DatabaseOrders(
                Path(database["home"]), Path(database["log"]), database["port"]
            )
            if database
            else None,
            processes=tuple(Process.from_json(each) for each in value["processes"]),
        )
