"""A source that keeps its records for a while: alarm before, plain word after."""

import logging
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from leadconduit_house import EVENTS, real_house

from crm_warehouse.engine import jobs
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.source_files import as_json
from tests.proof.house import SOURCES

DAY = 86_400
STATES = "SELECT entity_type, state FROM ops.horizons ORDER BY entity_type"
WARNINGS = (
    "SELECT entity_type, error_message, seen_count FROM ops.sync_errors"
    " WHERE error_type = 'horizon' AND severity = 'warning' AND NOT resolved"
)
AUDIT = "SELECT details FROM ops.audit_log WHERE action = 'job.horizon' ORDER BY id"


@pytest.fixture
def house(warehouse, sandbox):
    house = real_house(warehouse, sandbox.crm("activeprospect"))
    house.sandbox.configure(horizon_days=90)
    return house


@pytest.fixture
def crm(house):
    return house.sandbox


def add(crm, count, days):
    """Leads whose events were recorded so many days ago."""
    return crm.add_late(count, days * DAY)


def age(house, days):
    """Let the watermark be so old."""
    house.rows(
        "UPDATE ops.watermarks SET watermark = now() - make_interval(days => %s)", days
    )


def day(days):
    """That day, as messages write it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%F}"


def held(house):
    rows = house.rows("SELECT source_id FROM warehouse.leads WHERE NOT is_deleted")
    return {row["source_id"] for row in rows}


def said(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.endswith(("engine.horizon", "engine.maintenance"))
        and record.levelno == logging.WARNING
    ]


def test_a_first_load_says_from_when_on_it_could_read(house, crm, caplog):
    add(crm, 2, 91)
    kept = add(crm, 3, 89)
    result = house.sync("leads")

    assert (result.status, held(house)) == ("success", set(kept))
    [message] = said(caplog)
    assert "reads for the first time, and only from " + day(90) in message
    [entry] = house.rows(AUDIT)
    assert entry["details"]["lost_from"] is None
    assert entry["details"]["lost_until"].startswith(day(90))
    assert house.rows(WARNINGS) == []


def test_a_load_in_time_says_nothing(house, crm, caplog):
    house.sync("leads")
    age(house, 79)
    news = add(crm, 2, 78)
    caplog.clear()
    house.sync("leads")
    house.sync("leads", "full")

    assert held(house) >= set(news)
    assert said(caplog) == []
    assert len(house.rows(AUDIT)) == 1  # the first load's
    assert house.rows(WARNINGS) == []


def test_a_late_load_raises_the_alarm_and_loses_nothing(house, crm, caplog):
    house.sync("leads")
    age(house, 85)
    assert house.rows(STATES) == [{"entity_type": "leads", "state": "alarm"}]
    news = add(crm, 2, 84)
    caplog.clear()
    house.sync("leads")

    assert held(house) >= set(news)
    [message] = said(caplog)
    assert "85 days ago" in message
    assert f"from {day(-5)}" in message
    assert len(house.rows(AUDIT)) == 1
    [warning] = house.rows(WARNINGS)
    assert warning["error_message"].startswith(f"read completely only up to {day(85)}")
    assert f"lost from {day(-5)}" in warning["error_message"]

    house.sync("leads")  # the next load closes it
    assert house.rows(WARNINGS) == []
    assert house.rows(STATES) == [{"entity_type": "leads", "state": "ok"}]


def test_a_load_that_comes_too_late_says_what_is_lost(house, crm, caplog):
    house.sync("leads")
    age(house, 120)
    add(crm, 2, 100)
    kept = add(crm, 2, 80)
    caplog.clear()
    result = house.sync("leads")

    assert (result.status, held(house) & set(kept)) == ("success", set(kept))
    [message] = said(caplog)
    assert f"recorded from {day(120)}" in message
    assert f"to {day(90)}" in message
    [_first, entry] = house.rows(AUDIT)
    assert entry["details"]["lost_from"].startswith(day(120))
    assert entry["details"]["lost_until"].startswith(day(90))
    [warning] = house.rows(WARNINGS)
    assert warning["entity_type"] == "leads"


def test_a_job_that_goes_on_too_late_says_what_is_lost_once(house, crm, caplog):
    house.sync("leads")
    add(crm, 250, 0.001)
    for _ in range(2):  # the second try comes 120 days later, the third at once
        crm.fault("reset", path=EVENTS, after=1, count=4)
        with pytest.raises(TransientSourceError):
            house.sync("leads")
        crm.clear_faults()
        age(house, 119)
        house.rows(
            "UPDATE ops.sync_jobs SET window_start = now() - interval '120 days'"
            " WHERE status = 'failed'"
        )
    caplog.clear()
    assert house.sync("leads").job_id == 2
    house.sync("leads")

    [_first, entry] = house.rows(AUDIT)
    assert entry["details"]["lost_from"].startswith(day(120))
    assert entry["details"]["attempt"] == 2
    assert len(said(caplog)) == 1


def test_since_from_before_the_horizon_is_told_too(house, crm, caplog):
    house.sync("leads")
    caplog.clear()
    house.sync("leads", since=datetime.now(UTC) - timedelta(days=200))

    [message] = said(caplog)
    assert f"recorded from {day(200)}" in message


def test_a_full_load_deletes_nothing_that_was_forgotten(house, crm):
    crm.configure(horizon_days=None)
    house.sync("leads", "full")
    before = held(house)
    crm.configure(horizon_days=90)
    for _ in range(2):
        result = house.sync("leads", "full")
        assert (result.status, result.records_deleted) == ("success", 0)
        assert result.records_absent == 0

    assert held(house) == before
    assert len(before) == 300


def test_maintenance_raises_the_alarm_when_no_load_runs(house, caplog):
    house.sync("leads")
    house.sync("events")
    age(house, 83)
    caplog.clear()
    request = MaintenanceRequest([house.source])
    for count in (1, 2):
        report = maintain(request, conninfo=house.conninfo)
        [act] = [each for each in report.acts if each.act == "horizon"]
        assert (act.found, act.error) == (2, None)
        assert {row["seen_count"] for row in house.rows(WARNINGS)} == {count}

    assert len(house.rows(WARNINGS)) == 2
    assert len(said(caplog)) == 4
    assert all(day(83) in message and day(-7) in message for message in said(caplog))


def test_what_came_by_another_way_says_nothing_of_the_api(house):
    """Its definition may be another: made where the API's connection is not."""
    house.sync("leads")
    age(house, 85)
    source = SOURCES["activeprospect"]
    entity = source.entities["leads"]
    other = SyncRequest(source, entity, source.name, "incremental", "csv")
    with psycopg.connect(house.conninfo, autocommit=True) as conn:
        spec = as_json(source, entity)
        jobs.claim(conn, other, arguments={}, window_start=None, spec=spec)

    assert house.rows(STATES) == [{"entity_type": "leads", "state": "alarm"}]
    latest = "SELECT spec #>> '{source,horizon}' FROM ops.source_specs"
    assert house.value(latest) is None


def test_sources_without_a_horizon_are_never_late(open_house):
    house = open_house("genius")
    house.sync("users")
    age(house, 3000)
    house.sync("users")

    assert house.rows(STATES) == house.rows(WARNINGS) == house.rows(AUDIT) == []
