"""Other ways in, in the demonstration: the same records by database and by file."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import requests
import sqlalchemy as sa
from psycopg.rows import dict_row

from crm_warehouse.spec import Entity, Source
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_patience import wait_until
from include.local_stack.demo_sandbox import database_file, drop_folder, sandbox_url
from include.local_stack.errors import StackError
from include.local_stack.settings import Ports, StackSettings
from include.sandbox.crm import Crm
from include.sandbox.genius.database import GeniusDatabase
from include.sandbox.settings import Settings

_SECONDS = 180.0
#: What is loaded once more: of the one source that has all three ways in.
SOURCE, ENTITY = "genius", "prospects"
_LAST_JOB = "SELECT coalesce(max(id), 0) AS id FROM ops.sync_jobs"
_PAYLOADS = "SELECT payload FROM raw.genius_prospects"
_JOBS = """
SELECT *, extract(epoch FROM completed_at - started_at) AS seconds
FROM ops.sync_jobs
WHERE id > %(id)s AND source_system = %(source)s AND entity_type = %(entity)s
    AND via <> 'api' AND completed_at IS NOT NULL
ORDER BY via DESC
"""


def run_ways(
    api: DemoApi, settings: StackSettings, ports: Ports, conninfo: str, source: Source
) -> list[dict[str, Any]]:
    """Load by database and by file what the API has brought already.

    Args:
        api: Airflow, whose DAGs are switched on.
        settings: The stack's, whose folder holds the database and the drop folder.
        ports: The stack's.
        conninfo: The warehouse.
        source: The one that has these ways.

    Returns:
        The jobs, with ``seconds``.

    Raises:
        StackError: They do not end in time, or sandbox or Airflow refuse.
    """
    entity = source.entities[ENTITY]
    by_database, by_file = entity.dag_id_via("database"), entity.dag_id_via("csv")
    api.wait_for_dags([by_database, by_file], _SECONDS)
    with psycopg.connect(conninfo, row_factory=dict_row) as conn:
        [before] = conn.execute(_LAST_JOB).fetchall()
    values = {**before, "source": source.name, "entity": entity.name}
    _fill_database(database_file(settings), conninfo)
    folder = drop_folder(settings) / source.name / entity.name
    dropped = _drop(folder, ports, entity)
    api.switch_on(by_file)
    run_id = f"demo__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    api.start(by_database, run_id, {"mode": "full"})
    return _wait(conninfo, values, dropped)


def _fill_database(path: Path, conninfo: str) -> None:
    """Make the vendor's database, which holds what the API has sent."""
    path.parent.mkdir(exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        database = GeniusDatabase(engine)
        database.create()
        database.write(ENTITY, _payloads(conninfo))
    finally:
        engine.dispose()


def _payloads(conninfo: str) -> Iterator[dict[str, Any]]:
    with psycopg.connect(conninfo) as conn:
        for (payload,) in conn.execute(_PAYLOADS):
            yield payload


def _drop(folder: Path, ports: Ports, entity: Entity) -> Path:
    """Put the vendor's export into the folder, whole at once; returns its path."""
    with requests.Session() as http:
        # Proxies of the environment must not come between us and loopback.
        http.trust_env = False
        crm = Crm(Settings(), entity.source, http, sandbox_url(ports))
        try:
            content = crm.csv(entity.name)
        except requests.RequestException as error:
            raise StackError(f"The sandbox does not do as told: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "export.part"
    part.write_bytes(content)
    return part.rename(folder / f"{entity.name}.csv")


def _wait(conninfo: str, values: dict[str, Any], waiting: Path) -> list[dict[str, Any]]:
    """The jobs that have ended, once the file has gone.

    One of the same content was imported before, perhaps, and is no job again.
    """
    found: list[dict[str, Any]] = []

    def done() -> bool:
        nonlocal found
        with psycopg.connect(conninfo, row_factory=dict_row) as conn:
            found = conn.execute(_JOBS, values).fetchall()
        return not waiting.exists() and "database" in {job["via"] for job in found}

    def late() -> str:
        ended = ", ".join(job["via"] for job in found) or "nothing"
        return (
            f"After {_SECONDS:.0f} s there is loaded by other ways: {ended}; see"
            " `make logs`."
        )

    wait_until(done, _SECONDS, late)
    return found
