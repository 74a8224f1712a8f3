"""The command line as processes, with the connections of one test."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from crm_warehouse.source_files import default_directory
from include.sandbox.server import SandboxServer
from tests.proof.connection import postgres_connection

ROOT = Path(__file__).parents[2]
GENIUS = (default_directory() / "genius.yaml").read_text("utf-8")
SYNC = ("sync", "--source", "genius", "--entity")


class Done(NamedTuple):
    status: int
    result: dict[str, Any]
    err: str


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Shell:
    """Runs commands with the connections of one test."""

    def __init__(self, conninfo: str, sandbox: SandboxServer, folder: Path) -> None:
        self.conninfo = conninfo
        self.processes: list[subprocess.Popen[str]] = []
        warehouse = postgres_connection(conninfo)
        self.password = str(warehouse["password"])
        self.token = sandbox.token
        genius = {"host": sandbox.base_url, "password": sandbox.token}
        self.env = {
            "PATH": os.environ["PATH"],
            # The code beside this file, also where the installed one is another.
            "PYTHONPATH": str(ROOT / "plugins"),
            "CRM_WAREHOUSE_ENV": "dev",
            "CRM_WAREHOUSE_CONNECTIONS": str(folder / "connections.sealed"),
            "CRM_WAREHOUSE_SOURCES": str(folder),
            "AIRFLOW_CONN_CRM_WAREHOUSE": json.dumps(warehouse),
            "AIRFLOW_CONN_GENIUS_DEFAULT": json.dumps(genius),
        }
        self.file = folder / "genius.yaml"
        self.file.write_text(GENIUS.replace("first: 1s", "first: 1ms"), "utf-8")

    def start(
        self, *words: str, stderr: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_warehouse", *words],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # Whoever runs the tests in the background ignores Ctrl-C, and so would we.
            preexec_fn=_heed_interrupts,
        )
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            with process:
                process.kill()

    def run(self, *words: str) -> Done:
        return self.end(self.start(*words))

    def end(self, process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=60)
        err = err or ""
        assert self.password not in out + err
        assert self.token not in out + err
        assert "Traceback" not in err
        lines = out.splitlines()
        result = json.loads(lines[-1]) if lines and lines[-1][:1] == "{" else {}
        return Done(process.returncode, result, err)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo) as conn:
            cursor = conn.execute(statement)
            return cursor.fetchall() if cursor.description else []
