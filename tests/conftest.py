"""Real parts for every test: a PostgreSQL server, warehouses in it, sandbox CRMs."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crm_warehouse.clients import hubspot_ways
from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from tests.proof import mariadb as maria
from tests.proof.source_databases import (
    OpenDatabase,
    SourceDatabase,
    mariadb_database,
    postgres_database,
    sqlite_database,
)

# Or a failure of a drafted test would not say what it compared.
pytest.register_assert_rewrite("tests.proof.described_source")

_TEMPLATE = "warehouse_template"
#: Files in memory, where the machine has them, and room for a server's and more.
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


def _fastest() -> Path | None:
    """Where a database is made in a tenth of the time; None: the usual place."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        return None
    return _MEMORY


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of this test session; roles ``postgres`` and ``crm_warehouse``.

    ``CRM_TEST_POSTGRES_BIN`` names the programs of another PostgreSQL.
    """
    # Not pytest's folder: another user runs the server when root runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="crm-test-", dir=_fastest()))
    folder.chmod(0o755)
    binaries = os.environ.get("CRM_TEST_POSTGRES_BIN")
    passwords = {name: secrets.token_hex(16) for name in ("postgres", "crm_warehouse")}
    server = Postgres(
        folder / "postgres",
        passwords,
        preferred_port=25433,
        binaries=Path(binaries) if binaries else None,
        # No test cuts the power, and disks are slow.
        settings={"fsync": "off", "shared_buffers": "128MB"},
    )
    try:
        server.start()
        server.create_role("crm_warehouse", passwords["crm_warehouse"])
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def warehouse_template(postgres: Postgres) -> str:
    """Name of a migrated database to clone."""
    from crm_warehouse.engine.migrations import migrate

    postgres.create_database(_TEMPLATE, "crm_warehouse")
    migrate(postgres.conninfo(_TEMPLATE, "crm_warehouse"))
    return _TEMPLATE


@pytest.fixture
def warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    """Connection string of a migrated, empty warehouse of this test alone."""
    name = f"warehouse_{secrets.token_hex(6)}"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Callable[..., SandboxServer]]:
    """Start sandbox CRMs: the arguments are those of ``SandboxServer``."""
    with ExitStack() as servers:

        def start(*arguments: object, **options: object) -> SandboxServer:
            server = SandboxServer(*arguments, **options)  # type: ignore[arg-type]
            return servers.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def mariadb() -> Iterator[maria.MariaDb]:
    """A MariaDB server of this test session; tests are left out where there is none."""
    if not maria.is_installed():
        pytest.skip(maria.LEFT_OUT)
    # A short path: that of its socket is bounded.
    folder = Path(tempfile.mkdtemp(prefix="crm-maria-"))
    server = maria.MariaDb(folder / "server")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def open_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[OpenDatabase]:
    """Open a database of a source: ``sqlite``, ``postgres`` or ``mariadb``."""
    with ExitStack() as opened:

        def open_one(kind: str) -> SourceDatabase:
            if kind == "sqlite":
                return opened.enter_context(sqlite_database(tmp_path))
            server = request.getfixturevalue(kind)
            make = postgres_database if kind == "postgres" else mariadb_database
            return opened.enter_context(make(server))

        yield open_one


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def source_database(
    request: pytest.FixtureRequest, open_database: OpenDatabase
) -> SourceDatabase:
    """A database of each kind, one after the other."""
    return open_database(request.param)


@pytest.fixture
def always_in_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole portals are read in lanes, although the sandbox answers at once."""
    monkeypatch.setattr(hubspot_ways, "OWN_PACE", float("inf"))
