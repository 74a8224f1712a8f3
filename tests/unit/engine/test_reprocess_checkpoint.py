"""A reprocessing that was killed goes on behind its last batch, and repeats nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from engine_load import Begin, Connection, rows

from crm_warehouse.engine import reprocess as reprocessing
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.reprocess import ReprocessRequest, reprocess
from crm_warehouse.spec import Source

#: Two batches of the quarantine, then two of the raw layer, of two records at most.
CHUNKS = 4
RETRIES = "SELECT retry_count FROM ops.sync_errors WHERE NOT resolved"
JOB = (
    "SELECT chunks, attempt, checkpoint ->> 'reads' FROM ops.sync_jobs"
    " WHERE job_type = 'reprocess'"
)


class PowerCutError(BaseException):
    """Ends a job as a kill would: nothing more is written."""


def visit(source_id: int | None, **more: Any) -> dict[str, Any]:
    """A record that no mapping can make a row of."""
    return {"id": source_id, "prospect_id": "c1", "scheduled_date": "soon", **more}


@pytest.fixture
def again(
    begin: Begin, genius: Source, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], SyncResult]:
    """Reprocesses what stays bad, until so many chunks are committed in all."""
    monkeypatch.setattr(reprocessing, "CHUNK_RECORDS", 2)
    nameless = [visit(None, key=n) for n in range(3)]
    begin("appointments").write(*nameless, *(visit(n) for n in range(1, 4)))
    committed = 0

    def again(until: int) -> SyncResult:
        nonlocal committed
        calls = 0

        def count(_: SyncResult) -> None:
            nonlocal committed, calls
            calls += 1
            committed += calls > 1  # the first call: the job is claimed
            if committed == until and calls > 1:
                raise PowerCutError

        request = ReprocessRequest(genius, genius.entities["appointments"], "genius")
        return reprocess(request, conninfo=warehouse, progress=count)

    return again


@pytest.mark.parametrize(
    ("killed_after", "where"),
    [(1, "quarantine"), (2, "quarantine"), (3, "raw"), (4, "raw")],
)
def test_each_record_is_tried_once_wherever_it_was_killed(
    again: Callable[[int], SyncResult], conn: Connection, killed_after: int, where: str
) -> None:
    with pytest.raises(PowerCutError):
        again(killed_after)
    assert rows(conn, JOB) == [(killed_after, 1, where)]

    end = again(CHUNKS + 1)  # one chunk more would be one too many

    assert rows(conn, JOB) == [(CHUNKS, 2, None)]
    assert (end.records_received, end.records_repeated) == (6, 0)
    assert (end.records_processed, end.records_failed) == (6, 6)
    assert rows(conn, RETRIES) == [(1,)] * 6
