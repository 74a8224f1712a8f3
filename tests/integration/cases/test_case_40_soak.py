"""Case 40: hundreds of loads in one process leave it, and the warehouse, as they were.

The clock is not waited for: what months would do in syncs is done in a row.
"""

import contextlib
import gc
import os
import tempfile
import threading
from pathlib import Path

import pytest

from tests.proof.house import House
from tests.proof.hubspot_sender import deliver
from tests.proof.receiver_process import HUBSPOT, started

#: Minutes together with its kind: part of the slow proofs.
pytestmark = pytest.mark.proof

_WARM_UP, _SYNCS, _ROUNDS = 10, 50, 4
#: What memory may grow by from the first round to the last, in bytes: arenas of the
#: allocator, not a leak, which grows with every one of the syncs.
_SPARE_BYTES = 8_000_000
#: What a single leaked object, file or connection of each sync would exceed by far.
_SPARE_HANDLES = 3
HANDLES = ("files and connections", "threads", "temporary files")


def _held() -> dict[str, int]:
    """What this process holds on to."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "files and connections": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "temporary files": len(list(Path(tempfile.gettempdir()).glob("tmp*"))),
    }


def _dead_tuples(house: House) -> int:
    """Dead rows of all tables, as the server has counted them."""
    return int(
        house.value(
            "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables"
            " WHERE schemaname IN ('ops', 'raw', 'warehouse', 'staging')"
        )
    )


def _sessions(house: House) -> int:
    return int(
        house.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )


def test_hundreds_of_syncs_hold_on_to_nothing(house: House) -> None:
    for number in range(_WARM_UP):
        house.sync("divisions", "full" if number % 2 else "incremental")
    seen, sizes = [], []
    for _ in range(_ROUNDS):
        for number in range(_SYNCS):
            house.sync("divisions", "full" if number % 3 == 0 else "incremental")
        seen.append(_held())
        sizes.append(house.value("SELECT count(*) FROM ops.sync_job_ids"))

    first, last = seen[0], seen[-1]
    assert last["rss"] - first["rss"] < _SPARE_BYTES, seen
    for name in HANDLES:
        assert last[name] - first[name] <= _SPARE_HANDLES, (name, seen)
    assert sizes == [0] * _ROUNDS
    assert _sessions(house) == 0


def test_loads_that_find_nothing_new_leave_few_dead_rows(house: House) -> None:
    """Of the data itself none; of the books what a few rows cost per job."""
    house.sync("prospects", "full")
    tables = ("raw.genius_prospects", "warehouse.contacts")
    marks = [house.rows(f"SELECT ctid, xmin FROM {t} ORDER BY 1") for t in tables]

    for _ in range(10):
        house.sync("prospects", "full")

    assert marks == [
        house.rows(f"SELECT ctid, xmin FROM {t} ORDER BY 1") for t in tables
    ]
    jobs = house.value("SELECT count(*) FROM ops.sync_jobs")
    assert jobs == 11
    # A job's row is written at its claim, its window, each chunk and its end.
    assert _dead_tuples(house) < jobs * 25


@pytest.mark.parametrize("kind", ["status", "truncate"])
def test_failing_loads_hold_on_to_nothing_either(house: House, kind: str) -> None:
    house.sandbox.fault(kind, path="/divisions")
    held = []
    for _ in range(3):
        for _ in range(6):
            with pytest.raises(Exception, match="gave up"):
                house.sync("divisions", restart=True)
            house.rows("DELETE FROM ops.circuit_breakers")
        held.append(_held())

    for name in HANDLES:
        assert held[-1][name] - held[0][name] <= _SPARE_HANDLES, (name, held)
    assert _sessions(house) == 0


def test_hundreds_of_deliveries_hold_on_to_nothing(
    warehouse: str, tmp_path: Path
) -> None:
    """Master and workers of the receiver, with all that they have open."""
    with started(warehouse, HUBSPOT, tmp_path / "receiver.log") as receiver:
        seen = []
        for round_ in range(3):
            for number in range(150):
                event = b'[{"eventId": %d}]' % (round_ * 1000 + number)
                assert deliver(receiver.port, event).status // 100 == 2
            seen.append(_held_by_group(receiver.process.pid))

    (_, rss, files), (_, last_rss, last_files) = seen[1:]
    assert last_rss - rss < _SPARE_BYTES, seen
    assert last_files - files <= _SPARE_HANDLES, seen


def _held_by_group(group: int) -> tuple[int, int, int]:
    """Processes of a group, their memory in bytes, and their open files."""
    members = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if os.getpgid(int(process.name)) == group:
                members.append(process)
    pages = sum(int((m / "statm").read_text().split()[1]) for m in members)
    files = sum(len(list((m / "fd").iterdir())) for m in members)
    return len(members), pages * os.sysconf("SC_PAGE_SIZE"), files
