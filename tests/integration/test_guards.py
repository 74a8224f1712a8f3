"""Guards against volume and broken shapes: they stop before harm, and let pass."""

from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.engine import guards, reading
from crm_warehouse.errors import ConfigurationError, GuardError
from tests.proof.house import House
from tests.proof.oracle import compare

JOB = "SELECT * FROM ops.sync_jobs ORDER BY id DESC LIMIT 1"
OVERRIDDEN = (
    "SELECT object_id, actor, details FROM ops.audit_log"
    " WHERE action = 'job.guard_overridden' ORDER BY id"
)

REJECTS = "SELECT * FROM ops.sync_errors WHERE fingerprint NOT LIKE 'job:%%'"


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 prospects are a small table: a hundred records of them are many."""
    monkeypatch.setattr(guards, "VOLUME_FLOOR", 100)
    monkeypatch.setattr(reading, "_CHUNK_SECONDS", 3600.0)  # a chunk is full, or ends


@pytest.fixture
def steady(house: House) -> House:
    """Prospects that were loaded, and five times since without anything new."""
    house.sync("prospects")
    for _ in range(guards.LEAST_JOBS):
        house.sync("prospects")
    return house


def refused(house: House, **options: Any) -> GuardError:
    mode = options.pop("mode", "incremental")
    with pytest.raises(GuardError) as caught:
        house.sync("prospects", mode, **options)
    job = house.rows(JOB)[0]
    assert (job["status"], job["error_type"]) == ("failed", "guard")
    assert job["guard"] == caught.value.guard
    remedy = f"run again with mode {mode} and override {job['guard']}"
    assert str(caught.value).endswith(remedy)
    return caught.value


def written(house: House) -> list[dict[str, Any]]:
    """Row and payload of every prospect, as they are stored."""
    return house.rows(
        "SELECT source_id, w.xmin::text AS row, r.xmin::text AS payload"
        " FROM warehouse.contacts w JOIN raw.genius_prospects r"
        " USING (source_system, source_id) ORDER BY 1"
    )


def add_rule(house: House, field: str, on_error: str) -> None:
    """A rule that no value of a prospect's field fulfils."""
    house.rows(
        "INSERT INTO ops.sync_validation_rules"
        " (name, source_system, entity_type, field, rule_type, config, on_error)"
        " VALUES ('short', 'genius', 'prospects', %s, 'max_length',"
        " '{\"length\": 1}', %s)",
        field,
        on_error,
    )


@pytest.mark.parametrize("guard", ["mass_delete", "empty_list"])
@pytest.mark.parametrize("mode", ["incremental", "replay"])
def test_an_override_that_only_a_full_load_needs_is_refused_elsewhere(
    house: House, guard: Any, mode: str
) -> None:
    message = f"override {guard} goes with mode full, not {mode}.* Choose mode full"
    with pytest.raises(ConfigurationError, match=message):
        house.sync("prospects", mode, override=frozenset({guard, "volume"}))
    assert house.rows(JOB) == []


class TestVolume:
    def test_an_announced_flood_stops_before_a_record_is_written(
        self, steady: House
    ) -> None:
        before = written(steady)
        steady.sandbox.move("prospects", "change", 400)

        error = refused(steady)

        assert "announces 400 records, and no more than 300" in str(error)
        assert written(steady) == before
        assert steady.rows(JOB)[0]["chunks"] == 0

    def test_an_override_lets_it_pass_once_and_is_audited(
        self, steady: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        steady.sandbox.move("prospects", "change", 400)
        refused(steady)
        stopped = steady.rows(JOB)[0]

        result = steady.sync(
            "prospects",
            override=frozenset({"volume"}),
            asked_by="ada",
        )

        assert (result.job_id, result.records_updated) == (stopped["id"], 400)
        job = steady.rows(JOB)[0]
        assert (job["attempt"], job["overrides"], job["guard"]) == (2, ["volume"], None)
        assert (
            f"job {job['id']} overrides volume: records 400, limit 300" in caplog.text
        )
        (audited,) = steady.rows(OVERRIDDEN)
        assert (audited["object_id"], audited["actor"]) == (str(job["id"]), "cli")
        assert audited["details"]["guard"] == "volume"
        assert audited["details"]["records"] == 400
        assert audited["details"]["limit"] == 300
        asked = steady.value(
            "SELECT details FROM ops.audit_log WHERE action = 'job.resumed'"
        )
        assert (asked["asked_by"], asked["override"]) == ("ada", ["volume"])
        assert not compare(steady.conninfo, steady.sandbox, "prospects")

    def test_an_unannounced_flood_stops_where_it_passes_the_limit(
        self, steady: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)
        steady.sandbox.configure(bare_lists=True)
        steady.sandbox.move("prospects", "change", 500)

        error = refused(steady)

        assert "has sent" in str(error)
        stopped = steady.rows(JOB)[0]
        assert 200 <= stopped["records_updated"] <= 300
        steady.sandbox.admin("DELETE", "/stats")
        # What came before the guard is not asked for again.
        result = steady.sync("prospects", override=frozenset({"volume"}))
        assert (result.job_id, result.records_updated) == (stopped["id"], 500)
        assert steady.sandbox.stats()["requests"] <= 5
        assert not compare(steady.conninfo, steady.sandbox, "prospects")

    def test_without_an_override_the_source_is_asked_anew(self, steady: House) -> None:
        steady.sandbox.move("prospects", "change", 400)
        refused(steady, dag_id="genius__prospects", run_id="manual__1")
        stopped = steady.rows(JOB)[0]

        refused(steady, dag_id="genius__prospects", run_id="manual__1")

        job = steady.rows(JOB)[0]
        assert (job["id"], job["attempt"]) == (stopped["id"] + 1, 1)
        assert job["window_start"] == stopped["window_start"]

    def test_an_override_of_another_guard_changes_nothing(self, steady: House) -> None:
        steady.sandbox.move("prospects", "change", 400)

        refused(steady, override=frozenset({"schema_break"}))

        assert steady.rows(OVERRIDDEN) == []

    def test_after_a_pause_much_is_no_surprise(self, steady: House) -> None:
        steady.rows("UPDATE ops.sync_jobs SET records_received = 20")
        steady.rows("UPDATE ops.watermarks SET watermark = watermark - interval '1 h'")
        steady.sandbox.move("prospects", "change", 400)

        assert steady.sync("prospects").records_updated == 400

    def test_a_day_as_large_as_others_passes(self, steady: House) -> None:
        steady.rows("UPDATE ops.sync_jobs SET records_received = 40 WHERE id = 3")
        steady.sandbox.move("prospects", "change", 400)

        assert steady.sync("prospects").records_updated == 400

    def test_the_factor_is_a_setting(self, steady: House) -> None:
        steady.rows("UPDATE ops.sync_jobs SET records_received = 40 WHERE id = 3")
        steady.rows(
            "UPDATE ops.sync_configurations SET config = '{\"max_volume_factor\": 2}'"
        )
        steady.sandbox.move("prospects", "change", 400)

        assert "max_volume_factor 2" in str(refused(steady))

    def test_few_jobs_are_no_measure(self, house: House) -> None:
        house.sync("prospects")
        for _ in range(guards.LEAST_JOBS - 1):
            house.sync("prospects")
        house.sandbox.move("prospects", "change", 400)

        assert house.sync("prospects").records_updated == 400

    def test_who_asks_for_a_longer_time_gets_it(self, steady: House) -> None:
        watermark = steady.value("SELECT watermark FROM ops.watermarks")

        result = steady.sync("prospects", since=watermark - timedelta(days=3000))

        assert result.records_received == 600

    def test_a_full_load_is_measured_by_full_loads(self, steady: House) -> None:
        for _ in range(guards.LEAST_JOBS):
            steady.sync("prospects", "full")
        steady.rows("UPDATE ops.sync_jobs SET records_received = 10")

        assert "announces 600" in str(refused(steady, mode="full"))


class TestShape:
    def test_records_that_lose_their_ids_stop_the_load(self, house: House) -> None:
        house.sync("prospects")
        before = written(house)
        house.sandbox.fault("rename_field", field="id", to="prospect_id")

        error = refused(house, mode="full")

        assert "600 of 600 records were rows and cannot be any more" in str(error)
        assert "missing_id source_id" in str(error)
        assert written(house) == before
        assert house.rows(REJECTS) == []

    def test_records_that_never_were_rows_are_quarantined(self, house: House) -> None:
        """Dirt is no broken shape, however much of it there is."""
        count = len(house.sandbox.truth("appointments"))
        dirty = count * 3 // 5
        house.sandbox.move("appointments", "spoil", dirty, kind="bad_scheduled_date")

        first = house.sync("appointments", "full")
        again = house.sync("appointments", "full")

        assert first.records_failed == again.records_failed == dirty >= 100
        assert (first.status, again.status) == ("partial", "success")

    def test_rows_that_would_become_rejects_stop_the_load(self, house: House) -> None:
        count = house.sync("appointments", "full").records_created
        dirty = count * 3 // 5
        house.sandbox.move("appointments", "spoil", dirty, kind="bad_scheduled_date")

        message = f"{dirty} of {count} records were rows .* invalid_timestamp"
        with pytest.raises(GuardError, match=message):
            house.sync("appointments", "full")

        assert house.rows(REJECTS) == []

    def test_few_records_never_stop(self, house: House) -> None:
        house.sync("prospects")
        house.sandbox.fault("drop_field", field="email")
        house.sandbox.move("prospects", "change", 199)

        assert house.sync("prospects").status == "success"

    def test_columns_that_are_thin_anyway_stop_nothing(self, house: House) -> None:
        house.sync("prospects")
        house.rows(
            "UPDATE warehouse.contacts SET lead_source = NULL WHERE mod(id, 5) < 3"
        )
        house.sandbox.fault("drop_field", field="source")

        assert house.sync("prospects", "full").records_updated > 0

    def test_small_chunks_count_together(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)
        house.sync("prospects")
        house.sandbox.fault("retype_field", field="email")

        error = refused(house, mode="full")

        assert "email_normalized of warehouse.contacts came empty" in str(error)
        # The chunk before stays, since nothing could be known yet.
        assert house.rows(JOB)[0]["records_updated"] <= 100

    def test_only_chunks_that_were_not_written_are_read_again(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)
        house.sync("prospects")
        house.sandbox.fault("retype_field", field="email")
        refused(house, mode="full", batch_size=20)
        stopped = house.rows(JOB)[0]
        assert stopped["chunks"] >= 1
        house.sandbox.admin("DELETE", "/stats")

        result = house.sync(
            "prospects", "full", batch_size=20, override=frozenset({"schema_break"})
        )

        assert (result.job_id, result.status) == (stopped["id"], "success")
        # Besides the rest of 30 pages the last one before, for the place.
        requests = house.sandbox.stats()["requests"]
        assert requests == 30 - 5 * stopped["chunks"] + 1

    def test_what_a_rule_rejects_is_no_broken_shape(self, house: House) -> None:
        house.sync("prospects")
        add_rule(house, "first_name", "reject")

        result = house.sync("prospects", "full")

        assert (result.status, result.records_failed) == ("partial", 600)
        assert house.value("SELECT count(first_name) FROM warehouse.contacts") == 600

    @pytest.mark.parametrize(
        ("field", "made"), [("first_name", "first_name"), ("email", "email_normalized")]
    )
    def test_what_a_rule_empties_is_no_broken_shape(
        self, house: House, field: str, made: str
    ) -> None:
        house.sync("prospects")
        add_rule(house, field, "set_null")

        assert house.sync("prospects", "full").status == "success"

        empty = f"SELECT count({field}) + count({made}) FROM warehouse.contacts"
        assert house.value(empty) == 0

    def test_beside_a_rule_the_other_columns_are_guarded(self, house: House) -> None:
        house.sync("prospects")
        add_rule(house, "first_name", "set_null")
        house.sandbox.fault("drop_field", field="email")

        error = refused(house, mode="full")

        assert str(error).split(": ")[1].startswith("email, email_normalized of")

    def test_a_field_that_a_few_still_have_is_no_broken_shape(
        self, house: House
    ) -> None:
        house.sync("prospects")
        house.sandbox.fault("drop_field", field="email", query={"page": 1})
        house.sandbox.fault("drop_field", field="email", query={"page": 2})

        assert house.sync("prospects", "full").status == "success"


@pytest.mark.parametrize("guard", ["mass_delete", "volume", "schema_break"])
def test_a_stopped_job_is_not_resumed_after_a_day(house: House, guard: str) -> None:
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 300)
    refused(house, mode="full")
    house.rows(
        "UPDATE ops.sync_jobs SET completed_at = completed_at - interval '25 hours'"
    )

    if guard != "mass_delete":
        refused(house, mode="full", override=frozenset({guard}))
    else:
        house.sync("prospects", "full", override=frozenset({guard}))

    assert house.rows(JOB)[0]["attempt"] == 1
