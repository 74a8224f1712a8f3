"""HubSpot's requests in flight: nothing lost, nothing twice, whatever fails."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm_warehouse.engine.job import SyncResult
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Quota
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import SOURCES, House
from tests.proof.oracle import compare_all

pytestmark = pytest.mark.usefixtures("always_in_lanes")

CONTACTS = 6_000
#: Kind of fault, its options, and the share of requests that it strikes.
FAULTS = (
    ("status", {"status": 429, "retry_after": 0}, 0.04),
    ("status", {"status": 429}, 0.02),
    ("status", {"status": 500}, 0.04),
    ("status", {"status": 423}, 0.02),
    ("reset", {}, 0.04),
    ("truncate", {"length": "full"}, 0.03),
    ("truncate", {"length": "chunked"}, 0.02),
    ("html", {}, 0.03),
    ("empty", {}, 0.03),
    ("no_date", {}, 0.05),
    ("latency", {"seconds": 0.01, "jitter": 0.03}, 0.1),
)


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxServer]:
    """A portal whose contacts are read in lanes."""
    with SandboxServer(Settings(prospects=1, sizes={"hubspot": CONTACTS})) as server:
        yield server


@pytest.fixture
def house(warehouse: str, sandbox: SandboxServer) -> House:
    source = SOURCES["hubspot"]
    assert source.in_flight == 8
    crm = sandbox.crm("hubspot")
    crm.configure(quota={"enabled": False}, search_quota={"enabled": False})
    retry = replace(source.retry, delays=(0.01,) * 8)
    return House(warehouse, crm, replace(source, quotas=(), retry=retry))


def agrees(house: House, entity: str) -> bool:
    return compare_all(house.conninfo, house.sandbox, entity) == {}


def threads_of_loads() -> list[threading.Thread]:
    """Threads that fetch pages or send requests, and should be none between loads."""
    names = ("pages", "requests")
    return [t for t in threading.enumerate() if t.name.startswith(names)]


def test_faults_of_every_kind_lose_nothing(house: House) -> None:
    for kind, options, share in FAULTS:
        house.sandbox.fault(kind, probability=share, **options)
    results = [house.sync("contacts", "full"), house.sync("deals", "full")]
    house.sandbox.configure(clock_offset_seconds=-30)
    house.sandbox.move("contacts", "change", 1_500)
    house.sandbox.move("deals", "change", 1_000)
    house.sandbox.configure(clock_offset_seconds=0)
    results += [house.sync("contacts"), house.sync("deals")]

    assert [result.status for result in results] == ["success"] * 4
    assert [each.records_processed for each in results[:2]] == [CONTACTS, CONTACTS // 2]
    struck = house.sandbox.admin("GET", "/faults")["faults"]
    assert min(fault["struck"] for fault in struck) > 0
    assert sum(result.retries for result in results) > 30
    assert agrees(house, "contacts")
    assert agrees(house, "deals")
    assert threads_of_loads() == []


def test_a_load_that_dies_goes_on_behind_its_last_chunk(house: House) -> None:
    def die(result: SyncResult) -> None:
        if result.records_received > 1_500:
            raise MemoryError

    house.sandbox.fault("latency", seconds=0.02, jitter=0.05)
    with pytest.raises(MemoryError):
        house.sync("contacts", "full", progress=die)
    threads = threads_of_loads()
    house.sandbox.clear_faults()

    result = house.sync("contacts", "full")

    assert threads == []
    assert (result.status, result.records_received) == ("success", CONTACTS)
    assert result.records_repeated == 0
    # 200 records cost three requests, and some lanes are cut off empty. Uncommitted
    # were at most a chunk of 2,500 records and 2,500 that were read or in flight.
    assert house.sandbox.stats()["requests"] <= (CONTACTS + 5_000) / 200 * 3 * 1.2
    assert agrees(house, "contacts")


def test_a_source_that_fails_one_record_stops_the_job_behind_whole_pages(
    house: House,
) -> None:
    number = house.sandbox.fault(
        "status", path="/crm/v3/objects/contacts/batch/read", status=503, after=20
    )
    with pytest.raises(TransientSourceError):
        house.sync("contacts", "full")
    kept = house.value("SELECT count(*) FROM raw.hubspot_contacts")
    house.sandbox.admin("DELETE", f"/faults/{number}")

    result = house.sync("contacts", "full")

    assert 1_000 <= kept <= 2_000
    assert (result.status, result.records_repeated) == ("success", 0)
    assert result.records_received == CONTACTS
    assert agrees(house, "contacts")


def test_a_quota_that_ends_parks_the_job_once(house: House) -> None:
    house.source = replace(house.source, quotas=(Quota("hourly", 60, 3_600.0),))

    waiting = house.sync("contacts", "full")

    assert waiting.status == "waiting"
    # One of them is kept for webhooks.
    assert house.sandbox.stats()["requests"] == waiting.requests == 59
    house.source = replace(house.source, quotas=())
    result = house.sync("contacts", "full")
    assert (result.status, result.records_repeated) == ("success", 0)
    assert result.job_id == waiting.job_id
    acts = house.rows("SELECT action FROM ops.audit_log ORDER BY id")
    assert [act["action"] for act in acts].count("job.waiting") == 1
    assert agrees(house, "contacts")


def test_what_the_index_never_shows_is_not_deleted_for_that(house: House) -> None:
    contacts = house.source.entities["contacts"]
    deletes = replace(contacts.deletes, confirm_path=None)
    entities = {**house.source.entities, "contacts": replace(contacts, deletes=deletes)}
    in_lanes = replace(house.source, entities=entities)
    house.sandbox.configure(index_lag_seconds=1_000_000)
    house.sandbox.move("contacts", "create", 5)
    house.source = replace(in_lanes, in_flight=1)
    assert house.sync("contacts", "full").records_created == CONTACTS + 5
    house.source = in_lanes

    results = [house.sync("contacts", "full") for _ in range(2)]

    house.sandbox.configure(index_lag_seconds=0)
    assert [each.records_absent for each in results] == [5, 5]
    assert [each.records_deleted for each in results] == [0, 0]
    assert agrees(house, "contacts")
