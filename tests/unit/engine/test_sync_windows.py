"""What windows announced and brought, as ``ops.sync_windows`` tells of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.engine import reading
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.retention import delete_old
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.errors import IncompleteReadError, TransientSourceError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity

GENIUS = load_source(default_directory() / "genius.yaml")
WINDOWS = (
    "SELECT reading, way, announced, received, collected, requests, state,"
    " ended_at IS NOT NULL FROM ops.sync_windows ORDER BY job_id, reading"
)


@dataclass
class PagedCrm(ScriptedCrm):
    """Pages as (ids, announced); an exception among them breaks the list there."""

    readings: list[list[tuple[list[int], int | None] | Exception]] = field(
        default_factory=list
    )
    way: Any = "list"
    checkpoints: list[Any] = field(default_factory=list)

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        self.checkpoints.append(checkpoint)
        for number, page in enumerate(self.readings.pop(0), start=1):
            if isinstance(page, Exception):
                raise page
            ids, announced = page
            now = self.gate.now()
            records = [{"id": n, "first_name": f"Person {n}"} if n else {} for n in ids]
            place = {"page": number}
            yield Page(records, now, now, place, announced, 2, way=self.way)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page fills a chunk."""
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 1)


def sync(warehouse: str, crm: PagedCrm) -> SyncResult:
    request = SyncRequest(GENIUS, GENIUS.entities["prospects"], "genius", "full")
    return run_sync(request, conninfo=warehouse, open_client=crm.open_client)


def test_a_window_that_brought_all_is_complete(
    warehouse: str, conn: Connection
) -> None:
    crm = PagedCrm(readings=[[([1, 2], None), ([3], None), ([], 3)]], way="search")

    job = sync(warehouse, crm)

    assert rows(conn, WINDOWS) == [(1, "search", 3, 3, 3, 6, "complete", True)]
    assert rows(
        conn,
        "SELECT w.job_id = %s, w.window_start IS NULL, w.window_end = j.window_end"
        " FROM ops.sync_windows AS w, ops.sync_jobs AS j WHERE j.id = w.job_id",
        job.job_id,
    ) == [(True, True, True)]


def test_a_list_without_a_count_says_so(warehouse: str, conn: Connection) -> None:
    sync(warehouse, PagedCrm(readings=[[([1, 2], None)]]))

    assert rows(conn, WINDOWS) == [(1, "list", None, 2, 2, 2, "uncounted", True)]


def test_a_window_that_came_short_is_read_again(
    warehouse: str, conn: Connection
) -> None:
    short: Any = [([1, 2], 3), ([2], 3)]

    job = sync(warehouse, PagedCrm(readings=[short, [([1, 2, 3], 3)]]))

    assert (job.status, job.records_received, job.records_repeated) == ("success", 6, 3)
    assert rows(conn, WINDOWS) == [
        (1, "list", 3, 3, 2, 4, "short", True),
        (2, "list", 3, 3, 3, 2, "complete", True),
    ]


def test_a_window_that_stays_short_is_red_and_is_read_anew_by_the_next_run(
    warehouse: str, conn: Connection
) -> None:
    short: Any = [([1, 2], 4)]
    crm = PagedCrm(readings=[short, short, [([1, 2], 4), ([3, 4], 4)]])

    with pytest.raises(IncompleteReadError, match="announces 4 records, and 2"):
        sync(warehouse, crm)

    assert rows(conn, WINDOWS) == [
        (1, "list", 4, 2, 2, 2, "short", True),
        (2, "list", 4, 2, 2, 2, "short", True),
    ]
    assert rows(conn, "SELECT count(*) FROM ops.watermarks") == [(0,)]
    assert sync(warehouse, crm).status == "success"
    assert crm.checkpoints == [None] * 3
    assert rows(conn, WINDOWS)[2:] == [(3, "list", 4, 4, 4, 4, "complete", True)]
    assert rows(conn, "SELECT status FROM ops.sync_jobs") == [("success",)]


def test_records_that_are_listed_twice_are_told_from_missing_ones(
    warehouse: str, conn: Connection
) -> None:
    twice: Any = [([1, 2, 2], 3)]

    assert sync(warehouse, PagedCrm(readings=[twice, twice])).status == "success"

    assert [row[-2] for row in rows(conn, WINDOWS)] == ["short", "repeated"]


@pytest.mark.usefixtures("small_chunks")
def test_a_resumed_job_goes_on_with_its_reading(
    warehouse: str, conn: Connection
) -> None:
    crm = PagedCrm(
        readings=[
            [([1, 2], 5), ([3], 5), TransientSourceError("down")],
            [([3], 5), ([4, 5], 5)],
        ]
    )

    with pytest.raises(TransientSourceError):
        sync(warehouse, crm)

    assert rows(conn, WINDOWS) == [(1, "list", 5, 3, 3, 4, "reading", False)]
    assert sync(warehouse, crm).status == "success"
    assert crm.checkpoints == [None, {"page": 2}]
    assert rows(conn, WINDOWS) == [(1, "list", 5, 6, 5, 8, "complete", True)]


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_that_is_rolled_back_tells_nothing(
    warehouse: str, conn: Connection
) -> None:
    crm = PagedCrm(readings=[[([1, 2], 5), ([3], 5)]])
    conn.execute(
        "CREATE FUNCTION ops.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'no second chunk'; END $$"
    )
    conn.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON ops.sync_jobs FOR EACH ROW"
        " WHEN (NEW.chunks = 2) EXECUTE FUNCTION ops.refuse()"
    )

    with pytest.raises(Exception, match="no second chunk"):
        sync(warehouse, crm)

    assert rows(conn, WINDOWS) == [(1, "list", 5, 2, 2, 2, "reading", False)]
    assert rows(conn, "SELECT records_received FROM ops.sync_jobs") == [(2,)]


def test_a_record_without_an_id_counts_each_time_it_comes(
    warehouse: str, conn: Connection
) -> None:
    sync(warehouse, PagedCrm(readings=[[([1, 0, 0], 3)]]))

    assert rows(conn, WINDOWS) == [(1, "list", 3, 3, 3, 2, "complete", True)]


def test_old_readings_go_but_those_of_jobs_that_may_go_on(
    warehouse: str, conn: Connection
) -> None:
    for _ in range(2):
        sync(warehouse, PagedCrm(readings=[[([1], 1)]]))
    with pytest.raises(TransientSourceError):
        sync(warehouse, PagedCrm(readings=[[([1], 2), TransientSourceError("down")]]))
    conn.execute(
        "UPDATE ops.sync_windows SET started_at = now() - interval '366 days'"
        " WHERE job_id <> 2"
    )
    conn.execute("UPDATE ops.sync_jobs SET status = 'waiting' WHERE id = 3")

    assert delete_old(conn)["sync_windows"] == 1

    assert rows(conn, "SELECT job_id FROM ops.sync_windows ORDER BY 1") == [(2,), (3,)]
    assert delete_old(conn)["sync_windows"] == 0
