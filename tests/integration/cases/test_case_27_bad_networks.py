"""Case 27: what networks do, between a load and its source, and its warehouse.

A load ends in time, well or badly; the next one makes the warehouse equal the source.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crm_warehouse.clients.registry import build_client
from crm_warehouse.engine import read_ahead, reading
from crm_warehouse.errors import TransientSourceError
from tests.proof.fault_proxy import FaultProxy, Faults
from tests.proof.house import House
from tests.proof.oracle import compare

#: Minutes together with its kind: part of the slow proofs.
pytestmark = pytest.mark.proof

#: Longest silence of the source that is borne here, in seconds.
TIMEOUT_SECONDS = 1.0
#: Four repetitions of a request that times out, on a machine that stalls.
DEADLINE_SECONDS = 60.0
BEARABLE = {
    "late": Faults(latency_seconds=0.01, jitter_seconds=0.02),
    "sliced": Faults(slice_bytes=700),
    "slow": Faults(bytes_per_second=2_000_000, slice_bytes=20_000),
}
FATAL = {
    "trickle": Faults(bytes_per_second=1_024, slice_bytes=64),
    "reset": Faults(reset=True),
    "half open": Faults(hang=True),
    "cut in the head": Faults(cut_after=40),
    "cut in the body": Faults(cut_after=9_000),
    "reset in the body": Faults(cut_after=9_000, reset=True),
    "cut in the question": Faults(cut_after=30, cut_in="up"),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)
    # Else a quick reader has the whole list before its first chunk is written.
    monkeypatch.setattr(read_ahead, "PAGES_AHEAD", 1)


class _Far(House):
    """A house whose source or warehouse is behind a proxy."""

    base_url = ""

    def open_client(self, gate: Any) -> Any:
        return build_client(
            self.source,
            base_url=self.base_url or self.sandbox.base_url,
            token=self.sandbox.token,
            gate=gate,
        )


@pytest.fixture
def to_source(house: House) -> Iterator[tuple[FaultProxy, _Far]]:
    parts = urlsplit(house.sandbox.base_url)
    source = replace(house.source, timeout_seconds=TIMEOUT_SECONDS)
    with FaultProxy(lambda: parts.port or 0) as proxy:
        far = _Far(house.conninfo, house.sandbox, source)
        far.base_url = f"http://127.0.0.1:{proxy.port}{parts.path}"
        yield proxy, far


@pytest.fixture
def to_warehouse(house: House) -> Iterator[tuple[FaultProxy, _Far]]:
    port = int(str(conninfo_to_dict(house.conninfo)["port"]))
    with FaultProxy(lambda: port) as proxy:
        conninfo = make_conninfo(house.conninfo, port=proxy.port)
        yield proxy, _Far(conninfo, house.sandbox, house.source)


def worsen(proxy: FaultProxy, faults: Faults) -> Any:
    """Let the faults begin when the first chunk has been written."""

    def progress(result: Any) -> None:
        if result.records_received:
            proxy.faults = faults
            if faults.reset and faults.cut_after is None:
                proxy.reset_all()

    return progress


@pytest.mark.parametrize("kind", BEARABLE)
def test_a_source_behind_a_bearable_network(
    to_source: tuple[FaultProxy, _Far], house: House, kind: str
) -> None:
    proxy, far = to_source
    far.source = house.source
    proxy.faults = BEARABLE[kind]

    assert far.sync("prospects").status == "success"
    assert proxy.connections > 0
    assert not compare(house.conninfo, house.sandbox, "prospects")


@pytest.mark.parametrize("kind", FATAL)
def test_a_source_behind_a_broken_network(
    to_source: tuple[FaultProxy, _Far], house: House, kind: str
) -> None:
    proxy, far = to_source
    begun = time.monotonic()

    with pytest.raises(TransientSourceError, match="gave up"):
        far.sync("prospects", batch_size=50, progress=worsen(proxy, FATAL[kind]))

    assert time.monotonic() - begun < DEADLINE_SECONDS
    (job,) = house.rows("SELECT * FROM ops.sync_jobs")
    assert (job["status"], job["error_type"]) == ("failed", "transient")
    assert 0 < job["records_created"] < 600
    proxy.faults = Faults()

    result = house.sync("prospects", batch_size=50)

    assert (result.job_id, result.status) == (job["id"], "success")
    assert not compare(house.conninfo, house.sandbox, "prospects")


@pytest.mark.parametrize("kind", BEARABLE)
def test_a_warehouse_behind_a_bearable_network(
    to_warehouse: tuple[FaultProxy, _Far], house: House, kind: str
) -> None:
    proxy, far = to_warehouse
    proxy.faults = BEARABLE[kind]

    assert far.sync("prospects").status == "success"
    assert not compare(house.conninfo, house.sandbox, "prospects")


@pytest.mark.parametrize(
    "faults",
    [
        Faults(reset=True),
        Faults(cut_after=1, cut_in="up"),
        Faults(cut_after=60_000, cut_in="up"),
        Faults(cut_after=60_000, cut_in="up", reset=True),
        Faults(cut_after=1),
        Faults(cut_after=5_000, reset=True),
    ],
    ids=str,
)
def test_a_warehouse_that_the_network_cuts_off(
    to_warehouse: tuple[FaultProxy, _Far], house: House, faults: Faults
) -> None:
    proxy, far = to_warehouse

    with pytest.raises(psycopg.OperationalError):
        far.sync("prospects", "full", progress=worsen(proxy, faults))

    result = house.sync("prospects", "full")

    assert result.status == "success"
    assert result.records_created == result.records_processed == 600
    assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_a_load_whose_warehouse_falls_silent_is_taken_over(
    to_warehouse: tuple[FaultProxy, _Far], house: House
) -> None:
    """Half open: the process hears nothing any more, and its successor needs not to."""
    proxy, far = to_warehouse
    silent, ended = threading.Event(), list[BaseException]()

    def hang(result: Any) -> None:
        if result.records_received:
            proxy.faults = Faults(hang=True)
            silent.set()

    def load() -> None:
        try:
            far.sync("prospects", "full", progress=hang)
        except psycopg.OperationalError as error:
            ended.append(error)

    orphan = threading.Thread(target=load)
    orphan.start()
    assert silent.wait(DEADLINE_SECONDS)
    house.rows(
        "UPDATE ops.sync_jobs SET heartbeat_at = heartbeat_at - interval '2 minutes'"
    )

    result = house.sync("prospects", "full")

    proxy.reset_all()
    orphan.join(DEADLINE_SECONDS)
    assert len(ended) == 1
    assert result.status == "success"
    assert house.value("SELECT attempt FROM ops.sync_jobs") == 2
    assert not compare(house.conninfo, house.sandbox, "prospects")
