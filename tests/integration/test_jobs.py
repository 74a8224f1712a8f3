"""Windows, watermarks, resuming, fencing and the lock: laws 1 and 2."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import lock, reading, session
from crm_warehouse.errors import (
    ConfigurationError,
    FencedError,
    IncompleteReadError,
    SyncConflictError,
    SyncDisabledError,
    TransientSourceError,
)
from crm_warehouse.spec import Quota, Source
from tests.proof.house import House
from tests.proof.oracle import compare

JOB = "SELECT * FROM ops.sync_jobs ORDER BY id DESC LIMIT 1"
WATERMARK = "SELECT max(watermark) FROM ops.watermarks"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pages are one small list: let two of them be a chunk."""
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)


class PowerCutError(BaseException):
    """Ends a sync as a kill would: nothing more is written."""


def _cut_after(house: House, chunks: int) -> None:
    """Sync prospects until so many chunks are committed, then die."""
    committed = []

    def count(result: Any) -> None:
        committed.append(result)
        if len(committed) == chunks + 1:  # the first call: the job is claimed
            raise PowerCutError

    with pytest.raises(PowerCutError):
        house.sync("prospects", progress=count)


class TestWindow:
    def test_first_window_is_open_and_ends_at_the_sources_clock(
        self, house: House
    ) -> None:
        house.sandbox.configure(clock_offset_seconds=-7200)
        before = datetime.now(UTC) - timedelta(seconds=7201)

        house.sync("prospects")

        job = house.rows(JOB)[0]
        assert job["window_start"] is None
        assert before <= job["window_end"]
        assert job["window_end"] <= datetime.now(UTC) - timedelta(seconds=7200)
        assert house.value(WATERMARK) == job["window_end"]

    def test_a_clock_ahead_of_ours_does_not_move_the_window_ahead(
        self, house: House
    ) -> None:
        house.sandbox.configure(clock_offset_seconds=7200)

        house.sync("prospects")

        assert house.value(WATERMARK) <= datetime.now(UTC)
        house.sandbox.configure(clock_offset_seconds=0)
        house.sandbox.move("prospects", "change", 7)
        assert house.sync("prospects").records_updated == 7

    def test_next_window_overlaps_by_lag_and_skew(self, house: House) -> None:
        house.sync("prospects")
        watermark = house.value(WATERMARK)

        house.sync("prospects")

        overlap = house.source.lag + house.source.clock_skew
        assert house.rows(JOB)[0]["window_start"] == watermark - overlap

    def test_since_before_the_watermark_moves_it(self, house: House) -> None:
        house.sync("prospects")
        watermark = house.value(WATERMARK)
        moved = "UPDATE ops.watermarks SET watermark = watermark - interval '1 day'"
        house.rows(moved)

        house.sync("prospects", since=watermark - timedelta(days=900))

        assert house.value(WATERMARK) >= watermark

    def test_since_after_the_watermark_leaves_no_gap(self, house: House) -> None:
        house.sync("prospects")
        watermark = house.value(WATERMARK)
        house.rows("UPDATE ops.watermarks SET watermark = watermark - interval '1 day'")

        house.sync("prospects", since=watermark - timedelta(hours=23))

        assert house.value(WATERMARK) == watermark - timedelta(days=1)

    def test_since_without_a_watermark_sets_none(self, house: House) -> None:
        house.sync("prospects", since=datetime(2026, 1, 1, tzinfo=UTC))

        assert house.value(WATERMARK) is None

    def test_watermark_never_moves_back(self, house: House) -> None:
        house.sync("prospects")
        watermark = house.value(WATERMARK)
        house.sandbox.configure(clock_offset_seconds=-3600)

        house.sync("prospects", "full")

        assert house.value(WATERMARK) == watermark

    def test_without_date_header_our_clock_counts(self, house: House) -> None:
        house.sandbox.fault("no_date")

        house.sync("prospects")

        age = datetime.now(UTC) - house.rows(JOB)[0]["window_end"]
        assert timedelta(0) <= age < timedelta(minutes=1)


class TestResuming:
    def test_dead_job_goes_on_where_it_was(self, house: House) -> None:
        _cut_after(house, chunks=2)
        dead = house.rows(JOB)[0]
        assert (dead["status"], dead["records_created"]) == ("running", 400)
        house.sandbox.admin("DELETE", "/stats")

        result = house.sync("prospects")

        job = house.rows(JOB)[0]
        assert (job["id"], job["attempt"], job["status"]) == (dead["id"], 2, "success")
        assert job["window_end"] == dead["window_end"]
        assert result.records_created == result.records_processed == 600
        # What was not committed, and the page before it, to find the place.
        assert house.sandbox.stats()["requests"] == 2 + 1
        assert not compare(house.conninfo, house.sandbox, "prospects")
        assert house.value("SELECT count(*) FROM ops.sync_job_ids") == 0

    def test_restart_begins_anew(self, house: House) -> None:
        _cut_after(house, chunks=1)

        result = house.sync("prospects", restart=True)

        jobs = house.rows(
            "SELECT id, status, error_type FROM ops.sync_jobs ORDER BY id"
        )
        assert [job["status"] for job in jobs] == ["failed", "success"]
        assert jobs[0]["error_type"] == "superseded"
        assert (result.records_created, result.records_unchanged) == (400, 200)

    def test_other_arguments_begin_anew(self, house: House) -> None:
        _cut_after(house, chunks=1)

        house.sync("prospects", batch_size=50)

        statuses = house.rows("SELECT status FROM ops.sync_jobs ORDER BY id")
        assert [row["status"] for row in statuses] == ["failed", "success"]

    def test_a_full_load_resumed_deletes_nothing_that_lives(self, house: House) -> None:
        """Ids that the dead process saw count as seen."""
        house.sync("prospects")
        committed: list[Any] = []

        def cut(result: Any) -> None:
            committed.append(result)
            if len(committed) == 3:
                raise PowerCutError

        with pytest.raises(PowerCutError):
            house.sync("prospects", "full", progress=cut)

        result = house.sync("prospects", "full")

        assert result.records_deleted == 0
        assert result.records_unchanged == 600

    def test_what_moves_while_a_job_is_dead_is_not_lost(self, house: House) -> None:
        """Deletions before the place pull records past it; creations hide that."""
        _cut_after(house, chunks=2)
        for action in ("delete", "create"):
            house.sandbox.move("prospects", action, 150)

        house.sync("prospects")

        live = {line["source_id"] for line in house.sandbox.truth("prospects")}
        held = house.rows("SELECT source_id FROM warehouse.contacts")
        assert live <= {row["source_id"] for row in held}

    def test_a_load_of_another_mode_stays_to_be_resumed(self, house: House) -> None:
        house.sync("prospects")
        poor = replace(house.source, quotas=(Quota("hourly", 3, 3600),))
        waiting = House(house.conninfo, house.sandbox, poor).sync("prospects", "full")
        assert waiting.status == "waiting"

        house.sync("prospects")
        result = house.sync("prospects", "full")

        assert (result.job_id, result.status) == (waiting.job_id, "success")

    def test_a_fault_of_the_living_warehouse_is_recorded(self, house: House) -> None:
        with psycopg.connect(house.conninfo) as other:
            other.execute("LOCK TABLE warehouse.contacts IN EXCLUSIVE MODE")
            timeout = "options='-c lock_timeout=200ms'"
            patient = House(f"{house.conninfo} {timeout}", house.sandbox, house.source)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                patient.sync("prospects")

        assert house.rows(JOB)[0]["status"] == "failed"
        assert house.sync("prospects").records_created == 600

    def test_transient_failure_is_recorded_and_resumed(self, house: House) -> None:
        fault = house.sandbox.fault("status", status=503, query={"page": 4})
        with pytest.raises(TransientSourceError):
            house.sync("prospects")
        failed = house.rows(JOB)[0]
        assert (failed["status"], failed["error_type"]) == ("failed", "transient")
        assert failed["records_created"] == 300  # what came before the fault
        reason = house.rows("SELECT * FROM ops.sync_errors")[0]
        assert reason["fingerprint"] == f"job:{failed['id']}"
        assert "engine" in reason["stack_trace"]
        house.sandbox.admin("DELETE", f"/faults/{fault}")

        result = house.sync("prospects")

        assert (result.job_id, result.status) == (failed["id"], "success")
        assert (
            house.value("SELECT count(*) FROM ops.sync_errors WHERE NOT resolved") == 0
        )
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_cleared_airflow_run_repeats_its_own_window(self, house: House) -> None:
        house.sync("prospects")
        run = {"dag_id": "genius__prospects", "run_id": "scheduled__1"}
        house.sync("prospects", **run)
        house.rows(
            "UPDATE ops.sync_jobs SET window_start = window_start - interval '1 day',"
            " window_end = window_end - interval '1 day' WHERE run_id IS NOT NULL"
        )
        first = house.rows(JOB)[0]

        house.sync("prospects", **run)

        again = house.rows(JOB)[0]
        assert again["id"] != first["id"]
        assert again["window_start"] == first["window_start"]
        assert again["window_end"] == first["window_end"]

    def test_retried_airflow_run_resumes_whatever_failed(self, house: House) -> None:
        house.sandbox.fault("status", status=400, query={"page": 4}, count=1)
        run = {"dag_id": "genius__prospects", "run_id": "manual__1"}
        with pytest.raises(Exception, match="400"):
            house.sync("prospects", **run)

        result = house.sync("prospects", **run)

        assert result.records_created == 600
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1


class TestSlowSource:
    def test_what_has_come_is_written_while_the_source_thinks(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "CHUNK_RECORDS", 100_000)
        monkeypatch.setattr(reading, "_CHUNK_SECONDS", 0.1)
        house.sandbox.fault("latency", seconds=0.8, query={"page": 3})

        house.sync("prospects")

        assert house.rows(JOB)[0]["chunks"] == 2
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_a_job_that_waits_for_an_answer_says_that_it_lives(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "HEARTBEAT_SECONDS", 0.05)
        monkeypatch.setattr(session, "SESSION_OPTIONS", "-c idle_session_timeout=500ms")
        house.sandbox.fault("latency", seconds=1.2, query={"page": 1})

        assert house.sync("prospects").status == "success"


class TestFence:
    def test_orphan_cannot_write_after_its_successor_began(self, house: House) -> None:
        def taken_over(result: Any) -> None:
            if result.records_received:  # not at the claim: between two chunks
                house.rows("UPDATE ops.sync_jobs SET attempt = attempt + 1")

        with pytest.raises(FencedError):
            house.sync("prospects", progress=taken_over)

        assert house.value("SELECT count(*) FROM warehouse.contacts") == 200

    def test_second_sync_is_refused_and_told_who_works(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.3)
        refused: list[str] = []

        def second(_result: Any) -> None:
            if not refused:
                with pytest.raises(SyncConflictError) as caught:
                    house.sync("prospects")
                refused.append(str(caught.value))

        house.sync("prospects", progress=second)

        assert "job 1" in refused[0]
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1

    def test_retry_of_the_same_run_cuts_its_orphan_off(self, house: House) -> None:
        run = {"dag_id": "genius__prospects", "run_id": "manual__1"}
        results: list[Any] = []

        def successor(_result: Any) -> None:
            if not results:
                results.append(None)
                results[0] = house.sync("prospects", **run)

        with pytest.raises(psycopg.OperationalError):
            house.sync("prospects", progress=successor, **run)

        assert results[0].status == "success"
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_silent_holder_is_cut_off(self, house: House) -> None:
        results: list[Any] = []

        def successor(_result: Any) -> None:
            if not results:
                results.append(None)
                house.rows(
                    "UPDATE ops.sync_jobs"
                    " SET heartbeat_at = heartbeat_at - interval '2 minutes'"
                )
                results[0] = house.sync("prospects")

        with pytest.raises(psycopg.OperationalError):
            house.sync("prospects", progress=successor)

        assert results[0].status == "success"


class TestCompleteness:
    def test_list_that_ends_early_fails_after_a_second_reading(
        self, house: House
    ) -> None:
        house.sandbox.fault("lying_total", delta=7, path="/prospects")

        with pytest.raises(IncompleteReadError, match="607"):
            house.sync("prospects")

        assert house.value(WATERMARK) is None
        assert house.value("SELECT count(*) FROM warehouse.contacts") == 600

    def test_bare_lists_load_too(self, house: House) -> None:
        house.sandbox.configure(bare_lists=True)

        house.sync("prospects")

        assert not compare(house.conninfo, house.sandbox, "prospects")

    @pytest.mark.parametrize("kind", ["reset", "truncate", "html", "empty"])
    def test_a_fault_is_never_the_end_of_the_list(
        self, house: House, kind: str
    ) -> None:
        house.sandbox.fault(kind, query={"page": 3}, count=2)

        result = house.sync("prospects")

        assert result.requests == 8
        assert not compare(house.conninfo, house.sandbox, "prospects")


class TestQuota:
    def test_job_waits_without_loss_and_goes_on(
        self, house: House, make_house: Callable[[Source], House]
    ) -> None:
        # Six requests are needed; a window of an hour allows four.
        scarce = replace(house.source, quotas=(Quota("hourly", 4, 3600),))
        poor = make_house(scarce)

        waiting = poor.sync("prospects")

        assert waiting.status == "waiting"
        assert waiting.resume_at is not None
        assert waiting.resume_at > datetime.now(UTC) + timedelta(minutes=50)
        assert waiting.records_created == 400
        assert house.sandbox.stats()["requests"] == 4
        poor.rows("DELETE FROM ops.api_quota_usage")

        result = poor.sync("prospects")

        assert (result.job_id, result.status) == (waiting.job_id, "success")
        assert house.sandbox.stats()["requests"] == 6 + 1
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_a_limit_that_is_defined_no_more_does_not_count(
        self, house: House, make_house: Callable[[Source], House]
    ) -> None:
        scarce = replace(house.source, quotas=(Quota("hourly", 2, 3600),))
        assert make_house(scarce).sync("prospects").status == "waiting"

        renamed = replace(house.source, quotas=(Quota("per_hour", 100, 3600),))

        assert make_house(renamed).sync("prospects").status == "success"


class TestSettings:
    def test_switched_off_entity_is_not_loaded(self, house: House) -> None:
        house.sync("prospects")
        house.rows("UPDATE ops.sync_configurations SET is_active = false")

        with pytest.raises(SyncDisabledError, match="genius__prospects"):
            house.sync("prospects")

    def test_run_beats_configuration_beats_yaml(self, house: House) -> None:
        def page_size() -> int:
            return int(house.rows(JOB)[0]["arguments"]["page_size"])

        house.sync("prospects")
        assert page_size() == 100
        house.rows("UPDATE ops.sync_configurations SET config = '{\"batch_size\": 60}'")
        house.sync("prospects")
        assert page_size() == 60
        house.sync("prospects", batch_size=30)
        assert page_size() == 30
        house.sync("prospects", batch_size=1000)
        assert page_size() == 100  # what the API allows

    def test_wrong_configuration_says_where(self, house: House) -> None:
        house.sync("users")
        house.rows("UPDATE ops.sync_configurations SET config = '{\"batch\": 5}'")

        with pytest.raises(ConfigurationError, match=r"genius__users: config\.batch"):
            house.sync("users")

    def test_change_of_configuration_is_audited(self, house: House) -> None:
        house.sync("users")
        house.rows("UPDATE ops.sync_configurations SET is_active = false")

        details = house.value(
            "SELECT details FROM ops.audit_log WHERE action = 'configuration.update'"
        )
        assert (details["before"]["is_active"], details["after"]["is_active"]) == (
            True,
            False,
        )

    def test_audit_trail_cannot_be_changed(self, house: House) -> None:
        house.sync("users")

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            house.rows("DELETE FROM ops.audit_log")


def test_definition_and_metrics_are_kept(house: House) -> None:
    house.sync("users")
    house.sync("users")

    spec = house.value("SELECT spec FROM ops.source_specs WHERE entity_type = 'users'")
    metrics = house.rows("SELECT * FROM ops.sync_metrics")[0]
    assert spec["entity"]["into"] == "users"
    assert (metrics["total_syncs"], metrics["successful_syncs"]) == (2, 2)


def test_a_job_that_failed_and_was_resumed_counts_once(house: House) -> None:
    fault = house.sandbox.fault("status", status=503, query={"page": 4})
    with pytest.raises(TransientSourceError):
        house.sync("prospects")
    failed = house.rows("SELECT * FROM ops.sync_metrics")[0]
    assert (failed["failed_syncs"], failed["total_records"]) == (1, 300)
    house.sandbox.admin("DELETE", f"/faults/{fault}")

    house.sync("prospects")

    metrics = house.rows("SELECT * FROM ops.sync_metrics")[0]
    assert (metrics["total_syncs"], metrics["successful_syncs"]) == (1, 1)
    assert (metrics["failed_syncs"], metrics["total_records"]) == (0, 600)


def test_reading_thread_ends_with_the_job(house: House) -> None:
    house.sandbox.fault("status", status=400, query={"page": 2})
    with pytest.raises(Exception, match="400"):
        house.sync("prospects")

    assert [t.name for t in threading.enumerate() if t.name == "pages"] == []
