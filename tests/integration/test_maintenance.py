"""What died, waits or was forgotten is taken up again, without anybody."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.connections.webhooks import WebhookOwner
from crm_warehouse.engine import due, reading
from crm_warehouse.engine.maintenance import Act, MaintenanceRequest, Report, maintain
from crm_warehouse.engine.recovery import Access
from crm_warehouse.engine.reprocess import ReprocessRequest, reprocess
from crm_warehouse.errors import FencedError, TransientSourceError
from crm_warehouse.spec import Quota, Source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, generous_sources
from tests.proof.house import GENIUS, House
from tests.proof.oracle import compare

PAGES = 100
JOBS = "SELECT * FROM ops.sync_jobs ORDER BY id"
FAIL = (
    "UPDATE ops.sync_jobs SET status = 'failed', error_type = 'transient',"
    " completed_at = now()"
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given time, so that tests wait for nothing; chunks of two pages."""
    for name in ("DEAD", "LATE", "FAILED", "AIRFLOW"):
        monkeypatch.setattr(due, f"{name}_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)


def heal(house: House, *, whole: bool = False, in_place: bool = True) -> Report:
    def access_of(_: Source) -> Access:
        return Access(
            house.source,
            lambda _: house.open_client,
            WebhookOwner(portal_id=None, app_id=None),
        )

    return maintain(
        MaintenanceRequest([house.source], whole=whole),
        conninfo=house.conninfo,
        access_of=access_of if in_place else None,
    )


def recovered(report: Report) -> Act:
    [found] = [each for each in report.acts if each.act == "recover_jobs"]
    return found


def figures(report: Report) -> tuple[int, int]:
    act = recovered(report)
    assert act.error is None
    return act.found, act.done


class PowerCutError(BaseException):
    """Ends a sync as a kill would: nothing more is written."""


def die(house: House, entity: str = "prospects", **options: Any) -> None:
    """Load until the first chunk is committed, then end as a kill does."""

    def cut(so_far: Any) -> None:
        if so_far.records_received:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        house.sync(entity, progress=cut, **options)


def park(make_house: Callable[[Source], House], source: Source) -> House:
    """A job that waits since yesterday, and may go on."""
    quota = Quota("test", requests=3, per_seconds=3600.0)
    house = make_house(replace(source, quotas=(quota,)))
    assert house.sync("prospects").status == "waiting"
    house.rows("UPDATE ops.sync_jobs SET resume_at = now() - interval '1 day'")
    return house


def allow_another_try(house: House) -> None:
    house.rows("UPDATE ops.job_recoveries SET next_try_at = clock_timestamp()")


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(prospects=PAGES * 100, quota=False)) as server:
        yield server


class TestKilledProcess:
    @pytest.fixture
    def command(
        self, warehouse: str, slow_sandbox: SandboxServer, tmp_path: Path
    ) -> CommandLine:
        slow_sandbox.configure(quota={"enabled": False})
        # Slow enough for the kill to fall into the load, not behind it.
        slow_sandbox.fault("latency", seconds=0.02, path="/prospects")
        return CommandLine(warehouse, slow_sandbox, generous_sources(tmp_path))

    def test_one_round_brings_its_load_to_the_end(self, command: CommandLine) -> None:
        house = House(command.conninfo, command.sandbox, GENIUS)
        words = ("sync", "--source", "genius", "--entity", "prospects")
        with command.start(*words, "--mode", "full") as process:
            _until(lambda: house.rows("SELECT 1 FROM ops.sync_jobs WHERE chunks > 0"))
            process.kill()
            assert process.wait() == -9
        _until(
            lambda: not house.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")
        )
        # The kill was a while ago.
        house.rows("UPDATE ops.sync_jobs SET heartbeat_at = now() - interval '1 min'")

        end = command.run("maintain", "--source", "genius")

        assert end.status == 0, end.errors
        [job] = house.rows(JOBS)
        assert (job["status"], job["attempt"]) == ("success", 2)
        assert job["records_created"] == job["records_processed"] == PAGES * 100
        assert not compare(command.conninfo, command.sandbox, "prospects")
        acts = {act["act"]: act for act in end.result["acts"]}
        assert acts["recover_jobs"]["details"] == {"jobs": [job["id"]]}
        assert end.output.splitlines()[1].split()[:4] == [
            *("recover_jobs", "genius", "1", "1")
        ]


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestStaleJobs:
    def test_with_nothing_stale_nothing_is_done(self, house: House) -> None:
        house.sync("prospects")

        assert figures(heal(house)) == (0, 0)
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1

    def test_a_dead_job_keeps_its_window_arguments_and_run(self, house: House) -> None:
        since = datetime(2020, 1, 1, tzinfo=UTC)
        run = {"triggered_by": "airflow", "dag_id": "d", "run_id": "r"}
        die(house, since=since, batch_size=50, **run)

        assert figures(heal(house)) == (1, 1)

        [job] = house.rows(JOBS)
        assert (job["status"], job["attempt"]) == ("success", 2)
        assert job["arguments"] == {"since": since.isoformat(), "page_size": 50}
        assert (job["dag_id"], job["run_id"]) == ("d", "r")
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_its_own_run_takes_the_result_over(self, house: House) -> None:
        run = {"triggered_by": "airflow", "dag_id": "d", "run_id": "r"}
        die(house, mode="full", try_number=1, **run)
        heal(house)
        requests = house.sandbox.stats()["requests"]

        result = house.sync("prospects", "full", try_number=2, **run)

        assert result.status == "success"
        assert result.records_created == result.records_processed == 600
        assert house.sandbox.stats()["requests"] == requests
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1
        # Cleared after that, the run reads its window again, as ever.
        again = house.sync("prospects", "full", try_number=3, first_try=3, **run)
        assert again.job_id != result.job_id
        assert again.records_unchanged == 600

    def test_a_try_killed_behind_the_last_commit_is_not_done_again(
        self, house: House
    ) -> None:
        run = {"triggered_by": "airflow", "dag_id": "d", "run_id": "r"}
        first = house.sync("prospects", "full", try_number=4, first_try=3, **run)
        requests = house.sandbox.stats()["requests"]

        result = house.sync("prospects", "full", try_number=5, first_try=3, **run)

        assert (result.job_id, result.records_created) == (first.job_id, 600)
        assert house.sandbox.stats()["requests"] == requests
        # Another run, other arguments, or who begins anew: none of its business.
        for other in ({"run_id": "s"}, {"batch_size": 50}, {"restart": True}):
            words = {**run, "try_number": 5, "first_try": 3, **other}
            assert house.sync("prospects", "full", **words).job_id != first.job_id

    def test_a_job_at_work_is_left_alone(self, house: House) -> None:
        reports: list[Report] = []

        def look(so_far: Any) -> None:
            if so_far.records_received and not reports:
                reports.append(heal(house))

        result = house.sync("prospects", progress=look)

        assert figures(reports[0]) == (0, 0)
        assert result.status == "success"
        assert house.rows(JOBS)[0]["attempt"] == 1

    def test_a_stopped_process_is_cut_off_and_replaced(self, house: House) -> None:
        reports: list[Report] = []

        def stop(so_far: Any) -> None:
            if so_far.records_received and not reports:
                house.rows(
                    "UPDATE ops.sync_jobs"
                    " SET heartbeat_at = heartbeat_at - interval '31 seconds'"
                )
                reports.append(heal(house))

        with pytest.raises(psycopg.OperationalError):
            house.sync("prospects", progress=stop)

        assert figures(reports[0]) == (1, 1)
        [job] = house.rows(JOBS)
        assert (job["status"], job["attempt"]) == ("success", 2)
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_a_silence_shorter_than_airflows_first_retry_is_no_death(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(due, "DEAD_AFTER_SECONDS", 3600.0)
        die(house)

        assert figures(heal(house)) == (0, 0)

    def test_a_failure_that_may_pass_is_tried_again(self, house: House) -> None:
        house.sandbox.fault("status", status=503, path="/prospects")
        with pytest.raises(TransientSourceError):
            house.sync("prospects")
        house.sandbox.admin("DELETE", "/faults")

        assert figures(heal(house)) == (1, 1)
        assert [job["status"] for job in house.rows(JOBS)] == ["success"]

    def test_a_failure_that_needs_a_person_is_not(self, house: House) -> None:
        house.sync("prospects")
        house.rows(
            "UPDATE ops.sync_jobs SET status = 'failed', error_type = 'configuration'"
        )

        assert figures(heal(house)) == (0, 0)

    def test_nor_one_that_a_later_job_made_good(self, house: House) -> None:
        house.sync("prospects")
        house.rows(
            "UPDATE ops.sync_jobs SET status = 'failed', error_type = 'transient'"
        )
        house.sync("prospects", "full")

        assert figures(heal(house)) == (0, 0)

    def test_a_failed_full_load_outlives_other_jobs(self, house: House) -> None:
        die(house, mode="full")
        house.rows(FAIL)
        house.sync("prospects")
        prospects = house.source.entities["prospects"]
        reprocess(
            ReprocessRequest(house.source, prospects, "genius"), conninfo=house.conninfo
        )

        assert figures(heal(house)) == (1, 1)

        first = house.rows(JOBS)[0]
        assert (first["job_type"], first["status"], first["attempt"]) == (
            *("full", "success"),
            2,
        )
        assert not compare(house.conninfo, house.sandbox, "prospects")

    def test_the_next_full_load_goes_on_with_it(self, house: House) -> None:
        die(house, mode="full")
        house.rows(FAIL)
        house.sync("prospects")

        assert house.sync("prospects", "full").job_id == house.rows(JOBS)[0]["id"]

    def test_but_not_when_what_it_saw_is_old(self, house: House) -> None:
        die(house, mode="full")
        house.rows(FAIL)
        house.rows("UPDATE ops.sync_jobs SET completed_at = now() - interval '2 days'")

        assert house.sync("prospects", "full").job_id != house.rows(JOBS)[0]["id"]

    def test_unless_maintenance_asks_for_it(self, house: House) -> None:
        """After an outage of some days, late is better than at the next full time."""
        die(house, mode="full")
        house.rows(FAIL)
        house.rows("UPDATE ops.sync_jobs SET completed_at = now() - interval '2 days'")

        assert figures(heal(house)) == (1, 1)
        assert house.rows(JOBS)[0]["status"] == "success"

    def test_a_failed_incremental_one_is_made_good_by_a_full_load_only(
        self, house: House
    ) -> None:
        die(house)
        house.rows(FAIL)
        house.sync("prospects", "full")
        failed, full = (job["id"] for job in house.rows(JOBS))

        assert figures(heal(house)) == (0, 0)
        assert house.sync("prospects").job_id not in (failed, full)

    def test_nor_one_that_is_switched_off(self, house: House) -> None:
        die(house)
        house.rows("UPDATE ops.sync_configurations SET is_active = false")

        assert figures(heal(house)) == (0, 0)

    def test_a_hopeless_job_is_not_tried_for_ever(self, house: House) -> None:
        house.sync("prospects")
        house.rows(
            "UPDATE ops.sync_jobs SET status = 'failed', error_type = 'transient'"
        )
        tries = 0
        for _ in range(due.MOST_TRIES + 5):
            tries += len(heal(house, in_place=False).due)
            allow_another_try(house)

        assert tries == due.MOST_TRIES

    @pytest.mark.parametrize(
        "change",
        [
            {"entities": {}},
            {"paging": replace(GENIUS.paging, size=50, max_size=50)},
        ],
        ids=["entity gone", "page size refused"],
    )
    def test_nor_a_wait_that_can_never_begin_again(
        self,
        make_house: Callable[[Source], House],
        genius: Source,
        change: dict[str, Any],
    ) -> None:
        park(make_house, genius)
        house = make_house(replace(genius, **change))
        tries = 0
        for _ in range(due.MOST_TRIES + 5):
            tries += recovered(heal(house)).found
            allow_another_try(house)

        assert tries == due.MOST_TRIES
        assert house.rows(JOBS)[0]["attempt"] == 1

    def test_waits_that_began_again_are_never_given_up(
        self, make_house: Callable[[Source], House], genius: Source
    ) -> None:
        house = park(make_house, genius)
        for _ in range(due.MOST_TRIES + 5):
            assert len(heal(house, in_place=False).due) == 1
            house.rows("UPDATE ops.sync_jobs SET attempt = attempt + 1")

        assert house.value("SELECT tries FROM ops.job_recoveries") == 1

    def test_it_is_not_asked_for_again_at_once(self, house: House) -> None:
        die(house)
        first, second = (heal(house, in_place=False) for _ in range(2))

        assert [each.job_id for each in first.due] == [house.rows(JOBS)[0]["id"]]
        assert second.due == []

    def test_each_try_waits_longer(self, house: House) -> None:
        die(house)
        pauses = []
        for _ in range(6):
            heal(house, in_place=False)
            pause = house.value(
                "SELECT next_try_at - last_try_at FROM ops.job_recoveries"
            )
            pauses.append(pause / timedelta(minutes=1))
            allow_another_try(house)

        assert pauses == [1, 4, 16, 60, 60, 60]

    def test_a_job_that_got_further_is_taken_up_at_once(self, house: House) -> None:
        die(house)
        heal(house, in_place=False)
        house.rows("UPDATE ops.sync_jobs SET chunks = chunks + 1")

        assert len(heal(house, in_place=False).due) == 1
        assert house.value("SELECT tries FROM ops.job_recoveries") == 1

    def test_a_wait_that_is_over_goes_on(
        self, make_house: Callable[[Source], House], genius: Source
    ) -> None:
        quota = Quota("test", requests=3, per_seconds=3600.0)
        parked = make_house(replace(genius, quotas=(quota,)))
        assert parked.sync("prospects").status == "waiting"
        house = make_house(genius)
        assert figures(heal(house)) == (0, 0)  # its time has not come
        house.rows("UPDATE ops.sync_jobs SET resume_at = now() - interval '1 second'")

        assert figures(heal(house)) == (1, 1)
        [job] = house.rows(JOBS)
        assert (job["status"], job["attempt"]) == ("success", 2)

    def test_a_wait_whose_hold_was_ended_can_be_woken(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the guide to quota says it."""
        monkeypatch.setattr(due, "LATE_AFTER_SECONDS", 60.0)
        house.sandbox.fault("status", status=429, after=4, count=1, retry_after=3600)
        assert house.sync("prospects", batch_size=50).status == "waiting"
        house.rows("DELETE FROM ops.api_quota_holds WHERE source_system = 'genius'")
        assert figures(heal(house)) == (0, 0)

        house.rows(
            "UPDATE ops.sync_jobs SET resume_at = now() - interval '1 minute'"
            " WHERE source_system = 'genius' AND status = 'waiting'"
        )

        assert figures(heal(house)) == (1, 1)
        [job] = house.rows(JOBS)
        assert (job["status"], job["attempt"]) == ("success", 2)

    def test_who_comes_too_late_begins_nothing_new(self, house: House) -> None:
        die(house)
        [stale] = heal(house, in_place=False).due
        house.sync("prospects")
        access = Access(
            house.source,
            lambda _: house.open_client,
            WebhookOwner(portal_id=None, app_id=None),
        )

        with pytest.raises(FencedError, match="not to be resumed any more"):
            stale.load(access, conninfo=house.conninfo)
        # Nor when that happens behind its last look.
        with pytest.raises(FencedError, match="not to be resumed any more"):
            house.sync("prospects", job_id=stale.job_id)

        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1
