"""Law 2: a chunk is written whole, by its owner, or not at all."""

import threading
from typing import Any

import psycopg
import pytest
from deadline import until
from engine_load import Begin, Connection, Load, at, connect, rows

from crm_warehouse.clients.tally import Tally
from crm_warehouse.engine import jobs
from crm_warehouse.errors import FencedError

TABLES = (
    "raw.genius_prospects",
    "warehouse.contacts",
    "ops.sync_errors",
    "ops.sync_job_ids",
    "ops.sync_jobs",
    "ops.watermarks",
    "ops.audit_log",
    "ops.sync_metrics",
)
RECORDS = [{"id": n, "city": "x"} for n in range(20)]


def everything(conn: Connection) -> list[Any]:
    """Every row of every table that a load may write."""
    return [rows(conn, f"SELECT t FROM {table} AS t ORDER BY t") for table in TABLES]


def test_rows_ids_counters_and_checkpoint_commit_together(
    begin: Begin, conn: Connection
) -> None:
    load = begin("prospects")
    job = load.write(*RECORDS, {"city": "no id"})

    assert (job.checkpoint, job.chunks) == ({"chunk": 0}, 1)
    assert rows(
        conn, "SELECT checkpoint, records_created, records_failed FROM ops.sync_jobs"
    ) == [({"chunk": 0}, 20, 1)]
    ((ids,),) = rows(conn, "SELECT ids FROM ops.sync_job_ids")
    assert ids[:20] == [str(n) for n in range(20)]
    assert len(ids) == 21


def take_over(conn: Connection, load: Load) -> None:
    conn.execute(
        "UPDATE ops.sync_jobs SET attempt = attempt + 1 WHERE id = %s", [load.job.id]
    )


def end(conn: Connection, load: Load) -> None:
    conn.execute(
        "UPDATE ops.sync_jobs SET status = 'failed' WHERE id = %s", [load.job.id]
    )


@pytest.mark.parametrize("lose", [take_over, end])
def test_who_lost_the_job_writes_nothing(
    begin: Begin, conn: Connection, warehouse: str, lose: Any
) -> None:
    load = begin("prospects")
    load.write(*RECORDS[:5])
    with connect(warehouse) as successor:
        lose(successor, load)
    before = everything(conn)

    with pytest.raises(FencedError, match="taken over"):
        load.write(*RECORDS, {"city": "no id"})
    assert everything(conn) == before
    with pytest.raises(FencedError):
        load.finish(gone=["1"])
    assert everything(conn) == before
    with pytest.raises(FencedError):
        jobs.stop(conn, load.job, ValueError("x"), Tally())
    with pytest.raises(FencedError):
        jobs.park(conn, load.job, at(5), "quota", Tally())
    assert everything(conn) == before


def test_a_session_cut_off_inside_a_chunk_leaves_nothing(
    begin: Begin, conn: Connection, warehouse: str
) -> None:
    """The chunk has merged its rows and waits for the job's row when it is cut off."""
    with connect(warehouse) as victim:
        load = begin("prospects", on=victim)
        load.write(*RECORDS[:5])
        before = everything(conn)
        raised: list[BaseException] = []

        def write() -> None:
            try:
                load.write(*RECORDS)
            except psycopg.OperationalError as error:
                raised.append(error)

        pid = victim.info.backend_pid
        with psycopg.connect(warehouse) as holder:
            holder.execute(
                "SELECT FROM ops.sync_jobs WHERE id = %s FOR UPDATE", [load.job.id]
            )
            writer = threading.Thread(target=write)
            writer.start()
            waits = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"
            until(lambda: rows(conn, waits, pid))
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])
            writer.join(20)

    assert len(raised) == 1
    assert everything(conn) == before


def test_an_error_inside_a_chunk_leaves_nothing(begin: Begin, conn: Connection) -> None:
    """Chunk 0 of the job exists already: its ids collide after its rows merged."""
    load = begin("prospects")
    conn.execute(
        "INSERT INTO ops.sync_job_ids (job_id, chunk, ids) VALUES (%s, 0, '{}')",
        [load.job.id],
    )
    before = everything(conn)

    with pytest.raises(psycopg.errors.UniqueViolation):
        load.write(*RECORDS)
    assert everything(conn) == before


def test_an_empty_chunk_moves_the_checkpoint_only(
    begin: Begin, conn: Connection
) -> None:
    load = begin("prospects")
    job = load.write()

    assert (job.checkpoint, job.records_received) == ({"chunk": 0}, 0)
    assert rows(conn, "SELECT count(*) FROM warehouse.contacts") == [(0,)]
    assert load.finish().status == "success"


def test_a_running_load_outlives_a_migration_that_adds_columns(
    begin: Begin, conn: Connection
) -> None:
    load = begin("prospects")
    load.write(*RECORDS[:10])

    conn.execute("ALTER TABLE ops.sync_jobs ADD later_release text DEFAULT 'new'")
    load.write(*RECORDS[10:])

    assert load.finish().status == "success"
    assert rows(conn, "SELECT count(*) FROM warehouse.contacts") == [(20,)]
