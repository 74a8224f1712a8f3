"""SIGKILL within loads by a database and by OData; ``test_cli_csv`` has files."""

import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from crm_warehouse.clients.interface import Window
from crm_warehouse.clients.registry import build_client
from include.local_stack.postgres import Postgres
from include.sandbox.genius.database import GeniusDatabase
from include.sandbox.marketsharp.odata import COMPANY, SECRET
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.integration.odata_house import ODataCrm
from tests.proof import account
from tests.proof.boundaries import reached
from tests.proof.command import CommandLine, generous_sources
from tests.proof.commit_proxy import CommitProxy, Side
from tests.proof.house import GENIUS
from tests.proof.mariadb import MariaDb
from tests.proof.oracle import compare
from tests.proof.small_chunks import CHUNK_RECORDS, PAGE_RECORDS
from tests.proof.source_databases import SourceDatabase, mariadb_database
from tests.unit.clients.recording_gate import RecordingGate

RECORDS = 430
CHANGED, CREATED = 290, 40
#: Rows that a run asks of a database besides records: its clock, columns, a count.
OTHER_ROWS = 20
#: What the commit of a chunk holds.
OF_CHUNK = "SET checkpoint"
#: About as many seconds as a load takes to its second chunk.
LASTS = 0.2


class Way(ABC):
    """A way in, with a source that answers it.

    Attributes:
        crm: Holds the truth.
        entity: What is loaded.
        words: Say the way in to the command line.
        connection: Id and content of its connection.
    """

    crm: Any
    entity: str
    words: tuple[str, ...]
    connection: tuple[str, dict[str, Any]]

    @property
    def application(self) -> str:
        """Name of the job's session."""
        return f"crm_warehouse {self.crm.system} {self.entity}"

    def change(self) -> None:
        """Let the source change."""
        ids = {*self.crm.move(self.entity, "change", CHANGED)}
        ids |= {*self.crm.move(self.entity, "create", CREATED)}
        assert len(ids) == CHANGED + CREATED

    @abstractmethod
    def asked(self) -> int:
        """What was asked of the source so far, in its own measure."""

    @abstractmethod
    def cost(self, records: int) -> tuple[int, int]:
        """Least and most in that measure that reading so many records takes."""


class DatabaseWay(Way):
    """Genius' prospects by its database; measured by the rows that its server sends."""

    entity = "prospects"
    words = ("--via", "database")

    def __init__(
        self, sandbox: SandboxServer, server: MariaDb, database: SourceDatabase
    ) -> None:
        self.crm = sandbox.crm("genius")
        self._server = server
        self._genius = GeniusDatabase(database.engine)
        self._genius.create()
        self._fill()
        names = ("host", "port", "login", "password", "schema")
        told = {name: getattr(database.connection, name) for name in names}
        told["conn_type"] = "mysql"
        self.connection = ("genius_database", told)

    def _fill(self) -> None:
        client = build_client(
            GENIUS,
            base_url=self.crm.base_url,
            token=self.crm.token,
            gate=RecordingGate(),
        )
        pages = client.iter_pages(
            GENIUS.entities[self.entity],
            Window(None, None),
            checkpoint=None,
            page_size=100,
        )
        for page in pages:
            self._genius.write(self.entity, page.records)
        client.close()

    def change(self) -> None:
        super().change()
        self._fill()

    def asked(self) -> int:
        with self._server.connect("root") as conn, conn.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Rows_sent'")
            return int(cursor.fetchone()[1])

    def cost(self, records: int) -> tuple[int, int]:
        return records, records + OTHER_ROWS


class ODataWay(Way):
    """MarketSharp's contacts by its OData service; measured in requests."""

    entity = "contacts"
    words = ()

    def __init__(self, sandbox: SandboxServer) -> None:
        self.crm = ODataCrm(sandbox.crm("marketsharp"))
        told = {
            "conn_type": "http",
            "host": self.crm.base_url,
            "login": COMPANY,
            "password": sandbox.crm("marketsharp").token,
            "extra": {"profile": "odata", "secret": SECRET},
        }
        self.connection = ("marketsharp_default", told)

    def asked(self) -> int:
        requests: int = self.crm.stats()["requests"]
        return requests

    def cost(self, records: int) -> tuple[int, int]:
        pages = math.ceil(records / PAGE_RECORDS)
        return pages, pages


@pytest.fixture(scope="module")
def crms() -> Iterator[SandboxServer]:
    settings = Settings(prospects=RECORDS, sizes={"marketsharp": RECORDS}, quota=False)
    with SandboxServer(settings) as server:
        yield server


@pytest.fixture(params=["database", "odata"])
def way(request: pytest.FixtureRequest, crms: SandboxServer) -> Iterator[Way]:
    crms.reset()
    if request.param == "odata":
        yield ODataWay(crms)
        return
    server = request.getfixturevalue("mariadb")
    with mariadb_database(server) as database:
        yield DatabaseWay(crms, server, database)


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[CommitProxy]:
    with CommitProxy(lambda: postgres.port) as proxy:
        yield proxy


class Killer:
    """Kills one load at its commits, and lets it end.

    Args:
        way: Its way in.
        mode: Its mode.
        line: Reaches the warehouse through the proxy.
        proxy: The proxy.
    """

    def __init__(
        self, way: Way, mode: str, line: CommandLine, proxy: CommitProxy
    ) -> None:
        self._way, self._line, self._proxy = way, line, proxy
        self._words = (
            *("sync", "--source", way.crm.system, "--entity", way.entity),
            *("--mode", mode, "--batch-size", str(PAGE_RECORDS), *way.words),
        )

    def kill(self, chunk: int, side: Side) -> None:
        """SIGKILL at the commit of a chunk, counted from where this run begins."""
        self._proxy.watch(self._way.application, chunk, side, only=OF_CHUNK)
        with self._line.start(*self._words) as process:
            assert reached(self._proxy, process), process.communicate()
            process.kill()
            assert process.wait() == -9
        self._proxy.release()

    def kill_somewhere(self, before: int, seconds: float) -> None:
        """SIGKILL so long after its beginning, and before that chunk's commit."""
        self._proxy.watch(self._way.application, before, only=OF_CHUNK)
        with self._line.start(*self._words) as process:
            assert self._proxy.began.wait(30), "it does not begin"
            time.sleep(seconds)  # the random moment itself
            process.kill()
            assert process.wait() == -9
        self._proxy.release()

    def end(self) -> dict[str, Any]:
        """The load to its end; what it answers."""
        self._proxy.watch(self._way.application)
        ended = self._line.run(*self._words)
        assert ended.status == 0, ended.errors
        return ended.result


@pytest.fixture
def make_killer(
    warehouse: str,
    crms: SandboxServer,
    proxy: CommitProxy,
    way: Way,
    tmp_path: Path,
) -> Callable[[str], Killer]:
    through = make_conninfo(warehouse, port=proxy.port)
    module, connections = "tests.proof.small_chunks", dict([way.connection])
    sources = generous_sources(tmp_path)
    line = CommandLine(through, crms, sources, module, connections)
    return lambda mode: Killer(way, mode, line, proxy)


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_killed_in_the_middle_reads_no_committed_chunk_again(
    warehouse: str, way: Way, make_killer: Callable[[str], Killer], mode: str
) -> None:
    records = RECORDS
    if mode == "incremental":
        assert make_killer("full").end()["records_created"] == RECORDS
        way.change()
        records = CHANGED + CREATED
    last, killer = account.last_job(warehouse), make_killer(mode)
    rng = random.Random(f"20261123/{way.entity}/{mode}")

    killer.kill(2, "before")
    [job] = account.read(warehouse, last).jobs
    assert (job["status"], job["records_received"]) == ("running", CHUNK_RECORDS)
    killer.kill_somewhere(2, rng.uniform(0.0, LASTS))
    killer.kill(1, "after")
    [job] = account.read(warehouse, last).jobs
    assert job["records_received"] in (2 * CHUNK_RECORDS, 3 * CHUNK_RECORDS)
    asked = way.asked()
    result = killer.end()

    least, most = way.cost(records - job["records_received"])
    assert least <= way.asked() - asked <= most
    assert not compare(warehouse, way.crm, way.entity)
    [job] = account.read(warehouse, last).jobs
    assert job["status"] == "success"
    assert account.adds_up(job)
    assert (job["records_received"], job["records_repeated"]) == (records, 0)
    changed = 0 if mode == "full" else CHANGED
    counts = (result["records_created"], result["records_updated"])
    assert counts == (records - changed, changed)
