"""Case 28: storms of 429, 500, 502, 503, and errors that say 200.

Each source: what the source says about the pause is believed as far as it makes sense,
the whole wait has an end, nothing is lost, and the limits of the source are kept.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Quota
from tests.integration.cases.conftest import Between
from tests.proof.house import House, Open
from tests.proof.meddler import MAIN, with_body
from tests.proof.oracle import compare_all
from tests.unit.clients.scripted_server import Reply, Request

#: Minutes together with its kind: part of the slow proofs.
pytestmark = pytest.mark.proof

#: What a 429 may carry -> the fault's options; these let the load go on by itself.
SENSIBLE: dict[str, dict[str, Any]] = {
    "absent": {},
    "zero": {"retry_after": 0},
    "seconds": {"retry_after": "0.01"},
    "past date": {"retry_date": -100},
    "garbage": {"retry_after": "soon, I hope"},
    "negative": {"retry_after": "-5"},
}
#: These ask for more than a task may wait.
LONG: dict[str, dict[str, Any]] = {
    "for ever": {"retry_after": "1000000000"},
    "date": {"retry_date": 7200},
}
DAY = timedelta(days=1)


def equal(house: House) -> bool:
    return compare_all(house.conninfo, house.sandbox, MAIN[house.source.name]) == {}


@pytest.mark.parametrize("system", MAIN)
def test_short_storms_cost_repetitions_and_nothing_else(
    open_house: Open, system: str
) -> None:
    """Each form of Retry-After once, and each status twice, on every other request."""
    house, entity = open_house(system), MAIN[system]
    faults = [{"status": 429, **form} for form in SENSIBLE.values()]
    faults += [{"status": status} for status in (500, 502, 503, 504) for _ in "12"]
    for number, options in enumerate(faults):
        house.sandbox.fault("status", count=1, after=number * 2, **options)

    result = house.sync(entity, "full", batch_size=20)

    statuses: Counter[str] = Counter()
    for answers in house.sandbox.stats()["by_route"].values():
        statuses.update({k: v for k, v in answers.items() if not k.startswith("2")})
    assert sum(statuses.values()) == len(faults)
    assert result.status == "success"
    assert house.value("SELECT retries FROM ops.sync_jobs") == len(faults)
    assert equal(house)


@pytest.mark.parametrize("form", LONG)
@pytest.mark.parametrize("system", MAIN)
def test_a_long_pause_parks_the_job_and_no_longer_than_a_day(
    open_house: Open, system: str, form: str
) -> None:
    house, entity = open_house(system), MAIN[system]
    house.sandbox.fault("status", status=429, after=4, count=1, **LONG[form])

    waiting = house.sync(entity, "full", batch_size=50)

    assert waiting.status == "waiting"
    assert waiting.resume_at is not None
    now = datetime.now(UTC)
    assert now + timedelta(minutes=50) < waiting.resume_at < now + DAY * 1.01
    assert waiting.records_created > 0
    assert house.sandbox.stats()["requests"] == 5
    _let_time_pass(house)

    result = house.sync(entity, "full", batch_size=50)

    assert (result.job_id, result.status) == (waiting.job_id, "success")
    assert equal(house)


def _let_time_pass(house: House) -> None:
    """What the account was told to wait is over, and so is what it has used."""
    for table in ("api_quota_holds", "api_quota_usage", "circuit_breakers"):
        house.rows(f"DELETE FROM ops.{table}")


@pytest.mark.parametrize("status", [429, 502])
@pytest.mark.parametrize("system", MAIN)
def test_an_endless_storm_ends_in_a_job_to_be_resumed(
    open_house: Open, system: str, status: int
) -> None:
    house, entity = open_house(system), MAIN[system]
    house.sandbox.fault("status", status=status, after=4)

    try:
        ended = house.sync(entity, "full", batch_size=50)
    except TransientSourceError:
        pass
    else:
        assert ended.status == "waiting"
    requests = house.sandbox.stats()["requests"]

    assert requests <= 4 + 11  # what one page may cost, at most
    assert house.value("SELECT count(*) FROM ops.watermarks") == 0
    assert house.value("SELECT retries FROM ops.sync_jobs") == requests - 4
    house.sandbox.clear_faults()
    _let_time_pass(house)

    assert house.sync(entity, "full", batch_size=50).status == "success"
    assert equal(house)


@pytest.mark.parametrize("system", MAIN)
def test_an_error_that_says_200_is_a_fault_and_no_page(
    between: Between, system: str
) -> None:
    crm = between(system)
    xml = system == "marketsharp"
    bodies = [
        b"<Error><Message>busy</Message></Error>" if xml else b'{"error": "busy"}',
        b"<Contacts><Error>no</Error></Contacts>" if xml else b'{"status": "error"}',
    ]

    def fail(_: Request, reply: Reply) -> Reply:
        return with_body(reply, bodies.pop(0))

    struck = crm.strike(3, fail, times=1)

    result = crm.house.sync(MAIN[system], "full", batch_size=50)

    assert result.status == "success"
    assert len(struck) == 1
    assert equal(crm.house)


@pytest.mark.parametrize("system", MAIN)
def test_the_sources_own_log_shows_that_the_limit_is_kept(
    open_house: Open, system: str
) -> None:
    """Two loads, with repetitions, that need several windows."""
    house, entity = open_house(system), MAIN[system]
    limit, seconds = 10, 1.0
    house.source = replace(house.source, quotas=(Quota("windowed", limit, seconds),))
    house.sandbox.configure(
        quota={"enabled": True, "requests": limit, "per_seconds": seconds}
    )
    house.sandbox.fault("status", status=503, after=3, count=2)

    for mode in ("full", "incremental"):
        assert house.sync(entity, mode).status == "success"

    assert house.sandbox.stats()["max_in_window"] <= limit
    assert equal(house)
