"""Retries are in the books as soon as the chunk they were made for."""

from crm_warehouse.engine.job import SyncResult
from tests.proof.house import House

FAULTS = 2


def test_a_chunk_writes_its_retries(house: House) -> None:
    """A process that is killed behind it takes them along to nowhere."""
    house.sandbox.fault("status", path="/users*", count=FAULTS)
    committed: list[tuple[int, int]] = []

    def note(so_far: SyncResult) -> None:
        [row] = house.rows("SELECT chunks, retries FROM ops.sync_jobs")
        committed.append((row["chunks"], row["retries"]))
        assert (so_far.status, so_far.retries) == ("running", row["retries"])

    result = house.sync("users", progress=note)

    assert committed == [(0, 0), (1, FAULTS)]
    assert (result.status, result.retries) == ("success", FAULTS)
