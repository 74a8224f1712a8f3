"""Case 28: storms of refusals and faults end, cost what is counted, and heal.

Through the whole engine over real HTTP; the sandbox's own log is what the counters of
the job are compared with.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from crm_warehouse.clients.request_path import MAX_THROTTLES
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.errors import TransientSourceError
from tests.integration.cases.conftest import Between
from tests.proof.house import House
from tests.proof.meddler import with_body
from tests.proof.oracle import compare_all
from tests.unit.clients.scripted_server import Reply, Request

JOB = "SELECT * FROM ops.sync_jobs ORDER BY id DESC LIMIT 1"
FORGET_HOLDS = "DELETE FROM ops.api_quota_holds"
#: Form of ``Retry-After`` -> what the fault is told, and the seconds that it means.
FORMS: dict[str, tuple[dict[str, Any], float]] = {
    "seconds": ({"retry_after": 1}, 1.0),
    "date": ({"retry_date": 2}, 1.0),
    "absent": ({}, 0.0),
    "zero": ({"retry_after": 0}, 0.0),
    "negative": ({"retry_after": "-30"}, 0.0),
    "garbage": ({"retry_after": "in a while"}, 0.0),
    "long_past": ({"retry_after": "Wed, 01 Jan 2020 00:00:00 GMT"}, 0.0),
}
#: A day is the longest that a source may ask for.
ABSURD = ["1000000000", "9" * 300, "Tue, 01 Jan 2199 00:00:00 GMT"]


@pytest.fixture(autouse=True)
def own_log(house: House) -> None:
    house.sandbox.admin("DELETE", "/stats")


def job(house: House) -> dict[str, Any]:
    """The latest job; what it counts must be what the source saw."""
    (row,) = house.rows(JOB)
    assert row["requests"] == house.sandbox.stats()["requests"]
    statuses = [entry["status"] for entry in house.sandbox.log()]
    assert row["retries"] == sum(status not in (200, 404) for status in statuses)
    return row


def as_airflow(house: House, entity: str = "prospects") -> Any:
    """One sync that gives its slot back for every pause above five seconds."""
    source = house.source
    request = SyncRequest(source, source.entities[entity], source.name, "incremental")
    return run_sync(
        request,
        conninfo=house.conninfo,
        open_client=house.open_client,
        max_pause_seconds=5.0,
    )


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", FORMS)
def test_a_storm_that_passes(house: House, form: str, status: int):
    options, pause = FORMS[form]
    house.sandbox.fault("status", status=status, count=3, after=2, **options)

    result = house.sync("prospects")

    assert (result.status, result.retries) == ("success", 3)
    assert job(house)["retries"] == 3
    assert (job(house)["faults"], job(house)["faulted_at"]) == (0, None)
    moments = [entry["at"] for entry in house.sandbox.log()]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(gap >= pause for gap in gaps[2:5])
    assert not compare_all(house.conninfo, house.sandbox, "prospects")


@pytest.mark.parametrize("told", ABSURD, ids=["1e9", "digits", "year_2199"])
def test_an_absurd_pause_costs_a_day_at_most(house: House, told: str):
    house.sandbox.fault("status", status=429, after=2, retry_after=told)
    before = datetime.now(UTC)

    result = house.sync("prospects")

    assert result.status == "waiting"
    assert result.resume_at is not None
    day = result.resume_at - before
    assert timedelta(hours=24) <= day < timedelta(hours=24, minutes=5)
    assert (result.requests, result.retries) == (3, 1)

    # A day later it says the same.
    _a_day_later(house)
    with pytest.raises(TransientSourceError, match=r"gave up after 2 requests in 24 h"):
        house.sync("prospects")
    assert (job(house)["status"], job(house)["retries"]) == ("failed", 2)


def _a_day_later(house: House) -> None:
    house.rows(FORGET_HOLDS)
    house.rows("UPDATE ops.sync_jobs SET faulted_at = faulted_at - interval '1 day'")


@pytest.mark.parametrize("status", [429, 503])
def test_endless_refusals_end(house: House, status: int):
    house.sandbox.fault("status", status=status, after=2, retry_after="0.01")

    with pytest.raises(TransientSourceError, match=r"gave up after 11 requests in \d"):
        house.sync("prospects")

    assert job(house)["requests"] == 2 + MAX_THROTTLES + 1
    assert job(house)["throttles"] == MAX_THROTTLES + 1
    house.sandbox.clear_faults()
    assert house.sync("prospects").status == "success"
    assert job(house)["retries"] == MAX_THROTTLES + 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("status", {"status": status}) for status in (500, 502, 503)),
        ("html", {}),
        ("empty", {}),
        ("reset", {}),
        ("truncate", {"length": "full"}),
    ],
    ids=["500", "502", "503", "html", "empty", "reset", "truncate"],
)
def test_a_storm_of_faults_fails_the_job_and_the_next_sync_goes_on(
    house: House, kind: str, options: dict[str, Any]
):
    house.sandbox.fault(kind, after=2, **options)

    with pytest.raises(TransientSourceError, match=r"gave up after 5 requests in \d"):
        house.sync("prospects")

    (failed,) = house.rows(JOB)
    assert failed["requests"] == house.sandbox.stats()["requests"] == 2 + 5
    assert (failed["retries"], failed["faults"], failed["chunks"]) == (5, 5, 1)
    house.sandbox.clear_faults()
    result = house.sync("prospects")
    assert (result.job_id, result.status) == (failed["id"], "success")
    assert result.retries == 5
    # Going on costs a look back.
    assert result.requests == house.sandbox.stats()["requests"] == 6 + 5 + 1
    assert not compare_all(house.conninfo, house.sandbox, "prospects")


def test_success_with_an_error_body(between: Between):
    door = between("genius")

    def fail(_: Request, reply: Reply) -> Reply:
        return with_body(reply, b'{"error": "try again later"}')

    struck = door.strike(2, fail, times=3)

    result = door.house.sync("prospects")

    assert (result.status, len(struck)) == ("success", 3)
    assert (result.requests, result.retries) == (len(door.requests), 3)
    assert not compare_all(door.house.conninfo, door.house.sandbox, "prospects")


def test_parking_does_not_make_the_source_be_asked_for_ever(
    make_house: Callable[..., House], house: House
):
    """Pauses of six seconds are none for a worker slot: three faults, two parkings."""
    source = house.source
    slow = make_house(replace(source, retry=replace(source.retry, delays=(6.0, 7.0))))
    slow.sandbox.fault("status", status=500, after=2)
    statuses = []
    for pause in (6, 7):
        before = datetime.now(UTC)
        result = as_airflow(slow)
        assert result.resume_at is not None
        assert pause <= (result.resume_at - before).total_seconds() < pause + 60
        statuses.append((result.status, result.requests, result.retries))

    with pytest.raises(TransientSourceError, match=r"gave up after 3 requests in \d"):
        as_airflow(slow)

    assert statuses == [("waiting", 3, 1), ("waiting", 4, 2)]
    assert (job(slow)["requests"], job(slow)["retries"]) == (5, 3)
    assert (job(slow)["error_type"], job(slow)["attempt"]) == ("transient", 3)

    # Once it has failed, the next run has all its patience again.
    assert as_airflow(slow).status == "waiting"
    slow.sandbox.clear_faults()
    assert as_airflow(slow).status == "success"
    assert (job(slow)["requests"], job(slow)["retries"]) == (11, 4)


def test_confirmations_that_fail_are_counted(house: House):
    house.sync("prospects", "full")
    house.sandbox.move("prospects", "delete", 5)
    house.sandbox.admin("DELETE", "/stats")
    house.sandbox.fault("status", status=500, path="/prospects/*", after=2, count=7)

    with pytest.raises(TransientSourceError, match="gave up after 5 requests"):
        house.sync("prospects", "full")
    assert (job(house)["requests"], job(house)["retries"]) == (6 + 2 + 5, 5)

    assert house.sync("prospects", "full").records_deleted == 5
    row = house.rows(JOB)[0]
    assert row["requests"] == house.sandbox.stats()["requests"]
    assert row["retries"] == 7


def test_a_hold_of_one_job_keeps_the_others_from_asking(house: House):
    house.sandbox.fault("status", status=429, path="/prospects*", retry_after=3600)
    assert as_airflow(house).status == "waiting"
    asked = house.sandbox.stats()["requests"]

    other = as_airflow(house, "users")

    assert (asked, house.sandbox.stats()["requests"]) == (1, 1)
    assert (other.status, other.requests, other.retries) == ("waiting", 0, 0)
    assert "status 429" in other.errors[0]
    house.rows(FORGET_HOLDS)
    house.sandbox.clear_faults()
    begun = time.monotonic()
    assert as_airflow(house, "users").status == "success"
    assert time.monotonic() - begun < 60
