"""Run as a program: parse the bundle with every way out blocked; print what happened.

Then open a source's client, as each task does that loads.

Airflow's SDK is loaded first: it is there in every process that parses DAG files.
"""

import json
import os
import runpy
import sys
import time
from typing import Any

REFUSED = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "os.posix_spawn",
}


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in REFUSED:
        raise RuntimeError(f"parsing must not reach out: {event}")


def main(root: str) -> None:
    from airflow.sdk import DAG, BaseOperator, Param, RetryPolicy  # noqa: F401

    sys.path.append(root)
    before = set(sys.modules)
    sys.addaudithook(refuse)
    cpu, wall = time.process_time(), time.monotonic()
    parsed = runpy.run_path(f"{root}/dags/crm_dags.py")
    found = {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.monotonic() - wall,
        "dag_ids": sorted(parsed["dag_builders"]()),
        "loaded": sorted(set(sys.modules) - before),
    }
    open_client(root)
    found["loaded_by_a_task"] = sorted(set(sys.modules) - before)
    print(json.dumps(found))


def open_client(root: str) -> None:
    from pathlib import Path

    from crm_warehouse.hooks.ways import client_factory, reached
    from crm_warehouse.source_files import load_source

    source = load_source(Path(root) / "include" / "sources" / "activeprospect.yaml")
    connection = {"conn_type": "activeprospect", "password": "a", "login": "b"}
    os.environ[f"AIRFLOW_CONN_{source.connection.upper()}"] = json.dumps(connection)
    client_factory(reached(source), "api")


if __name__ == "__main__":
    main(sys.argv[1])
