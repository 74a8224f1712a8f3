"""What was acknowledged is stored, what could not be stored is asked for again."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from stored import bodies

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import EVENTS, PATH, Answer, call, deliver, signed
from tests.proof.receiver_process import Receiver, Start

#: HubSpot waits no longer for an answer.
HUBSPOT_PATIENCE_SECONDS = 5.0
PATIENCE_SECONDS = 120.0
_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'webhook_receiver' AND datname = current_database()
"""


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


WAITING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE application_name = 'webhook_receiver' AND wait_event = 'SyncRep'"
)


@pytest.fixture
def standby_away(server: Postgres) -> Iterator[psycopg.Connection]:
    """The server's owner; no commit ends, for the standby does not come."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try:
            yield admin
        finally:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")


def waits(admin: psycopg.Connection, count: int) -> list[int]:
    """Processes that wait for the standby, when there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := admin.execute(WAITING).fetchall()) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [pid for (pid,) in found]


def test_a_standby_that_is_away_leaves_no_session_behind(
    start: Start, safe_warehouse: str, standby_away: psycopg.Connection
) -> None:
    receiver = start(safe_warehouse)
    standby_away.execute("SELECT pg_reload_conf()")
    for _ in range(2):
        assert_asked_again(timed_delivery(receiver))
        waits(standby_away, 0)
    standby_away.execute("ALTER SYSTEM RESET synchronous_standby_names")
    standby_away.execute("SELECT pg_reload_conf()")
    taken_again(receiver)


def test_a_wait_for_a_standby_that_somebody_ends_is_not_stored(
    start: Start, safe_warehouse: str, standby_away: psycopg.Connection
) -> None:
    receiver = start(safe_warehouse)
    standby_away.execute("SELECT pg_reload_conf()")
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(timed_delivery, receiver)
        (pid,) = waits(standby_away, 1)
        # The server commits then, on one machine alone, and says so in a warning.
        standby_away.execute("SELECT pg_cancel_backend(%s)", [pid])
        assert_asked_again(answer.result())
    assert "OperationalError" in receiver.log


def test_what_no_standby_has_is_not_acknowledged_when_it_comes_again(
    start: Start, safe_warehouse: str, standby_away: psycopg.Connection
) -> None:
    receiver, headers = start(safe_warehouse), signed()
    standby_away.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + PATIENCE_SECONDS
    # The server hears of its setting a moment later.
    while deliver(receiver.port, b"[%d]" % time.monotonic_ns()).status == 200:
        assert time.monotonic() < deadline
    for _ in range(2):
        # It is in the table since the first time, on this machine alone.
        assert_asked_again(call(receiver.port, "POST", PATH, headers, EVENTS))
        waits(standby_away, 0)
        assert bodies(safe_warehouse)[-1] == EVENTS
    standby_away.execute("ALTER SYSTEM RESET synchronous_standby_names")
    standby_away.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while call(receiver.port, "POST", PATH, headers, EVENTS).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert bodies(safe_warehouse).count(EVENTS) == 1


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


def test_an_inbox_that_a_crash_would_empty_is_refused(
    start: Start, safe_warehouse: str
) -> None:
    with psycopg.connect(safe_warehouse) as conn:
        for table in ("webhook_events", "webhook_deliveries"):
            conn.execute(f"ALTER TABLE staging.{table} SET UNLOGGED".encode())
    receiver = start(safe_warehouse, ready=False)
    assert receiver.wait_end() == 1
    assert "staging.webhook_deliveries is unlogged" in receiver.log


def test_a_standby_is_not_ready_and_is_left_when_there_is_another(
    start: Start, safe_warehouse: str
) -> None:
    with psycopg.connect(safe_warehouse, autocommit=True) as conn:
        only_read = (
            f"ALTER DATABASE {conn.info.dbname} SET default_transaction_read_only"
        )
        conn.execute(f"{only_read} = on".encode())
    receiver = start(safe_warehouse, ready=False)
    receiver.wait_for("/healthz")
    answer = receiver.get("/readyz")
    assert (answer.status, answer.code) == (503, "NOT_READY")
    assert_asked_again(timed_delivery(receiver))

    with psycopg.connect(safe_warehouse, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")
        conn.execute(f"{only_read} = off".encode())
    taken_again(receiver)
    assert bodies(safe_warehouse) == [EVENTS]


def test_a_session_whose_error_would_last_is_left(start: Start, warehouse: str) -> None:
    receiver = start(warehouse)
    for number in range(8):
        assert deliver(receiver.port, b"[%d]" % number).status == 200
    with psycopg.connect(warehouse, autocommit=True) as conn:

        def sessions() -> set[int]:
            return {pid for (pid,) in conn.execute(_SESSIONS).fetchall()}

        old, role = sessions(), conn.info.user
        assert old
        inbox = "ON staging.webhook_deliveries"
        conn.execute(f"REVOKE INSERT {inbox} FROM {role}".encode())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while old & sessions():
            assert time.monotonic() < deadline
            assert_asked_again(timed_delivery(receiver))
        answer = receiver.get("/readyz")
        assert (answer.status, answer.code) == (503, "NOT_READY")
        conn.execute(f"GRANT INSERT {inbox} TO {role}".encode())
    taken_again(receiver)
    assert len(bodies(warehouse)) == 9


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
