"""PostgreSQL servers and warehouses that a proof has for itself."""

import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm_warehouse.engine.migrations import migrate
from include.local_stack.ports import HOST
from include.local_stack.postgres import Postgres


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """An embedded server with fsync on; gone with all it holds when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="crm-proof-"))
    folder.chmod(0o755)
    passwords = {name: secrets.token_hex(16) for name in ("postgres", "crm_warehouse")}
    with socket.socket() as door:
        # Held, so that after a crash the server finds its port as it left it; it
        # listens there all the same, as both allow it.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, 0))
        server = Postgres(folder / "postgres", passwords, port=door.getsockname()[1])
        try:
            server.start()
            server.create_role("crm_warehouse", passwords["crm_warehouse"])
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)


@contextmanager
def fresh_warehouse(server: Postgres) -> Iterator[str]:
    """Connection string of a warehouse of its own; dropped when the block ends."""
    name = f"proof_{secrets.token_hex(4)}"
    server.create_database(name, "crm_warehouse")
    conninfo = server.conninfo(name, "crm_warehouse")
    migrate(conninfo)
    yield conninfo
    server.drop_database(name)
