"""Databases before anything else runs: roles, the warehouse, Airflow's own tables."""

import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psycopg

from include.local_stack.airflow_parts import AIRFLOW
from include.local_stack.errors import StackError
from include.local_stack.logs import open_log, tail
from include.local_stack.postgres import Postgres

WAREHOUSE = "warehouse"
#: Role -> the database it owns.
OWNERS = {"airflow": "airflow", "crm_warehouse": WAREHOUSE}


def make_databases(server: Postgres, passwords: Mapping[str, str]) -> None:
    """Make roles and databases that are not there yet."""
    for role, database in OWNERS.items():
        server.create_role(role, passwords[role])
        if not server.has_database(database):
            server.create_database(database, role)


def migrate_warehouse(server: Postgres) -> list[str]:
    """Bring the warehouse's tables up to date.

    Returns:
        Names of the migrations applied now.
    """
    from crm_warehouse.engine.migrations import migrate

    return migrate(server.conninfo(WAREHOUSE, "crm_warehouse"))


class AirflowMigration:
    """Airflow's own tables, brought up to date only when they are not.

    Starting the program takes many seconds even when there is nothing to do, so a
    stamp remembers which release left the database at which revision.

    Args:
        server: Where the database ``airflow`` lives.
        stamp: The stamp file.
        log: Where the program's output goes.
    """

    def __init__(self, server: Postgres, stamp: Path, log: Path) -> None:
        self._conninfo = server.conninfo("airflow", "airflow")
        self._stamp = stamp
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, env: dict[str, str], root: Path) -> bool:
        """Start it when needed.

        Returns:
            Whether there is something to wait for.
        """
        if self._stamp.exists() and self._stamp.read_text("utf-8") == self._now():
            return False
        with open_log(self._log) as log:
            self._process = subprocess.Popen(
                [str(AIRFLOW), "db", "migrate"],
                cwd=root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return True

    def finish(self) -> None:
        """Wait for it.

        Raises:
            StackError: It failed; with the end of its log.
        """
        if self._process is None:
            return
        if self._process.wait() != 0:
            raise StackError(
                "Airflow's database could not be migrated. The end of "
                f"{self._log}:\n{tail(self._log)}"
            )
        self._stamp.write_text(self._now(), "utf-8")

    def _now(self) -> str:
        release = version("apache-airflow-core")
        return json.dumps({"airflow": release, "revision": self._revision()})

    def _revision(self) -> str | None:
        with psycopg.connect(self._conninfo) as connection:
            try:
                query = "SELECT version_num FROM alembic_version"
                row = connection.execute(query).fetchone()
            except psycopg.errors.UndefinedTable:
                return None
        return str(row[0]) if row else None
