from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from recorded_sync import RecordedSync, a_result
from structlog.testing import capture_logs

from crm_warehouse.errors import (
    ConfigurationError,
    GuardError,
    MissingScopeError,
    SyncDisabledError,
)
from crm_warehouse.operators.load import MAX_WAIT_SECONDS
from crm_warehouse.operators.settings import parse_batch_size, parse_mode, parse_since
from crm_warehouse.operators.sync import SyncOperator
from include.dag_factory import SOURCES_DIRECTORY, load_source

GENIUS = load_source(SOURCES_DIRECTORY / "genius.yaml")
USERS = GENIUS.entities["users"]
TABLE = Asset("warehouse.users", "postgres://crm_warehouse/warehouse/warehouse/users")
TOKEN = "canary-token-of-genius"
PASSWORD = "canary-password-of-postgres"
FULL_TIME = datetime(2026, 3, 1, 4, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_GENIUS_DEFAULT",
        f'{{"conn_type": "genius", "host": "https://genius.example.com/v1",'
        f' "password": "{TOKEN}"}}',
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_CRM_WAREHOUSE",
        f'{{"conn_type": "postgres", "host": "db.example.com", "login": "loader",'
        f' "schema": "warehouse", "password": "{PASSWORD}"}}',
    )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(*answers: Any) -> RecordedSync:
        recorded = RecordedSync(*answers)
        monkeypatch.setattr("crm_warehouse.engine.sync.run_sync", recorded)
        monkeypatch.setattr(
            "crm_warehouse.engine.full_loads.is_owed", lambda *_, **__: False
        )
        return recorded

    return answer


def operator(**parameters: str) -> SyncOperator:
    empty = {"since": "", "batch_size": "", "override": ""}
    given = {"mode": "incremental", **empty, **parameters}
    return SyncOperator(
        task_id="sync",
        source=GENIUS,
        entity=USERS,
        outlets=[TABLE],
        retries=4,
        **given,
    )


def context(
    run_type: str = "manual",
    logical_date: datetime | None = None,
    earlier: tuple[tuple[str, datetime], ...] = (),
) -> Any:
    runs = [SimpleNamespace(run_id=run, logical_date=at) for run, at in earlier]

    def get_previous_ti(logical_date: datetime = logical_date) -> Any:
        before = [run for run in runs if run.logical_date < logical_date]
        return max(before, key=lambda run: run.logical_date, default=None)

    pushed: dict[str, Any] = {}

    def xcom_push(key: str, value: Any) -> None:
        pushed[key] = value

    return {
        "ti": SimpleNamespace(
            dag_id=USERS.dag_id,
            run_id="run-1",
            # Cleared after its second try; this is the second of the tries since.
            try_number=4,
            max_tries=6,
            get_previous_ti=get_previous_ti,
            xcom_push=xcom_push,
            pushed=pushed,
        ),
        "dag_run": SimpleNamespace(
            run_type=run_type, logical_date=logical_date, triggering_user_name="ada"
        ),
        "outlet_events": OutletEventAccessors(),
    }


def run(task: SyncOperator, ctx: Any = None) -> Any:
    return task.resume(ctx or context())


def test_the_engine_is_asked_for_what_the_run_parameters_say(engine: Any) -> None:
    recorded = engine(a_result())

    run(operator(since="2026-01-31T12:00:00+02:00", batch_size="50"))

    request = recorded.requests[0]
    assert (request.source, request.entity) == (GENIUS, USERS)
    assert (request.mode, request.via) == ("incremental", "api")
    assert request.since == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert request.batch_size == 50
    assert (request.dag_id, request.run_id) == ("genius__users", "run-1")
    assert (request.source_system, request.triggered_by) == ("genius", "airflow")
    assert (request.try_number, request.first_try) == (4, 3)
    assert recorded.arguments[0]["max_wait_seconds"] == MAX_WAIT_SECONDS
    assert recorded.arguments[0]["max_pause_seconds"] == MAX_WAIT_SECONDS


def test_guards_are_overridden_in_the_name_of_who_triggered_the_run(
    engine: Any,
) -> None:
    recorded = engine(a_result(), a_result())

    run(operator(mode="full", override="volume,mass_delete"))
    run(operator())

    first, second = recorded.requests
    assert first.override == {"mass_delete", "volume"}
    assert first.asked_by == "ada"
    assert second.override == frozenset()


def test_an_unknown_guard_is_refused() -> None:
    message = "run parameter override: 'everything' is no guard; there are mass_delete"
    with pytest.raises(ConfigurationError, match=message):
        run(operator(override="volume,everything"))
    with pytest.raises(ConfigurationError, match="'' is no guard"):
        run(operator(override="volume,"))


def test_the_engine_gets_the_warehouse_of_the_connection(engine: Any) -> None:
    recorded = engine(a_result())

    run(operator())

    conninfo = recorded.arguments[0]["conninfo"]
    assert "db.example.com" in conninfo
    assert PASSWORD in conninfo


def test_the_result_is_the_contract_of_the_command_line(engine: Any) -> None:
    engine(a_result())

    assert run(operator()) == a_result().as_contract()


def test_the_asset_event_carries_the_counters(engine: Any) -> None:
    engine(a_result("partial", failed=3))
    ctx = context()

    run(operator(), ctx)

    extra = ctx["outlet_events"][TABLE].extra
    assert (extra["job_id"], extra["status"], extra["records_failed"]) == (
        42,
        "partial",
        3,
    )


def warnings_of(entries: list[Any]) -> list[str]:
    return [entry["event"] for entry in entries if entry["log_level"] == "warning"]


def test_partial_is_green_and_warns(engine: Any) -> None:
    engine(a_result("partial", failed=3))

    with capture_logs() as entries:
        assert run(operator())["status"] == "partial"

    [warning] = warnings_of(entries)
    assert "3 records are in quarantine" in warning


def test_success_logs_its_chunks_and_its_end_and_does_not_warn(engine: Any) -> None:
    engine(a_result())

    with capture_logs() as entries:
        run(operator())

    assert warnings_of(entries) == []
    counters = "10 received, 7 created, 2 updated, 1 unchanged, 0 deleted, 0 failed"
    events = [entry["event"] for entry in entries if counters in entry["event"]]
    assert [event.split(":")[0] for event in events] == [
        "job 42 so far",
        "job 42 success",
    ]


REASON = "genius quota hourly: 1000 of 1000 requests in 1 hour used"


def test_waiting_for_quota_gives_the_worker_slot_back(engine: Any) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    engine(a_result("waiting", resume_at=moment, errors=(REASON,)))

    with pytest.raises(TaskDeferred) as deferral:
        run(operator())

    assert deferral.value.method_name == "resume"
    assert deferral.value.trigger.serialize() == (
        "crm_warehouse.triggers.wait.WaitTrigger",
        {"moment": moment, "reason": REASON},
    )


def test_a_wait_is_explained_in_the_log_and_as_xcom(engine: Any) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    engine(a_result("waiting", resume_at=moment, errors=(REASON,)))
    ctx = context()

    with capture_logs() as entries, pytest.raises(TaskDeferred):
        run(operator(), ctx)

    assert entries[-1]["event"] == (
        "job 42 waits until 2030-01-01 00:00:00Z, without a worker slot: " + REASON
    )
    assert ctx["ti"].pushed["waiting"] == {
        "until": moment.isoformat(),
        "reason": REASON,
        "job_id": 42,
    }


def test_after_the_wait_the_same_run_goes_on(engine: Any) -> None:
    recorded = engine(
        a_result("waiting", resume_at=datetime.now(UTC) + timedelta(hours=1)),
        a_result(),
    )
    task = operator(since="2026-01-31T00:00:00Z")

    with pytest.raises(TaskDeferred):
        run(task)
    task.resume(context(), event=datetime.now(UTC))

    assert recorded.requests[0] == recorded.requests[1]


def test_a_configuration_that_is_off_skips_the_task(engine: Any) -> None:
    engine(SyncDisabledError("genius users is switched off"))

    with pytest.raises(AirflowSkipException, match="switched off"):
        run(operator())


def test_a_missing_scope_skips_the_task_and_names_it(engine: Any) -> None:
    engine(MissingScopeError("/users: no scope (missing: crm.users.read)", 403))

    with pytest.raises(AirflowSkipException, match=r"missing: crm\.users\.read"):
        run(operator())


def test_an_error_of_the_engine_reaches_the_retry_policy_as_it_is(engine: Any) -> None:
    engine(ConfigurationError("no table"))

    with pytest.raises(ConfigurationError, match="no table"):
        run(operator())


def test_what_a_guard_says_stands_in_the_log_and_first_what_to_do(engine: Any) -> None:
    engine(GuardError("/users: 9 of 10 are missing", "mass_delete", "full"))

    with capture_logs() as logs, pytest.raises(GuardError):
        run(operator(mode="full"))

    assert [(line["log_level"], line["event"]) for line in logs] == [
        (
            "error",
            "stopped by guard mass_delete. If this is right, run again with mode full"
            " and override mass_delete.",
        ),
        ("error", "/users: 9 of 10 are missing"),
    ]


def test_each_problem_stands_in_the_log_on_its_own(engine: Any) -> None:
    engine(ConfigurationError("no table", "no column"))

    with capture_logs() as logs, pytest.raises(ConfigurationError):
        run(operator())

    assert [line["event"] for line in logs] == ["no table", "no column"]


def test_a_missing_token_is_said_before_anything_is_asked(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = engine(a_result())
    monkeypatch.setenv("AIRFLOW_CONN_GENIUS_DEFAULT", '{"conn_type": "genius"}')

    with pytest.raises(ConfigurationError, match=r"genius_default: no password"):
        run(operator())

    assert recorded.requests == []


def test_no_secret_is_logged(engine: Any, capfd: pytest.CaptureFixture[str]) -> None:
    engine(a_result("partial", failed=1))

    run(operator())

    written = "".join(capfd.readouterr())
    assert "job 42 partial" in written
    assert TOKEN not in written
    assert PASSWORD not in written


def test_secrets_are_masked_in_what_others_log(engine: Any) -> None:
    recorded = engine(a_result())

    run(operator())

    assert PASSWORD in recorded.arguments[0]["conninfo"]
    assert redact(f"{TOKEN} {PASSWORD}") == "*** ***"
    assert TOKEN not in repr(recorded.arguments[0]["open_client"])


@pytest.mark.parametrize(
    ("run_type", "logical_date", "mode", "expected"),
    [
        ("scheduled", FULL_TIME, "incremental", "full"),
        ("scheduled", FULL_TIME + timedelta(hours=1), "incremental", "incremental"),
        ("manual", FULL_TIME, "incremental", "incremental"),
        ("scheduled", FULL_TIME, "replay", "replay"),
    ],
)
def test_a_scheduled_run_at_the_full_time_is_full(
    engine: Any, run_type: str, logical_date: datetime, mode: str, expected: str
) -> None:
    recorded = engine(a_result())
    earlier = (("scheduled__x", FULL_TIME),)

    run(operator(mode=mode), context(run_type, logical_date, earlier))

    assert recorded.requests[0].mode == expected


def test_a_full_time_that_airflow_dropped_is_made_up_for(engine: Any) -> None:
    recorded = engine(a_result())
    earlier = (
        ("scheduled__x", FULL_TIME - timedelta(hours=1)),
        ("manual__x", FULL_TIME + timedelta(minutes=5)),
    )

    run(operator(), context("scheduled", FULL_TIME + timedelta(hours=1), earlier))

    assert recorded.requests[0].mode == "full"


def test_a_full_load_that_never_began_is_made_up_for(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = engine(a_result())
    asked: list[dict[str, Any]] = []

    def is_owed(_: str, **question: Any) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr("crm_warehouse.engine.full_loads.is_owed", is_owed)
    earlier = (("scheduled__x", FULL_TIME),)
    moment = FULL_TIME + timedelta(hours=1)

    run(operator(), context("scheduled", moment, earlier))

    assert recorded.requests[0].mode == "full"
    assert asked[0]["due"] == FULL_TIME
    assert (asked[0]["source_system"], asked[0]["entity_type"]) == ("genius", "users")
    assert asked[0]["via"] == "api"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1767225600.5x"])
def test_a_since_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        parse_since(text, "incremental")


def test_a_since_without_an_offset_is_utc() -> None:
    assert parse_since("2026-01-31", "incremental") == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("mode", ["full", "replay"])
def test_since_belongs_to_incremental_runs_only(mode: Any) -> None:
    with pytest.raises(ConfigurationError, match="leave since empty"):
        parse_since("2026-01-31T00:00:00Z", mode)


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="incremental, full, replay"):
        parse_mode("everything")


@pytest.mark.parametrize("text", ["0", "101", "-1", "ten", "1.5", "²", "１０"])
def test_a_batch_size_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="from 1 to 100"):
        parse_batch_size(text, 100)


def test_empty_parameters_mean_not_given() -> None:
    assert parse_since("", "full") is None
    assert parse_batch_size("", 100) is None
    assert parse_batch_size("100", 100) == 100
