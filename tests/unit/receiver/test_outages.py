"""What was acknowledged is stored, what could not be stored is asked for again."""

import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from stored import bodies

from crm_warehouse.engine.migrations import migrate
from include.local_stack.ports import HOST
from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import EVENTS, PATH, Answer, call, deliver, signed
from tests.proof.receiver_process import Receiver, Start

#: HubSpot waits no longer for an answer.
HUBSPOT_PATIENCE_SECONDS = 5.0
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module, to be crashed; as safe as in production."""
    folder = Path(tempfile.mkdtemp(prefix="crm-test-"))
    folder.chmod(0o755)
    words = {name: secrets.token_hex(16) for name in ("postgres", "crm_warehouse")}
    with socket.socket() as door:
        # Held, so that nobody else gets the port while the server is down; it listens
        # there all the same, as both allow it.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, 0))
        server = Postgres(folder / "postgres", words, port=door.getsockname()[1])
        try:
            server.start()
            server.create_role("crm_warehouse", words["crm_warehouse"])
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)


@pytest.fixture
def safe_warehouse(server: Postgres) -> Iterator[str]:
    name = f"warehouse_{secrets.token_hex(6)}"
    server.create_database(name, "crm_warehouse")
    conninfo = server.conninfo(name, "crm_warehouse")
    migrate(conninfo)
    yield conninfo
    server.start()  # where a test leaves it down
    server.drop_database(name)


def timed_delivery(receiver: Receiver, body: bytes = EVENTS) -> Answer:
    began = time.monotonic()
    answer = deliver(receiver.port, body)
    assert time.monotonic() - began < HUBSPOT_PATIENCE_SECONDS
    return answer


def taken_again(receiver: Receiver, body: bytes = EVENTS) -> None:
    """Until a delivery is taken: each of the processes finds its database itself."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := deliver(receiver.port, body)).status != 200:
        assert answer.status == 503
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_asked_again(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "INBOX_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "10"


def test_a_killed_receiver_loses_nothing_it_acknowledged(
    start: Start, warehouse: str
) -> None:
    receiver = start(warehouse)
    headers = signed()
    answer = call(receiver.port, "POST", PATH, headers, EVENTS)
    receiver.kill()

    assert answer.status == 200
    assert bodies(warehouse) == [EVENTS]
    # The source did not hear the answer and sends again, unchanged.
    again = start(warehouse)
    assert call(again.port, "POST", PATH, headers, EVENTS).status == 200
    assert bodies(warehouse) == [EVENTS]


def test_a_crashed_database_loses_nothing_that_was_acknowledged(
    start: Start, server: Postgres, safe_warehouse: str
) -> None:
    # Whoever runs the database may prefer speed; here the receiver does not.
    with psycopg.connect(safe_warehouse, autocommit=True) as conn:
        name = conn.info.dbname
        conn.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    receiver = start(safe_warehouse, CRM_WAREHOUSE_ENV="prod")
    for number in range(2):
        body = b"[%d]" % number
        taken_again(receiver, body)
        server.crash()

        assert_asked_again(timed_delivery(receiver, b"[9]"))
        assert receiver.get("/healthz").status == 200
        answer = receiver.get("/readyz")
        assert (answer.status, answer.code) == (503, "NOT_READY")
        server.start()
    taken_again(receiver, b"[2]")
    assert bodies(safe_warehouse) == [b"[0]", b"[1]", b"[2]"]
    assert "canary" not in receiver.log


def test_a_restart_between_two_deliveries_is_not_noticed(
    start: Start, server: Postgres, safe_warehouse: str
) -> None:
    receiver = start(safe_warehouse)
    assert deliver(receiver.port, b"[1]").status == 200
    server.stop()
    server.start()
    for number in range(2, 8):
        assert deliver(receiver.port, b"[%d]" % number).status == 200
    assert bodies(safe_warehouse) == [b"[%d]" % number for number in range(1, 8)]


def test_a_database_that_is_away_at_the_start_may_come_later(
    start: Start, server: Postgres, safe_warehouse: str
) -> None:
    server.stop()
    receiver = start(safe_warehouse, ready=False)
    receiver.wait_for("/healthz")
    assert_asked_again(timed_delivery(receiver))

    server.start()
    taken_again(receiver)
    assert bodies(safe_warehouse) == [EVENTS]


def test_a_locked_table_ends_in_an_answer_and_no_row(
    start: Start, warehouse: str
) -> None:
    receiver = start(warehouse)
    with psycopg.connect(warehouse) as owner:
        owner.execute("LOCK TABLE staging.webhook_deliveries")
        assert_asked_again(timed_delivery(receiver))
    assert bodies(warehouse) == []
    assert deliver(receiver.port).status == 200


def test_a_database_that_says_nothing_is_not_waited_for(
    start: Start, postgres: Postgres, warehouse: str
) -> None:
    receiver = start(warehouse)
    with psycopg.connect(warehouse) as conn:
        found = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
            " AND datname = current_database()",
            ["webhook_receiver"],
        ).fetchall()
    pids = [pid for (pid,) in found]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        # Enough to meet the silent sessions of both workers.
        answers = {body: timed_delivery(receiver, body) for body in (b"1", b"2", b"3")}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    statuses = [answer.status for answer in answers.values()]
    assert set(statuses) == {503} or set(statuses) == {200, 503}
    acknowledged = [body for body, answer in answers.items() if answer.status == 200]
    assert bodies(warehouse) == acknowledged
    taken_again(receiver)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_database_that_could_lose_rows_is_refused(
    start: Start, server: Postgres, safe_warehouse: str, setting: str
) -> None:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        admin.execute("SELECT pg_reload_conf()")
        try:
            receiver = start(safe_warehouse, CRM_WAREHOUSE_ENV="prod", ready=False)
            assert receiver.wait_end() == 1
            assert f"runs with {setting} off" in receiver.log
            assert "Traceback" not in receiver.log
            assert start(safe_warehouse).get("/readyz").status == 200
        finally:
            admin.execute(f"ALTER SYSTEM RESET {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")


def test_a_database_without_tables_is_refused(start: Start, postgres: Postgres) -> None:
    name = "warehouse_unmigrated"
    postgres.create_database(name, "crm_warehouse")
    try:
        conninfo = postgres.conninfo(name, "crm_warehouse")
        receiver = start(conninfo, ready=False)
        assert receiver.wait_end() == 1
        assert "run `python -m crm_warehouse migrate`" in receiver.log
    finally:
        postgres.drop_database(name)


def test_a_source_that_is_not_set_up_is_asked_to_come_again(
    start: Start, warehouse: str
) -> None:
    receiver = start(warehouse, None)
    answer = deliver(receiver.port)

    assert (answer.status, answer.code) == (503, "NOT_CONFIGURED")
    assert answer.headers["Retry-After"] == "10"
    assert bodies(warehouse) == []
    # Said once, not by each worker and each request.
    assert receiver.log.count("hubspot: deliveries are answered 503") == 1
