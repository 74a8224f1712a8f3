"""A failed job whose seen ids were deleted: its run begins a new one, counted once."""

import pytest

from crm_warehouse.engine import reading
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from crm_warehouse.errors import SourceError
from tests.proof.house import House
from tests.proof.oracle import compare

RUN = {"dag_id": "genius__prospects", "run_id": "manual__1"}
JOBS = "SELECT id, status, records_processed, window_end FROM ops.sync_jobs ORDER BY id"


@pytest.mark.parametrize("cause", ["a later job began", "they were too old"])
def test_its_run_begins_a_new_job_of_the_same_window(
    house: House, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)
    house.sandbox.fault("status", status=400, query={"page": 4}, count=1)
    with pytest.raises(SourceError):
        house.sync("prospects", "full", **RUN)
    [failed] = house.rows(JOBS)
    if cause == "a later job began":
        house.sync("prospects", "full")
    else:
        house.rows("UPDATE ops.sync_jobs SET completed_at = now() - interval '15 days'")
        maintain(MaintenanceRequest([house.source]), conninfo=house.conninfo)
    assert house.value("SELECT count(*) FROM ops.sync_job_ids") == 0

    result = house.sync("prospects", "full", **RUN)

    assert result.job_id > failed["id"]
    assert (result.status, result.records_received) == ("success", 600)
    assert (result.records_processed, result.records_repeated) == (600, 0)
    first, *_, last = house.rows(JOBS)
    assert first == failed
    assert last["window_end"] == failed["window_end"]
    assert not compare(house.conninfo, house.sandbox, "prospects")
