"""Case 34: ten loads, webhooks and readers at once.

Smaller than the benchmark of 100,000 rows a load; the same in everything else.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import reading
from crm_warehouse.spec import Quota
from tests.proof.house import House, Open
from tests.proof.hubspot_sender import PATH, PUBLIC_URL, SECRET
from tests.proof.oracle import FILLED, compare_all
from tests.proof.receiver_process import HUBSPOT, Receiver, started

#: (System, entity) of ten loads.
LOADS = [
    ("genius", "prospects"),
    ("genius", "appointments"),
    ("genius", "users"),
    ("hubspot", "contacts"),
    ("hubspot", "companies"),
    ("hubspot", "deals"),
    ("marketsharp", "contacts"),
    ("marketsharp", "leads"),
    ("activeprospect", "leads"),
    ("activeprospect", "events"),
]
#: Requests that each source allows in two seconds.
LIMIT, PER_SECONDS = 60, 2.0
READS = (
    "SELECT count(*) FROM warehouse.contacts c JOIN warehouse.leads l"
    " ON l.contact_id = c.id",
    "SELECT source_system, count(*) FROM warehouse.contacts GROUP BY 1",
    "SELECT * FROM ops.sync_jobs ORDER BY id DESC LIMIT 20",
)


@pytest.fixture
def receiver(warehouse: str, tmp_path: Any) -> Any:
    with started(warehouse, HUBSPOT, tmp_path / "receiver.log") as receiver:
        yield receiver


def _limited(house: House) -> House:
    house.source = replace(
        house.source, quotas=(Quota("windowed", LIMIT, PER_SECONDS),)
    )
    house.sandbox.configure(
        quota={"enabled": True, "requests": LIMIT, "per_seconds": PER_SECONDS}
    )
    return house


def _again(stop: threading.Event, faults: list[BaseException], work: Any) -> None:
    """Do it until all is done, and note what a person would see."""
    while not stop.is_set():
        try:
            work()
        except Exception as fault:  # noqa: BLE001  told below
            faults.append(fault)
            return


def test_ten_loads_webhooks_and_readers(
    open_house: Open,
    receiver: Receiver,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 150)
    houses = {system: _limited(open_house(system)) for system in FILLED}
    hubspot = houses["hubspot"]
    hubspot.sandbox.admin(
        "POST",
        "/webhooks",
        {
            "target": f"http://127.0.0.1:{receiver.port}{PATH}",
            "secret": SECRET,
            "public_url": f"{PUBLIC_URL}{PATH}",
        },
    )
    stop, faults = threading.Event(), list[BaseException]()

    def read() -> None:
        with psycopg.connect(warehouse) as conn:
            for statement in READS:
                conn.execute(statement).fetchall()

    beside: list[Callable[[], Any]] = [read, hubspot.merge_webhooks]
    threads = [threading.Thread(target=_again, args=(stop, faults, w)) for w in beside]
    for thread in threads:
        thread.start()

    def load(which: tuple[str, str]) -> None:
        house, entity = houses[which[0]], which[1]
        for mode in ("full", "incremental"):
            house.sandbox.move(entity, "change", 20)
            while house.sync(entity, mode).status == "waiting":
                pass  # the window is two seconds long

    try:
        with ThreadPoolExecutor(len(LOADS)) as pool:
            list(pool.map(load, LOADS))  # raises what any of them raised
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)

    assert faults == []
    _assert_all_equal(houses)


def _assert_all_equal(houses: dict[str, House]) -> None:
    statuses = houses["genius"].rows("SELECT DISTINCT status FROM ops.sync_jobs")
    assert {row["status"] for row in statuses} == {"success"}
    for system, house in houses.items():
        assert house.sandbox.stats()["max_in_window"] <= LIMIT
        for entity in (e for s, e in LOADS if s == system):
            house.sync(entity)
            assert compare_all(house.conninfo, house.sandbox, entity) == {}
