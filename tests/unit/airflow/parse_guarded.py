"""Run as a program: parse the bundle with every way out blocked; print what happened.

Airflow's SDK is loaded first: it is there in every process that parses DAG files.
"""

import json
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
    print(
        json.dumps(
            {
                "cpu_seconds": time.process_time() - cpu,
                "wall_seconds": time.monotonic() - wall,
                "dag_ids": sorted(parsed["dag_builders"]()),
                "loaded": sorted(set(sys.modules) - before),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
