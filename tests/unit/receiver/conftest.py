"""Receivers for tests, and a server to be crashed."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from crm_warehouse.engine.migrations import migrate
from include.local_stack.postgres import Postgres
from tests.proof.receiver_process import HUBSPOT, Receiver, Start, started
from tests.proof.servers import postgres_server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a receiver; the arguments are those of ``started``, without the log."""
    with ExitStack() as receivers:

        def begin(
            conninfo: str, hubspot: dict[str, Any] | None = HUBSPOT, **options: Any
        ) -> Receiver:
            log = tmp_path / f"receiver-{len(list(tmp_path.iterdir()))}.log"
            return receivers.enter_context(started(conninfo, hubspot, log, **options))

        yield begin


@pytest.fixture
def receiver(start: Start, warehouse: str) -> Receiver:
    """A ready receiver on the test's own warehouse."""
    return start(warehouse)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module, to be crashed; as safe as in production."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def safe_warehouse(server: Postgres) -> Iterator[str]:
    name = f"warehouse_{secrets.token_hex(6)}"
    server.create_database(name, "crm_warehouse")
    conninfo = server.conninfo(name, "crm_warehouse")
    migrate(conninfo)
    yield conninfo
    server.start()  # where a test leaves it down
    server.drop_database(name)
