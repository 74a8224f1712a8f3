"""A whole stack with sandbox CRMs of its own: Airflow runs the loads, we look on."""

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import psycopg
import requests
from psycopg.rows import dict_row

from crm_warehouse.source_files import load_sources
from crm_warehouse.spec import Entity, Source
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_patience import wait_until
from include.local_stack.demo_sandbox import (
    WEBHOOK_SECRET,
    receiver_url,
    sandbox_url,
    with_sandbox,
)
from include.local_stack.errors import PassingError, StackError
from include.local_stack.settings import Ports, StackSettings
from include.local_stack.stack import ADMIN, Stack
from include.sandbox.crm import Crm
from include.sandbox.settings import Settings
from tests.proof.command import ROOT
from tests.proof.oracle import FILLED, compare_all

#: Proofs start every run themselves.
_NEVER = '"0 0 29 2 *"'
_DAG_SECONDS = 180.0
#: For a call past a part that is being started again.
_PATIENCE_SECONDS = 180.0
#: A task in one of these states ended without success and without another try.
_RED = ("failed", "upstream_failed")
_COUNTERS = """
SELECT count(*) AS wrong FROM ops.sync_jobs
WHERE records_received <> records_processed + records_repeated
    OR records_processed <> records_created + records_updated + records_unchanged
        + records_deleted + records_failed
"""


T = TypeVar("T")


def quiet_sources(folder: Path) -> Path:
    """The source files, with quotas nobody reaches and no schedule."""
    for path in (ROOT / "include" / "sources").glob("*.yaml"):
        text = re.sub(r"requests: \d+", "requests: 1000000", path.read_text())
        text = re.sub(r'schedule: ".*"', f"schedule: {_NEVER}", text)
        (folder / path.name).write_text(text)
    return folder


@dataclass(frozen=True)
class StackHouse:
    """A running stack, and the ways to look at it.

    Attributes:
        stack: The stack.
        sources: The sources it loads, by name.
        crms: The CRM of each source.
        api: Airflow's REST API.
        conninfo: The warehouse.
        airflow: Airflow's own database.
    """

    stack: Stack
    sources: Mapping[str, Source]
    crms: Mapping[str, Crm]
    api: DemoApi
    conninfo: str = field(repr=False)
    airflow: str = field(repr=False)

    @property
    def entities(self) -> list[Entity]:
        """Every entity of every source."""
        return [e for source in self.sources.values() for e in source.entities.values()]

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a query on the warehouse, once it answers."""
        return self.patiently(lambda: _rows(self.conninfo, statement, values))

    def airflow_rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a query on Airflow's database, once it answers."""
        return self.patiently(lambda: _rows(self.airflow, statement, values))

    def patiently(self, call: Callable[[], T]) -> T:
        """What the call returns, past parts that are being started again."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return call()
            except (PassingError, psycopg.OperationalError, requests.ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def until(
        self, done: Callable[[], bool], seconds: float, what: str, poll: float = 0.5
    ) -> None:
        """Wait.

        Raises:
            StackError: It was not done in time.
        """
        late = f"not after {seconds:.0f} s: {what}"
        wait_until(done, seconds, lambda: late, poll)

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run; one call that got lost on its way is made again."""

        def call() -> None:
            known = _rows(
                self.airflow,
                "SELECT 1 FROM dag_run WHERE dag_id = %s AND run_id = %s",
                (dag_id, run_id),
            )
            if not known:
                self.api.start(dag_id, run_id, conf)

        self.patiently(call)

    def runs(self, like: str) -> list[dict[str, Any]]:
        """Runs whose id is like that: DAG, id, state, seconds."""
        return self.airflow_rows(
            "SELECT dag_id, run_id, state,"
            " extract(epoch FROM end_date - start_date) AS seconds"
            " FROM dag_run WHERE run_id LIKE %s",
            like,
        )

    def run_everything(self, run_id: str, seconds: float) -> None:
        """Load every entity fully, and wait until all runs have ended well.

        Raises:
            StackError: Some did not.
        """
        for entity in self.entities:
            self.start(entity.dag_id, run_id, {"mode": "full"})
        self.until(lambda: self.ended(run_id), seconds, f"the end of {run_id}", 1.0)
        wrong = [r["dag_id"] for r in self.runs(run_id) if r["state"] != "success"]
        if wrong:
            raise StackError(f"{run_id} failed: {', '.join(wrong)}")

    def ended(self, like: str) -> bool:
        """Whether all runs with such ids have ended."""
        return all(run["state"] in ("success", "failed") for run in self.runs(like))

    def listen(self) -> None:
        """Let HubSpot's CRM send webhooks, and Airflow merge them."""
        target = receiver_url(self.stack.state().ports)
        call = {
            "target": f"{target}/api/v1/webhooks/hubspot/",
            "secret": WEBHOOK_SECRET,
        }
        self.crms["hubspot"].admin("POST", "/webhooks", call)
        self.api.wait_for_dags(["hubspot__webhooks"], _DAG_SECONDS)
        self.api.switch_on("hubspot__webhooks")

    def webhooks_are_merged(self) -> bool:
        """Whether none is on its way and none waits."""
        if self.crms["hubspot"].admin("GET", "/webhooks")["queued"]:
            return False
        (left,) = self.rows(
            "SELECT (SELECT count(*) FROM staging.webhook_events"
            " WHERE state = 'pending') + (SELECT count(*)"
            " FROM staging.webhook_deliveries WHERE state = 'pending') AS n"
        )
        return bool(left["n"] == 0)

    def faults(self) -> list[str]:
        """What is not as promised now that all has ended; empty when all is well."""
        found = [
            f"{source}.{entity}: {compared}"
            for source, crm in self.crms.items()
            for entity in FILLED[source]
            if (compared := compare_all(self.conninfo, crm, entity))
        ]
        open_jobs = self.rows(
            "SELECT id, status FROM ops.sync_jobs"
            " WHERE status NOT IN ('success', 'partial')"
        )
        found += [f"job {job['id']} is {job['status']}" for job in open_jobs]
        if wrong := self.rows(_COUNTERS)[0]["wrong"]:
            found.append(f"the counters of {wrong} jobs do not add up")
        red = self.airflow_rows(
            "SELECT dag_id, run_id, task_id, state FROM task_instance"
            " WHERE state = ANY(%s)",
            list(_RED),
        )
        found += ["{dag_id} {run_id} {task_id} is {state}".format(**r) for r in red]
        return found


def _rows(
    conninfo: str, statement: str, values: Iterable[object]
) -> list[dict[str, Any]]:
    with psycopg.connect(conninfo, row_factory=dict_row, connect_timeout=5) as conn:
        return conn.execute(statement, list(values)).fetchall()


@contextmanager
def stack_house(
    prospects: int, sources: Callable[[Path], Path] = quiet_sources, **variables: str
) -> Iterator[StackHouse]:
    """A stack in a folder of its own; nothing of it is left afterwards.

    Args:
        prospects: How many Genius has; the other CRMs are in proportion.
        sources: Writes the source files into a folder.
        variables: More environment of every part.
    """
    # The stack's database may run as another user, and a socket's path must be short.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)  # also where a shell had it ignored
    folder = Path(tempfile.mkdtemp(prefix="crm-stack-"))
    folder.chmod(0o755)
    (folder / "sources").mkdir()
    directory = sources(folder / "sources")
    os.environ["CRM_WAREHOUSE_SOURCES"] = str(directory)
    known = load_sources(directory)
    settings = _with_variables(
        with_sandbox(StackSettings(var=folder / "var"), known.values(), prospects),
        variables,
    )
    stack = Stack(settings)
    try:
        stack.up()
        password = stack.secrets().admin_password
        with DemoApi(stack.ui_url(), ADMIN, password) as api, _crms(stack) as crms:
            server = stack.postgres()
            house = StackHouse(
                stack,
                {name: known[name] for name in crms},
                crms,
                api,
                server.conninfo("warehouse", "crm_warehouse"),
                server.conninfo("airflow", "airflow"),
            )
            api.wait_for_dags([e.dag_id for e in house.entities], _DAG_SECONDS)
            yield house
    finally:
        stack.down()
        shutil.rmtree(folder)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(130)  # past `finally`, which ends the stack


def _with_variables(
    settings: StackSettings, variables: Mapping[str, str]
) -> StackSettings:
    connections = settings.more_environment

    def environment(ports: Ports) -> dict[str, str]:
        return {**connections(ports), **variables}

    return replace(settings, more_environment=environment)


@contextmanager
def _crms(stack: Stack) -> Iterator[dict[str, Crm]]:
    url = sandbox_url(stack.state().ports)
    with requests.Session() as http:
        # Proxies of the environment must not come between us and loopback.
        http.trust_env = False
        crms = {name: Crm(Settings(), name, http, url) for name in FILLED}
        for crm in crms.values():
            enforce_quotas(crm, enabled=False)
        yield crms


def enforce_quotas(crm: Crm, *, enabled: bool) -> None:
    """Let a CRM enforce its quotas, or none."""
    quotas = [name for name in crm.admin("GET", "/settings") if name.endswith("quota")]
    crm.configure(**{name: {"enabled": enabled} for name in quotas})
