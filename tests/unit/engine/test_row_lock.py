"""Polls and webhooks of one entity write in turns, so that the newer state wins."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deadline import until
from engine_load import Begin, Connection, at, connect, rows

from crm_warehouse.engine.share import hold_rows

OLD = {"id": 7, "first_name": "Old", "last_name": "Lee"}
NEW = {"id": 7, "first_name": "New", "last_name": "Lee"}
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
NAMES = "SELECT first_name, is_deleted FROM warehouse.contacts"


@contextmanager
def somebody_writes(warehouse: str, entity_type: str = "prospects") -> Iterator[None]:
    """Another process in the middle of a transaction that writes these records."""
    with connect(warehouse) as other, other.transaction():
        hold_rows(other, source_system="genius", entity_type=entity_type)
        yield


def waits_until_done(
    conn: Connection, warehouse: str, work: Callable[[], object]
) -> None:
    """The work cannot begin to write while somebody else does, and can then."""
    thread = threading.Thread(target=work)
    with somebody_writes(warehouse):
        thread.start()
        until(lambda: rows(conn, WAITING) == [(1,)])
        assert rows(conn, NAMES) in ([], [("Old", False)])
    thread.join(30)
    assert not thread.is_alive()


def test_a_chunk_waits_its_turn(begin: Begin, conn: Connection, warehouse: str) -> None:
    with connect(warehouse) as session:
        load = begin("prospects", on=session)

        waits_until_done(conn, warehouse, lambda: load.write(NEW))

    assert rows(conn, NAMES) == [("New", False)]


def test_the_end_of_a_job_waits_its_turn(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    first = begin("prospects")
    first.write(OLD)
    first.finish()
    with connect(warehouse) as session:
        load = begin("prospects", on=session)

        waits_until_done(conn, warehouse, lambda: load.finish(gone=["7"]))

    assert rows(conn, NAMES) == [("Old", True)]


def test_another_entity_does_not_wait(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    load = begin("prospects")

    with somebody_writes(warehouse, "appointments"):
        load.write(NEW)

    assert rows(conn, NAMES) == [("New", False)]


def test_an_older_read_that_waited_does_not_win(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    """Both looked at an empty table's row at once; only one of them may decide."""
    with connect(warehouse) as late, connect(warehouse) as early:
        older = begin("prospects", on=late, mode="incremental")
        newer = begin("prospects", on=early)
        thread = threading.Thread(target=lambda: older.write(OLD, observed=at(1)))
        with early.transaction():
            newer.write(NEW, observed=at(2))
            thread.start()
            until(lambda: rows(conn, WAITING) == [(1,)])
        thread.join(30)

    assert rows(conn, NAMES) == [("New", False)]
