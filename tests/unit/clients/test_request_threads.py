"""One request path for several threads: each request by itself, one breaker for all."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from crm_warehouse.clients.interface import SourceClient
from crm_warehouse.clients.registry import build_client
from crm_warehouse.clients.requests_transport import RequestsTransport
from crm_warehouse.spec import Entity, Source
from tests.unit.clients.conftest import TOKEN
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import (
    Reply,
    Request,
    ScriptedServer,
    as_json,
)

THREADS = 6


class RunningGate(RecordingGate):
    """With the time that it is."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def running_gate() -> RunningGate:
    return RunningGate()


@pytest.fixture
def shared(
    server: ScriptedServer, running_gate: RunningGate, source: Source
) -> Iterator[SourceClient]:
    built = build_client(
        source, base_url=server.base_url, token=TOKEN, gate=running_gate
    )
    yield built
    built.close()


def fetch_all(client: SourceClient, entity: Entity) -> list[object]:
    ids = [str(number) for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda each: client.fetch(entity, each), ids))


def test_what_fails_in_flight_together_is_one_failure(
    server: ScriptedServer,
    shared: SourceClient,
    running_gate: RunningGate,
    entity: Entity,
) -> None:
    together, seen = threading.Barrier(THREADS, timeout=30), set()

    def fail_once(request: Request) -> Reply:
        if request.path in seen:
            return as_json({"id": request.path.rpartition("/")[2]})
        seen.add(request.path)
        together.wait()
        return Reply(503)

    server.run(fail_once)

    records = fetch_all(shared, entity)

    assert records == [{"id": str(number)} for number in range(THREADS)]
    assert running_gate.heard.count("status 503") == 1
    # Each was repeated after the first pause of its own.
    assert running_gate.pauses == [1.0] * THREADS
    assert (running_gate.tally.requests, running_gate.tally.retries) == (12, 6)


def test_each_thread_has_a_session_of_its_own(server: ScriptedServer) -> None:
    transport = RequestsTransport(server.base_url, timeout_seconds=5.0)
    with ThreadPoolExecutor(1) as pool:
        others = [pool.submit(lambda: transport._session).result() for _ in range(2)]
    own = transport._session
    transport.close()

    assert others[0] is others[1] is not own is transport._session
