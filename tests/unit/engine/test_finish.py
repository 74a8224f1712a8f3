"""A job's last transaction: it ends well only when every record is accounted for."""

import dataclasses
from typing import Any

import pytest
from engine_load import Begin, Connection, at, rows

from crm_warehouse.engine.absences import Absences
from crm_warehouse.engine.finish import check_counters, finish
from crm_warehouse.engine.jobs import Job
from crm_warehouse.errors import CrmWarehouseError

RECORDS = [{"id": n, "first_name": "A", "last_name": "B"} for n in range(4)]

COUNTERS = (
    "received",
    "repeated",
    "processed",
    "created",
    "updated",
    "unchanged",
    "deleted",
    "failed",
)


@pytest.fixture
def done(begin: Begin) -> Job:
    """A job with every outcome: created, unchanged, deleted, failed and repeated."""
    begin("prospects").write(*RECORDS, {"id": 9})
    load = begin("prospects")
    load.write(*RECORDS[1:], {"city": "no id"}, {"id": 4}, {"id": 5}, RECORDS[1])
    return load.finish(gone=["0"])


def test_the_counters_of_a_good_job_add_up(done: Job) -> None:
    check_counters(done)

    assert (done.records_received, done.records_repeated) == (8, 1)
    assert done.records_processed == 7
    assert (done.records_created, done.records_unchanged) == (2, 3)
    assert (done.records_deleted, done.records_failed) == (1, 1)


def test_no_counter_may_be_off_by_one(done: Job) -> None:
    for counter in COUNTERS:
        for by in (1, -1):
            name = f"records_{counter}"
            changes: dict[str, Any] = {name: getattr(done, name) + by}
            with pytest.raises(CrmWarehouseError, match="do not add up"):
                check_counters(dataclasses.replace(done, **changes))


def test_a_negative_count_is_refused_though_the_sums_fit(done: Job) -> None:
    unchanged = done.records_unchanged
    wrong = dataclasses.replace(
        done,
        records_unchanged=-1,
        records_created=done.records_created + unchanged + 1,
    )
    with pytest.raises(CrmWarehouseError, match="do not add up"):
        check_counters(wrong)


def test_a_job_that_does_not_add_up_changes_nothing(
    begin: Begin, conn: Connection
) -> None:
    begin("prospects").write(*RECORDS)
    load = begin("prospects")
    load.write(*RECORDS[1:])
    conn.execute(
        "UPDATE ops.sync_jobs SET records_created = 1, window_end = now()"
        " WHERE id = %s",
        [load.job.id],
    )
    state = (
        "SELECT j.status, j.completed_at, r.is_deleted, w.is_deleted,"
        " (SELECT count(*) FROM ops.watermarks), (SELECT count(*) FROM ops.audit_log),"
        " (SELECT count(*) FROM ops.sync_job_ids)"
        f" FROM ops.sync_jobs AS j, raw.genius_prospects AS r, warehouse.contacts AS w"
        f" WHERE j.id = {load.job.id} AND r.source_id = '0' AND w.source_id = '0'"
    )
    before = rows(conn, state)
    with pytest.raises(CrmWarehouseError, match="do not add up"):
        load.finish(gone=["0"])

    assert rows(conn, state) == before
    assert before[0][0] == "running"


def test_the_end_forgets_ids_counts_the_day_and_moves_the_watermark(
    begin: Begin, conn: Connection
) -> None:
    load = begin("prospects")
    conn.execute("UPDATE ops.sync_jobs SET window_end = %s", [at(0)])
    load.write(*RECORDS)
    load.finish()

    assert rows(conn, "SELECT count(*) FROM ops.sync_job_ids") == [(0,)]
    assert rows(
        conn,
        "SELECT total_syncs, successful_syncs, failed_syncs, total_records"
        " FROM ops.sync_metrics",
    ) == [(1, 1, 0, 4)]
    assert rows(conn, "SELECT watermark FROM ops.watermarks") == [(at(0),)]
    assert rows(conn, "SELECT checkpoint FROM ops.sync_jobs") == [(None,)]


#: Window of a second job after a first one that read everything up to at(0), and
#: where the watermark stands then.
WINDOWS = [
    (at(-1), at(10), at(10)),
    (at(0), at(10), at(10)),
    (None, at(10), at(10)),
    (at(1), at(10), at(0)),
    (at(-9), at(-5), at(0)),
    (None, at(-5), at(0)),
    (at(-1), None, at(0)),
]


def test_the_watermark_moves_forward_only_and_over_no_gap(
    begin: Begin, conn: Connection
) -> None:
    for start, end, watermark in WINDOWS:
        conn.execute("DELETE FROM ops.watermarks")
        for window in ((None, at(0)), (start, end)):
            load = begin("prospects")
            conn.execute(
                "UPDATE ops.sync_jobs SET window_start = %s, window_end = %s"
                " WHERE id = %s",
                [*window, load.job.id],
            )
            load.finish()
        stored = rows(conn, "SELECT watermark FROM ops.watermarks")
        assert stored == [(watermark,)], (start, end)


def test_a_doubtful_absence_is_remembered_and_forgotten(
    begin: Begin, conn: Connection
) -> None:
    begin("prospects").write(*RECORDS)
    absent = "SELECT source_id FROM raw.genius_prospects WHERE absent_since IS NOT NULL"
    for doubtful in (["1", "2"], ["2"], []):
        load = begin("prospects")
        finish(conn, load.job, load.entity, Absences([], doubtful), 0)
        assert sorted(rows(conn, absent)) == [(n,) for n in doubtful]


def test_only_a_full_load_deletes(begin: Begin, conn: Connection) -> None:
    begin("prospects").write(*RECORDS)
    job = begin("prospects", mode="incremental").finish(gone=["0"])

    assert job.records_deleted == 0
    assert rows(conn, "SELECT bool_or(is_deleted) FROM warehouse.contacts") == [
        (False,)
    ]
