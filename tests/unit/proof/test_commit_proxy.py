"""Commits are numbered, and a session is held exactly before or after one."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from include.local_stack.postgres import Postgres
from tests.proof.commit_proxy import CommitProxy, Side

_PATIENCE_SECONDS = 60.0
NAME = "crm_warehouse genius prospects"


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[CommitProxy]:
    with CommitProxy(lambda: postgres.port) as proxy:
        yield proxy


@pytest.fixture
def connect(warehouse: str, proxy: CommitProxy) -> Callable[..., Any]:
    """Open a session through the proxy; the table ``seen`` is there."""
    with psycopg.connect(warehouse) as conn:
        conn.execute("CREATE TABLE seen (value int)")

    def connect(name: str = NAME) -> Any:
        through = make_conninfo(warehouse, port=proxy.port)
        return psycopg.connect(through, autocommit=True, application_name=name)

    return connect


def _work(conn: Any) -> None:
    """Three commits: a statement, a transaction, a prepared statement."""
    conn.execute("-- comment\nINSERT INTO seen VALUES (1)")
    conn.execute("SELECT count(*) FROM seen").fetchone()
    with conn.transaction():
        conn.execute("INSERT INTO seen VALUES (%s)", [2])
        with conn.transaction(), conn.cursor().copy("COPY seen FROM STDIN") as copy:
            copy.write_row([20])
    conn.execute("UPDATE seen SET value = %s WHERE value = 1", [3], prepare=True)


def _values(warehouse: str) -> list[int]:
    with psycopg.connect(warehouse) as conn:
        rows = conn.execute("SELECT value FROM seen ORDER BY 1").fetchall()
    return [value for (value,) in rows]


def test_only_what_makes_something_durable_is_counted(
    proxy: CommitProxy, connect: Callable[..., Any], warehouse: str
) -> None:
    proxy.watch(NAME)
    with connect() as conn:
        _work(conn)
        with conn.transaction(force_rollback=True):
            conn.execute("INSERT INTO seen VALUES (99)")
        conn.execute("UPDATE ops.sync_jobs SET heartbeat_at = clock_timestamp()")
    with connect("another one") as other:
        other.execute("INSERT INTO seen VALUES (4)")

    assert proxy.commits == [
        "INSERT INTO seen VALUES (1)",
        "COMMIT after COPY seen FROM STDIN",
        "UPDATE seen SET value = $1 WHERE value = 1",
    ]
    assert _values(warehouse) == [2, 3, 4, 20]


@pytest.mark.parametrize(
    ("number", "side", "durable"),
    [
        (1, "before", []),
        (1, "after", [1]),
        (2, "before", [1]),
        (2, "after", [1, 2, 20]),
        (3, "before", [1, 2, 20]),
        (3, "after", [2, 3, 20]),
    ],
)
def test_held_on_either_side_of_a_commit(
    proxy: CommitProxy,
    connect: Callable[..., Any],
    warehouse: str,
    number: int,
    side: Side,
    durable: list[int],
) -> None:
    heard: list[BaseException] = []

    def work() -> None:
        try:
            with connect() as conn:
                _work(conn)
        except psycopg.OperationalError as error:
            heard.append(error)

    proxy.watch(NAME, number, side)
    client = threading.Thread(target=work)
    client.start()

    assert proxy.struck.wait(_PATIENCE_SECONDS)
    assert _values(warehouse) == durable
    assert heard == []
    proxy.release()
    client.join(_PATIENCE_SECONDS)

    assert len(heard) == 1  # the client does not learn whether it was committed
    assert _values(warehouse) == durable
    with connect() as conn:  # the next one passes
        _work(conn)
