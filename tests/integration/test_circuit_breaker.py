"""While a source is down, only probes ask it; all go on when it is back."""

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_warehouse.engine import breaker
from crm_warehouse.engine.breaker import MOST_FAILURES
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import TransientSourceError
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import GENIUS, SYNC, Shell
from tests.proof.house import SOURCES, House, Open
from tests.proof.oracle import compare_all

BREAKER = "SELECT * FROM ops.circuit_breakers"
AUDIT = "SELECT action FROM ops.audit_log WHERE action ~ '^breaker' ORDER BY id"
LATEST = "SELECT * FROM ops.sync_jobs WHERE entity_type = %s ORDER BY id DESC LIMIT 1"
EVENT = """
    WITH delivery AS (
        INSERT INTO staging.webhook_deliveries (
            source_system, request_id, replay_key, content_type, headers, url, body,
            body_bytes, state
        )
        VALUES ('hubspot', 'r', 'r', 'application/json', '{}', 'https://x.example/',
            '', 0, 'exploded')
        RETURNING id
    )
    INSERT INTO staging.webhook_events (
        delivery_id, position, source_system, entity_type, object_id, dedupe_key
    )
    SELECT id, 0, 'hubspot', 'contacts', '1', 'e' FROM delivery
"""
_DEADLINE_SECONDS = 60.0


class Worker(threading.Thread):
    """Syncs one entity as Airflow does: rests when it is told to, tries again."""

    def __init__(self, house: House, entity: str) -> None:
        super().__init__()
        self.waits: list[SyncResult] = []
        self.result: SyncResult | None = None
        self._house, self._entity = house, entity

    def run(self) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            try:
                result = sync(self._house, self._entity)
            except TransientSourceError:
                time.sleep(0.05)
                continue
            if result.resume_at is None:
                self.result = result
                return
            self.waits.append(result)
            left = (result.resume_at - datetime.now(UTC)).total_seconds()
            time.sleep(max(left, 0.0))


def sync(house: House, entity: str) -> SyncResult:
    """One sync that gives its slot back for every pause worth it."""
    source = house.source
    return run_sync(
        SyncRequest(source, source.entities[entity], source.name, "incremental"),
        conninfo=house.conninfo,
        open_client=house.open_client,
        max_pause_seconds=0.2,
    )


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes come after half a second, not after half a minute."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(breaker, "YIELD_SECONDS", 0.25)
    monkeypatch.setattr(breaker, "_PROBE_SECONDS", 0.25)


@pytest.mark.parametrize("kind", ["status", "reset", "html"])
@pytest.mark.usefixtures("soon")
def test_a_storm_over_two_jobs_is_left_alone_and_both_end_well(house: House, kind: str):
    house.sandbox.admin("DELETE", "/stats")
    house.sandbox.fault(kind)
    workers = [Worker(house, entity) for entity in ("prospects", "appointments")]
    for worker in workers:
        worker.start()

    until(lambda: house.rows(f"{BREAKER} WHERE failures >= {MOST_FAILURES + 2}"))
    asked = house.sandbox.stats()["requests"]
    failures = house.rows(BREAKER)[0]["failures"]
    house.sandbox.clear_faults()
    for worker in workers:
        worker.join()

    # Eight, perhaps one under way, and one per probe: those are what it counted.
    assert abs(asked - failures) <= 1
    pauses = [worker.waits for worker in workers]
    assert all(pauses)
    assert "genius does not answer (" in pauses[0][0].errors[0]
    assert "times in a row)" in pauses[0][0].errors[0]
    for worker, entity in zip(workers, ("prospects", "appointments"), strict=True):
        assert worker.result is not None
        assert worker.result.status == "success"
        assert not compare_all(house.conninfo, house.sandbox, entity)
    (row,) = house.rows(BREAKER)
    assert (row["state"], row["failures"]) == ("closed", 0)
    assert house.rows(AUDIT) == [
        {"action": "breaker.opened"},
        {"action": "breaker.closed"},
    ]
    counted = house.value("SELECT sum(requests)::int FROM ops.sync_jobs")
    assert counted == house.sandbox.stats()["requests"]
    assert house.value("SELECT sum(retries)::int FROM ops.sync_jobs") >= MOST_FAILURES


def test_two_processes_find_out_together(
    warehouse: str, sandbox: SandboxServer, tmp_path: Path
):
    """The command line waits for the probe by itself, as a deferred task does."""
    shell = Shell(warehouse, sandbox, tmp_path)
    often = "{strategy: fixed, delay: 3s, attempts: 7}"
    text, replaced = re.subn(r"^retry: \{.*?\}", f"retry: {often}", GENIUS, flags=re.M)
    assert replaced
    shell.file.write_text(text, "utf-8")
    house = House(warehouse, sandbox, SOURCES["genius"])
    sandbox.admin("DELETE", "/stats")
    sandbox.fault("status")
    entities = ("prospects", "appointments")
    try:
        processes = [shell.start(*SYNC, entity) for entity in entities]
        until(lambda: house.rows(f"{BREAKER} WHERE state = 'open'"))
        sandbox.clear_faults()
        ended = [shell.end(process) for process in processes]
    finally:
        shell.close()

    assert [done.status for done in ended] == [0, 0]
    retries = sum(done.result["retries"] for done in ended)
    assert MOST_FAILURES <= retries <= MOST_FAILURES + 1  # one may have been under way
    failed = [entry for entry in sandbox.log() if entry["status"] == 503]
    assert len(failed) == retries
    requests = sum(done.result["requests"] for done in ended)
    assert requests == sandbox.stats()["requests"]
    for entity in entities:
        assert not compare_all(warehouse, sandbox, entity)


def test_while_it_is_open_no_job_asks(house: House):
    house.sandbox.admin("DELETE", "/stats")
    house.sandbox.fault("status")
    with pytest.raises(TransientSourceError, match="gave up after 5 requests"):
        sync(house, "prospects")

    second = sync(house, "appointments")  # its third failure is the eighth
    third = sync(house, "users")
    again = sync(house, "prospects")

    assert house.sandbox.stats()["requests"] == MOST_FAILURES
    assert [r.status for r in (second, third, again)] == ["waiting"] * 3
    assert (second.requests, second.retries) == (3, 3)
    assert (third.requests, again.requests) == (0, 5)
    (row,) = house.rows(BREAKER)
    assert third.resume_at is not None
    assert abs((third.resume_at - row["retry_at"]).total_seconds()) < 10
    assert third.errors == ("genius does not answer (status 503, 8 times in a row)",)


def test_one_broken_entity_does_not_keep_us_from_the_others(house: House):
    house.sandbox.fault("status", path="/appointments*", status=500)
    for _ in range(3):
        with pytest.raises(TransientSourceError, match="gave up after 5 requests"):
            sync(house, "appointments")

    assert sync(house, "prospects").status == "success"

    (row,) = house.rows(BREAKER)
    assert (row["state"], row["failures"]) == ("closed", 0)


def test_two_broken_entities_let_a_healthy_one_find_out(house: House):
    for entity in ("users", "appointments"):
        house.sandbox.fault("status", path=f"/{entity}*", status=500)
    with pytest.raises(TransientSourceError, match="gave up after 5 requests"):
        sync(house, "users")
    assert sync(house, "appointments").status == "waiting"
    house.rows("UPDATE ops.circuit_breakers SET retry_at = clock_timestamp()")
    house.sandbox.admin("DELETE", "/stats")

    broken = [sync(house, entity).status for entity in ("users", "appointments")]
    assert broken == ["waiting", "waiting"]
    assert house.sandbox.stats()["requests"] == 0
    assert sync(house, "prospects").status == "success"

    (row,) = house.rows(BREAKER)
    assert (row["state"], row["failures"]) == ("closed", 0)


def test_429_and_refusals_never_open_it(house: House):
    house.sandbox.fault("status", status=429, retry_after="0.001")
    for entity in ("prospects", "appointments"):
        with pytest.raises(TransientSourceError, match="gave up after 11 requests"):
            sync(house, entity)

    assert house.rows(BREAKER) == []


def test_a_source_down_for_a_day_fails_the_job(house: House):
    house.sandbox.fault("status")
    with pytest.raises(TransientSourceError):
        sync(house, "prospects")
    waiting = sync(house, "appointments")
    house.rows("UPDATE ops.sync_jobs SET faulted_at = faulted_at - interval '1 day'")

    with pytest.raises(TransientSourceError) as caught:
        sync(house, "appointments")

    assert str(caught.value) == (
        "genius does not answer (status 503, 8 times in a row);"
        " gave up after 24 h 0 min"
    )
    (job,) = house.rows(LATEST, "appointments")
    assert (job["id"], job["status"]) == (waiting.job_id, "failed")
    assert (job["error_type"], job["requests"]) == ("transient", 3)

    # The next run waits anew, and ends when the source is back.
    assert sync(house, "appointments").status == "waiting"
    house.sandbox.clear_faults()
    house.rows(
        "UPDATE ops.circuit_breakers"
        " SET retry_at = clock_timestamp() - interval '1 minute'"
    )
    assert sync(house, "appointments").status == "success"


def test_a_killed_prober_keeps_nobody_waiting(house: House):
    house.sandbox.fault("status")
    with pytest.raises(TransientSourceError):
        sync(house, "prospects")
    sync(house, "appointments")
    house.sandbox.clear_faults()
    house.rows(
        "UPDATE ops.circuit_breakers SET state = 'half_open',"
        " probed_by = 'appointments',"
        " retry_at = clock_timestamp() + interval '1 minute'"
    )
    assert sync(house, "prospects").status == "waiting"

    house.rows("UPDATE ops.circuit_breakers SET retry_at = clock_timestamp()")

    assert sync(house, "prospects").status == "success"
    assert sync(house, "appointments").status == "success"


def test_a_merge_of_webhooks_obeys(open_house: Open):
    house = open_house("hubspot")
    house.sandbox.admin("DELETE", "/stats")
    house.rows(
        "INSERT INTO ops.circuit_breakers"
        " (source_system, state, failures, reason, failed_at, retry_at)"
        " VALUES ('hubspot', 'open', 9, 'status 502', clock_timestamp(),"
        " clock_timestamp() + interval '1 minute')"
    )
    house.rows(EVENT)

    merged = merge(house)

    assert (merged.status, merged.requests) == ("waiting", 0)
    assert merged.errors == ("hubspot does not answer (status 502, 9 times in a row)",)
    assert house.sandbox.stats()["requests"] == 0
    house.rows("UPDATE ops.circuit_breakers SET retry_at = clock_timestamp()")
    again = merge(house)
    assert (again.job_id, again.status) == (merged.job_id, "success")
    assert again.requests == house.sandbox.stats()["requests"]
    assert house.rows(BREAKER)[0]["state"] == "closed"


def merge(house: House) -> SyncResult:
    return merge_webhooks(
        WebhookRequest(house.source, house.source.name),
        conninfo=house.conninfo,
        open_client=house.open_client,
        max_pause_seconds=0.2,
    )
