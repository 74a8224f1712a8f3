"""Files against what the warehouse holds: what they say, and what they leave alone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_warehouse.engine import reading as reading_module
from crm_warehouse.errors import (
    ConfigurationError,
    GuardError,
    SyncConflictError,
)
from include.sandbox.server import SandboxServer
from tests.proof.house import House

FULL = "id,first_name,last_name,email,phone,city,status,modified_date\n"
LATER = datetime.now(UTC) + timedelta(days=1)


class Files:
    """Files of Genius prospects.

    Args:
        house: Where they are imported.
        folder: Where they are written.
    """

    def __init__(self, house: House, folder: Path) -> None:
        self._house = house
        self._folder = folder
        self._written = 0

    def write(self, text: str, *, days_ago: float = 0.0) -> Path:
        self._written += 1
        path = self._folder / f"{self._written}.csv"
        path.write_text(text)
        moment = datetime.now(UTC).timestamp() - days_ago * 86_400
        os.utime(path, (moment, moment))
        return path

    def load(self, text: str, *, days_ago: float = 0.0, **options: Any) -> Any:
        path = self.write(text, days_ago=days_ago)
        return self._house.import_file("prospects", path, **options)


@pytest.fixture
def files(house: House, tmp_path: Path) -> Files:
    return Files(house, tmp_path)


def contact(house: House, source_id: str) -> dict[str, Any]:
    [row] = house.rows(
        "SELECT * FROM warehouse.contacts WHERE source_id = %s", source_id
    )
    return row


def outcome(result: Any) -> tuple[int, int, int, int]:
    return (
        result.records_created,
        result.records_updated,
        result.records_unchanged,
        result.records_failed,
    )


class TestPartial:
    def test_a_column_that_the_file_lacks_is_not_cleared(
        self, house: House, files: Files
    ) -> None:
        house.sync("prospects")
        before = contact(house, "100001")

        result = files.load("id,status\n100001,moved\n")

        assert outcome(result) == (0, 1, 0, 0)
        after = contact(house, "100001")
        assert after["status"] == "moved"
        kept = ["first_name", "last_name", "email", "city", "source_updated_at"]
        assert [after[name] for name in kept] == [before[name] for name in kept]
        raw = house.value(
            "SELECT payload FROM raw.genius_prospects WHERE source_id = '100001'"
        )
        assert raw["status"] == "moved"
        assert raw["first_name"] == before["first_name"]

    def test_an_empty_cell_clears(self, house: House, files: Files) -> None:
        files.load("id,first_name,city\n1,Ada,London\n", days_ago=1)

        result = files.load("id,first_name,city\n1,Ada,\n")

        assert outcome(result) == (0, 1, 0, 0)
        assert contact(house, "1")["city"] is None

    def test_an_empty_version_keeps_older_files_out(
        self, house: House, files: Files
    ) -> None:
        head = "id,first_name,modified_date\n"
        files.load(f"{head}1,Ada,2026-05-01T00:00:00Z\n", days_ago=3)
        files.load(f"{head}1,Ava,\n", days_ago=2)

        files.load(f"{head}1,Old,2025-01-01T00:00:00Z\n", days_ago=1)

        row = contact(house, "1")
        assert row["first_name"] == "Ava"
        assert row["source_updated_at"] == datetime(2026, 5, 1, tzinfo=UTC)

    def test_a_short_row_leaves_the_rest_alone(
        self, house: House, files: Files
    ) -> None:
        files.load("id,first_name,city\n1,Ada,London\n", days_ago=1)

        files.load("id,first_name,city\n1,Ava\n")

        row = contact(house, "1")
        assert (row["first_name"], row["city"]) == ("Ava", "London")

    def test_two_lines_of_one_record_add_up(self, house: House, files: Files) -> None:
        result = files.load("id,first_name,city\n1,Ada,London\n1,Ava\n")

        assert outcome(result) == (1, 0, 0, 0)
        assert result.records_repeated == 1
        row = contact(house, "1")
        assert (row["first_name"], row["city"]) == ("Ava", "London")

    def test_an_unknown_column_is_kept_in_the_payload(
        self, house: House, files: Files
    ) -> None:
        files.load("id,Roof Pitch\n1,7/12\n")

        payload = house.value("SELECT payload FROM raw.genius_prospects")
        assert payload == {"id": 1, "Roof Pitch": "7/12"}

    def test_an_api_load_goes_on_from_what_a_file_left(
        self, house: House, files: Files
    ) -> None:
        files.load("id,status,Roof Pitch\n100001,moved,7/12\n", days_ago=1)

        result = house.sync("prospects", "full")

        assert (result.records_created, result.records_updated) == (599, 1)
        assert contact(house, "100001")["status"] != "moved"


class TestNewestWins:
    def test_a_line_with_an_older_version_changes_nothing(
        self, house: House, files: Files
    ) -> None:
        files.load(FULL + "1,Ada,L,,,,new,2026-03-02T00:00:00Z\n", days_ago=1)

        result = files.load(FULL + "1,Old,L,,,,old,2026-03-01T00:00:00Z\n")

        assert outcome(result) == (0, 0, 1, 0)
        assert contact(house, "1")["status"] == "new"

    def test_a_newer_version_wins_though_the_file_is_older(
        self, house: House, files: Files
    ) -> None:
        files.load(FULL + "1,Ada,L,,,,old,2026-03-01T00:00:00Z\n")

        files.load(FULL + "1,Ada,L,,,,new,2026-03-02T00:00:00Z\n", days_ago=3)

        assert contact(house, "1")["status"] == "new"

    def test_without_a_version_the_time_of_the_file_decides(
        self, house: House, files: Files
    ) -> None:
        house.sync("prospects")
        before = contact(house, "100001")["status"]

        old = files.load("id,status\n100001,stale\n", days_ago=2)
        assert outcome(old) == (0, 0, 1, 0)
        assert contact(house, "100001")["status"] == before

        new = files.load("id,status\n100001,fresh\n")
        assert outcome(new) == (0, 1, 0, 0)

    def test_a_file_from_the_future_is_of_now(self, house: House, files: Files) -> None:
        files.load("id,status\n100001,early\n", days_ago=-10)

        observed = house.value("SELECT max(fetched_at) FROM raw.genius_prospects")
        assert observed <= datetime.now(UTC)


class TestOnce:
    def test_the_same_content_is_imported_once(
        self, house: House, files: Files
    ) -> None:
        first = files.load("id,status\n1,a\n2,b\n")

        again = files.load("id,status\n1,a\n2,b\n")

        assert (again.job_id, again.status) == (first.job_id, "success")
        assert again.records_processed == 0
        assert f"imported before, by job {first.job_id} (2 records)" in again.notes[0]
        assert again.as_contract()["notes"] == list(again.notes)
        assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1

    def test_what_is_again_as_it_was_before_another_file_is_imported(
        self, house: House, files: Files
    ) -> None:
        files.load("id,city\n1,Bath\n", days_ago=3)
        files.load("id,city\n1,Ely\n", days_ago=2)
        assert files.load("id,city\n1,Bath\n", days_ago=3).notes

        again = files.load("id,city\n1,Bath\n", days_ago=1)

        assert outcome(again) == (0, 1, 0, 0)
        assert contact(house, "1")["city"] == "Bath"
        assert files.load("id,city\n1,Bath\n").notes

    def test_restart_imports_it_again(self, files: Files) -> None:
        files.load("id,status\n1,a\n")

        again = files.load("id,status\n1,a\n", restart=True)

        assert outcome(again) == (0, 0, 1, 0)

    def test_what_failed_is_no_import(self, house: House, files: Files) -> None:
        text = "name\nAda\n"
        with pytest.raises(ConfigurationError, match="no header of 1 is known"):
            files.load(text)
        with pytest.raises(ConfigurationError, match="no header of 1 is known"):
            files.load(text)

        jobs = house.rows("SELECT status, via, error_type FROM ops.sync_jobs")
        assert (
            jobs
            == [{"status": "failed", "via": "csv", "error_type": "configuration"}] * 2
        )

    def test_the_books_say_which_file_it_was(self, house: House, files: Files) -> None:
        result = files.load("id;status\n1;a\n")

        [row] = house.rows("SELECT * FROM ops.csv_files")
        assert row["job_id"] == result.job_id
        assert (row["name"], row["encoding"], row["delimiter"]) == (
            "1.csv", "utf-8", ";",
        )  # fmt: skip
        assert (row["is_snapshot"], row["size_bytes"]) == (False, 14)


class TestBadRows:
    TEXT = "id,first_name,city\n1,Ada,x\n2,Bo,y,z\nabc,Cy,x\n,Di,x\n4,Ed,x\n"

    def test_they_are_set_aside_with_line_and_data(
        self, house: House, files: Files
    ) -> None:
        result = files.load(self.TEXT)

        assert result.status == "partial"
        assert outcome(result) == (2, 0, 0, 3)
        rejects = house.rows(
            "SELECT page, error_type, record_data FROM ops.sync_errors"
            " WHERE severity = 'error' ORDER BY page"
        )
        assert rejects == [
            {
                "page": "line 3 of 1.csv",
                "error_type": "too_many_cells",
                "record_data": '["2","Bo","y","z"]',
            },
            {
                "page": "line 4 of 1.csv",
                "error_type": "invalid_id",
                "record_data": '["abc","Cy","x"]',
            },
            {
                "page": "line 5 of 1.csv",
                "error_type": "missing_id",
                "record_data": '{"city":"x","first_name":"Di","id":null}',
            },
        ]

    def test_a_bad_row_leaves_the_good_record_of_its_id_alone(
        self, house: House, files: Files
    ) -> None:
        files.load("id,first_name,city\n2,Bo,y\n", days_ago=1)

        files.load(self.TEXT)

        assert contact(house, "2")["first_name"] == "Bo"
        assert house.value(
            "SELECT payload FROM raw.genius_prospects WHERE source_id = '2'"
        ) == {"id": 2, "first_name": "Bo", "city": "y"}


class TestSnapshot:
    THREE = "id,first_name\n1,Ada\n2,Bo\n3,Cy\n"
    TWO = "id,first_name\n1,Ada\n2,Bo\n"

    @pytest.fixture(autouse=True)
    def _everything_may_go(self, house: House) -> None:
        house.rows(
            "INSERT INTO ops.sync_configurations"
            " (name, source_system, entity_type, config)"
            " VALUES ('genius__prospects', 'genius', 'prospects',"
            " '{\"max_delete_share\": 1}')"
        )

    def live(self, house: House) -> set[str]:
        rows = house.rows(
            "SELECT source_id FROM warehouse.contacts WHERE NOT is_deleted"
        )
        return {row["source_id"] for row in rows}

    def test_a_file_by_itself_deletes_nothing(self, house: House, files: Files) -> None:
        files.load(self.THREE, days_ago=1)

        result = files.load(self.TWO)

        assert (result.records_deleted, result.records_absent) == (0, 0)
        assert self.live(house) == {"1", "2", "3"}

    def test_a_second_snapshot_deletes_what_the_first_one_lacked(
        self, house: House, files: Files
    ) -> None:
        files.load(self.THREE, days_ago=1)

        first = files.load(self.TWO, mode="full")
        assert (first.records_deleted, first.records_absent) == (0, 1)
        assert self.live(house) == {"1", "2", "3"}

        second = files.load(self.TWO + "\n", mode="full")
        assert (second.records_deleted, second.records_absent) == (1, 0)
        assert self.live(house) == {"1", "2"}

    def test_the_same_snapshot_again_is_no_second_one(
        self, house: House, files: Files
    ) -> None:
        files.load(self.THREE, days_ago=2)
        files.load(self.TWO, days_ago=1, mode="full")

        again = files.load(self.TWO, days_ago=1, mode="full", restart=True)

        assert (again.records_deleted, again.records_absent) == (0, 1)
        assert self.live(house) == {"1", "2", "3"}

    @pytest.mark.parametrize(("hours", "deleted"), [(2, 1), (0, 0)])
    def test_the_same_bytes_written_anew_confirm_what_they_lack(
        self, house: House, files: Files, hours: int, deleted: int
    ) -> None:
        files.load(self.THREE, days_ago=2)
        files.load(self.TWO, days_ago=1, mode="full")
        for table, column in (
            ("raw.genius_prospects", "absent_since"),
            ("ops.sync_jobs", "completed_at"),
        ):
            house.rows(
                f"UPDATE {table} SET {column} = {column} - make_interval(hours => %s)",
                hours,
            )

        results = [files.load(self.TWO, mode="full") for _ in range(2)]

        assert [each.records_deleted for each in results] == [deleted, 0]
        assert len(self.live(house)) == 3 - deleted
        assert results[1].notes  # nothing was done

    def test_what_was_observed_after_the_snapshot_lives(
        self, house: House, files: Files
    ) -> None:
        files.load(self.THREE)

        for text in (self.TWO, self.TWO + "\n"):
            result = files.load(text, days_ago=1, mode="full")
            assert (result.records_deleted, result.records_absent) == (0, 0)

    @pytest.mark.parametrize("written", ["3", " 003 "])
    def test_a_bad_row_is_not_an_absence(
        self, house: House, files: Files, written: str
    ) -> None:
        files.load(self.THREE, days_ago=1)

        for end in ("", "\n"):
            files.load(f"{self.TWO}{written},Cy,too,many{end}", mode="full")

        assert self.live(house) == {"1", "2", "3"}

    def test_a_snapshot_without_rows_is_stopped(
        self, house: House, files: Files
    ) -> None:
        files.load(self.THREE, days_ago=1)

        with pytest.raises(GuardError, match="empty list"):
            files.load("id,first_name\n", mode="full")

    def test_the_source_is_not_asked(
        self, house: House, files: Files, sandbox: SandboxServer
    ) -> None:
        files.load(self.THREE, days_ago=1)
        asked = sandbox.stats()["requests"]

        files.load(self.TWO, mode="full")

        assert sandbox.stats()["requests"] == asked


class TestResuming:
    def test_an_import_that_died_goes_on_in_the_middle(
        self, house: House, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading_module, "CHUNK_RECORDS", 1_000)
        text = "id,first_name\n" + "".join(f"{n},Ada\n" for n in range(1, 5_001))
        chunks = []

        def die(so_far: Any) -> None:
            chunks.append(so_far.records_processed)
            if so_far.records_processed >= 2_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.load(text, progress=die)
        result = files.load(text)

        assert chunks == [0, 1_000, 2_000]
        assert result.status == "success"
        assert result.records_processed == result.records_created == 5_000
        assert result.records_repeated == 0
        assert house.value("SELECT count(*) FROM warehouse.contacts") == 5_000
        assert house.value("SELECT max(attempt) FROM ops.sync_jobs") == 2

    def test_another_file_does_not_go_on_with_it(
        self, house: House, files: Files
    ) -> None:
        def die(so_far: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.load("id\n1\n", progress=die)
        files.load("id\n2\n")

        statuses = house.rows("SELECT status FROM ops.sync_jobs ORDER BY id")
        assert [row["status"] for row in statuses] == ["failed", "success"]


class TestBesideOthers:
    def test_a_file_waits_for_a_load_of_the_api(
        self, house: House, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_warehouse.engine.lock._PATIENCE_SECONDS", 0.1)

        def import_meanwhile(_: Any) -> None:
            with pytest.raises(SyncConflictError, match="another sync of genius"):
                files.load("id,status\n100001,moved\n")

        house.sync("prospects", progress=import_meanwhile)
        assert outcome(files.load("id,status\n100001,moved\n")) == (0, 1, 0, 0)

    def test_its_watermark_is_its_own(self, house: House, files: Files) -> None:
        house.sync("prospects")
        files.load("id,status\n1,x\n", days_ago=1)

        ways = house.rows("SELECT via FROM ops.watermarks ORDER BY via")
        assert [row["via"] for row in ways] == ["api", "csv"]
        assert house.sync("prospects").requests == 1  # from where the API's ended


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "replay"}, "a file goes with csv, not with csv, mode replay"),
        ({"since": LATER}, "since: a file is read whole"),
    ],
)
def test_what_means_nothing_is_refused(
    files: Files, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        files.load("id\n1\n", **options)
