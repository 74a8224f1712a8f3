"""Law 5: children and parents find each other, whichever comes first or at once."""

import itertools
import threading
from typing import Any

import pytest
from deadline import until
from engine_load import Begin, Connection, at, connect, rows

from crm_warehouse.engine.queries import query

VISIT = {
    "id": 1,
    "prospect_id": 7,
    "user_id": 70,
    "scheduled_date": "2026-05-01T09:00:00Z",
    "status": "Set",
}
RECORDS: dict[str, dict[str, Any]] = {
    "appointments": VISIT,
    "prospects": {"id": 7, "first_name": "Ann", "last_name": "Lee"},
    "users": {"id": 70, "name": "Bo"},
}
LINKED = (
    "SELECT a.contact_id = c.id, a.user_id = u.id FROM warehouse.appointments AS a"
    " LEFT JOIN warehouse.contacts AS c ON c.source_id = '7'"
    " LEFT JOIN warehouse.users AS u ON u.source_id = '70'"
)


@pytest.mark.parametrize("order", list(itertools.permutations(RECORDS))[::2])
def test_every_order_of_arrival_ends_linked(
    begin: Begin, conn: Connection, order: tuple[str, ...]
) -> None:
    for entity in order:
        load = begin(entity)
        load.write(RECORDS[entity])
        assert load.finish().status == "success"

    assert rows(conn, LINKED) == [(True, True)]


def test_a_child_without_its_parent_is_kept_and_is_no_error(
    begin: Begin, conn: Connection
) -> None:
    load = begin("appointments")
    load.write(VISIT)
    job = load.finish()

    assert (job.status, job.records_created, job.warnings) == ("success", 1, 0)
    assert rows(
        conn, "SELECT contact_id, contact_source_id FROM warehouse.appointments"
    ) == [(None, "7")]


def test_a_known_parent_is_linked_by_the_chunk_itself(
    begin: Begin, conn: Connection
) -> None:
    for entity in ("prospects", "users"):
        begin(entity).write(RECORDS[entity])
    begin("appointments").write(VISIT)

    assert rows(conn, LINKED) == [(True, True)]


def test_a_parent_of_another_source_system_is_not_the_parent(
    begin: Begin, conn: Connection
) -> None:
    begin("prospects").write(RECORDS["prospects"])
    conn.execute("UPDATE warehouse.contacts SET source_system = 'elsewhere'")
    load = begin("appointments")
    load.write(VISIT)
    load.finish()

    assert rows(conn, "SELECT contact_id FROM warehouse.appointments") == [(None,)]


def test_a_child_that_changes_its_parent_is_linked_anew(
    begin: Begin, conn: Connection
) -> None:
    begin("prospects").write(RECORDS["prospects"], {"id": 8})
    begin("appointments").write(VISIT)
    begin("appointments").write({**VISIT, "prospect_id": 8}, observed=at(1))
    parent = (
        "SELECT c.source_id FROM warehouse.appointments AS a"
        " JOIN warehouse.contacts AS c ON c.id = a.contact_id"
    )
    assert rows(conn, parent) == [("8",)]

    begin("appointments").write({**VISIT, "prospect_id": 9}, observed=at(2))
    assert rows(conn, "SELECT contact_id FROM warehouse.appointments") == [(None,)]


def test_two_jobs_at_once_never_miss_a_link(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    """The parents' job has merged its chunk when the children's begins; neither sees
    the other's rows. The children's ends before the parents' chunk commits."""
    slow, quick = "prospects", "appointments"
    with (
        connect(warehouse) as session,
        connect(warehouse) as holder,
    ):
        load = begin(slow, on=session)
        writer = threading.Thread(target=load.write, args=[RECORDS[slow]])
        with holder.transaction():
            holder.execute(
                "SELECT FROM ops.sync_jobs WHERE id = %s FOR UPDATE", [load.job.id]
            )
            writer.start()
            until(lambda: is_waiting(conn, session.info.backend_pid))
            other = begin(quick)
            other.write(RECORDS[quick])
            other.finish()
        writer.join(20)
        contact_id = "SELECT contact_id FROM warehouse.appointments"
        assert rows(conn, contact_id) == [(None,)]
        load.finish()

    assert rows(conn, LINKED)[0][0] is True


def is_waiting(conn: Connection, pid: int) -> bool:
    """Whether the session waits for a lock."""
    return bool(
        rows(conn, "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", pid)
    )


def test_links_wait_for_a_chunk_of_the_children(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    """Taking turns, the two can lock the same rows in any order."""
    parent = begin("prospects")
    parent.write(RECORDS["prospects"])
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with connect(warehouse) as other, connect(warehouse) as observer:
        with other.transaction():
            other.execute(query("share_links"), {"table": "appointments"})
            finishing = threading.Thread(target=parent.finish)
            finishing.start()
            until(lambda: bool(rows(observer, waiting)))
        finishing.join(20)

    assert rows(conn, "SELECT status FROM ops.sync_jobs") == [("success",)]
