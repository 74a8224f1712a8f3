"""The command line as an outside program runs it: processes that can be killed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.sandbox.server import SandboxServer
from include.sandbox.settings import DEFAULT_TOKENS
from tests.proof.connection import postgres_connection

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CommandLine:
    """``python -m crm_warehouse`` against one warehouse and one sandbox.

    Attributes:
        conninfo: The warehouse.
        sandbox: The CRMs.
        sources: Folder of source files.
        module: What is run; another one that ends in ``crm_warehouse``'s own.
        connections: Further ones by their ids, or others than those of the CRMs.
    """

    conninfo: str
    sandbox: SandboxServer
    sources: Path
    module: str = "crm_warehouse"
    connections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Variables of the contract, and nothing of this process's own."""
        crms = [self.sandbox.crm(name) for name in DEFAULT_TOKENS]
        connections = {
            "crm_warehouse": postgres_connection(self.conninfo),
            **{
                f"{crm.system}_default": {
                    "conn_type": "http", "host": crm.base_url, "password": crm.token
                }
                for crm in crms
            },
            **self.connections,
        }  # fmt: skip
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "plugins"),
            "CRM_WAREHOUSE_ENV": "dev",
            "CRM_WAREHOUSE_SOURCES": str(self.sources),
            **{
                f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
                for name, connection in connections.items()
            },
        }

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command at work; killed when the block ends before it does."""
        process = subprocess.Popen(
            [sys.executable, "-m", self.module, *words],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, *words: str, timeout: float = 120) -> "Ended":
        """A command from beginning to end."""
        with self.start(*words) as process:
            output, errors = process.communicate(timeout=timeout)
        return Ended(process.returncode, output, errors)

    def sync(self, entity: str, *words: str) -> "Ended":
        """``sync`` of a Genius entity."""
        return self.run("sync", "--source", "genius", "--entity", entity, *words)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    output: str
    errors: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object on the last line of standard output."""
        answer: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return answer


def generous_sources(folder: Path) -> Path:
    """Source files whose quotas no test reaches."""
    for path in (ROOT / "include" / "sources").glob("*.yaml"):
        text = re.sub(r"requests: \d+", "requests: 1000000", path.read_text())
        (folder / path.name).write_text(text)
    return folder
