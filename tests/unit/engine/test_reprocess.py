"""What is in quarantine is mapped again from stored data, and nothing else is."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_load import NOON, Begin, Connection, at, rows

from crm_warehouse.engine import reprocess as reprocessing
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
from crm_warehouse.engine.reprocess import (
    ReprocessRequest,
    find_open,
    find_reprocessable,
    reprocess,
)
from crm_warehouse.errors import FencedError, SyncConflictError, SyncDisabledError
from crm_warehouse.spec import Entity, Source

Reprocess = Callable[..., SyncResult]
OPEN = (
    "SELECT source_id, severity, error_type, field, retry_count FROM ops.sync_errors"
    " WHERE NOT resolved ORDER BY source_id, severity, field"
)
ENDS = (
    "SELECT status, error_type FROM ops.sync_jobs WHERE job_type = 'reprocess'"
    " ORDER BY id"
)
RULE = (
    "INSERT INTO ops.sync_validation_rules"
    " (name, source_system, entity_type, field, rule_type, config, on_error)"
    " VALUES ('short_status', 'genius', 'appointments', 'status', 'max_length',"
    " '{\"length\": 5}', %s)"
)


def visit(source_id: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": source_id,
        "prospect_id": "c1",
        "scheduled_date": "2026-05-01T09:00:00Z",
        "status": "Set",
        "modified_date": "2026-01-01T00:00:00Z",
        **more,
    }


def visits(conn: Connection) -> list[tuple[Any, ...]]:
    return rows(
        conn,
        "SELECT source_id, status FROM warehouse.appointments"
        " WHERE NOT is_deleted ORDER BY source_id",
    )


def with_id(source: Source, *path: str) -> Source:
    """The source with another place of an appointment's id."""
    entity = replace(source.entities["appointments"], id_path=path)
    return replace(source, entities={**source.entities, "appointments": entity})


def with_date(source: Source, key: str) -> Source:
    """The source with another place of an appointment's date."""
    entity = source.entities["appointments"]
    fields = tuple(
        replace(line, paths=((key,),)) if line.target == "scheduled_date" else line
        for line in entity.fields
    )
    changed = replace(entity, fields=fields)
    return replace(source, entities={**source.entities, "appointments": changed})


@pytest.fixture
def again(genius: Source, warehouse: str) -> Reprocess:
    """Reprocesses appointments; options are those of the request, and ``progress``."""

    def again(source: Source = genius, **options: Any) -> SyncResult:
        progress = options.pop("progress", None)
        request = ReprocessRequest(
            source, source.entities["appointments"], "genius", **options
        )
        return reprocess(request, conninfo=warehouse, progress=progress)

    return again


def test_a_mended_mapping_empties_the_quarantine(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    begin("appointments").write(
        visit(1), visit(2, scheduled_date="soon", when="2026-05-02T09:00:00Z")
    )

    result = again(with_date(genius, "when"))

    assert (result.status, result.mode) == ("success", "reprocess")
    assert (result.records_received, result.records_processed) == (1, 1)
    assert (result.records_created, result.records_failed) == (1, 0)
    assert result.requests == 0
    assert rows(conn, OPEN) == []
    # The record that was right already is left alone, though it maps to nothing now.
    assert visits(conn) == [("1", "Set"), ("2", "Set")]


def test_what_stays_bad_stays_with_one_retry_more(
    begin: Begin, conn: Connection, again: Reprocess
) -> None:
    begin("appointments").write(visit(2, scheduled_date="soon"), visit(None))

    first, second = again(), again()

    assert (first.status, first.records_failed) == ("success", 2)
    assert second.records_processed == second.records_failed == 2
    assert rows(conn, OPEN) == [
        ("2", "error", "invalid_timestamp", "scheduled_date", 2),
        (None, "error", "missing_id", "source_id", 2),
    ]


def test_a_record_without_an_id_gets_one(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    nul = visit(None, key={"id": 7}, notes="a\0b", far=2**70)
    begin("appointments").write(nul)
    assert rows(conn, "SELECT count(*) FROM raw.genius_appointments") == [(0,)]

    result = again(with_id(genius, "key", "id"))

    assert (result.records_created, result.warnings) == (1, 1)
    assert visits(conn) == [("7", "Set")]
    assert rows(conn, "SELECT source_id, fetched_at FROM raw.genius_appointments") == [
        ("7", NOON)
    ]
    assert rows(
        conn,
        "SELECT source_id, resolved, retry_count FROM ops.sync_errors"
        " WHERE error_type = 'missing_id'",
    ) == [("7", True, 1)]
    assert rows(conn, OPEN) == [("7", "warning", "invalid_character", "notes", 0)]


def test_a_record_with_an_id_at_last_may_still_be_bad(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    begin("appointments").write(visit(None, key=7, scheduled_date="soon"))

    result = again(with_id(genius, "key"))

    assert (result.status, result.records_failed) == ("partial", 1)
    assert rows(conn, OPEN) == [
        ("7", "error", "invalid_timestamp", "scheduled_date", 0)
    ]


def test_a_reprocessing_undoes_no_newer_state(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    old = visit(None, key=7, status="Old")
    begin("appointments").write(old, visit(None, key=8, status="Old"))
    newer = {"modified_date": "2026-02-01T00:00:00Z", "status": "New"}
    begin("appointments").write(visit(7, **newer), observed=at(1))
    gone = begin("appointments")
    gone.write(visit(8), observed=at(1))
    gone.write(observed=at(2))
    gone.finish(["8"])
    # The full load that found the deletion did not meet the records without an id.
    assert rows(conn, OPEN) == []
    conn.execute("UPDATE ops.sync_errors SET resolved = false")

    result = again(with_id(genius, "key"))

    assert (result.records_updated, result.records_unchanged) == (0, 2)
    assert visits(conn) == [("7", "New")]
    assert rows(conn, OPEN) == []


def test_a_raw_record_that_came_meanwhile_is_what_counts(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    """The entry is of the first state; the second is bad too, and in raw."""
    begin("appointments").write(visit(2, scheduled_date="soon", when="2026-01-01"))
    begin("appointments").write(
        visit(2, scheduled_date="soon", when="2026-02-02", status="New"),
        observed=at(1),
    )

    again(with_date(genius, "when"))

    assert visits(conn) == [("2", "New")]
    assert rows(
        conn, "SELECT scheduled_date::date::text FROM warehouse.appointments"
    ) == [("2026-02-02",)]


def test_rules_decide_anew(begin: Begin, conn: Connection, again: Reprocess) -> None:
    conn.execute(RULE, ["reject"])
    begin("appointments").write(visit(1), visit(2, status="Cancelled"))
    stays = again()
    assert stays.records_failed == 1
    assert rows(conn, "SELECT rule FROM ops.sync_errors") == [("short_status",)]

    conn.execute("UPDATE ops.sync_validation_rules SET on_error = 'keep'")
    kept = again()

    assert (kept.records_created, kept.warnings) == (1, 1)
    assert visits(conn) == [("1", "Set"), ("2", "Cancelled")]
    assert rows(conn, OPEN) == [("2", "warning", "validation_rule", "status", 0)]

    conn.execute("UPDATE ops.sync_validation_rules SET is_active = false")
    silent = again()

    assert (silent.records_unchanged, silent.warnings) == (1, 0)
    assert rows(conn, OPEN) == []


def test_what_postgresql_refused_comes_from_the_quarantine(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    """Raw holds an older state of it: that one must not settle the newer."""
    begin("appointments").write(visit(1))
    newer = visit(1, status="New", modified_date="2026-02-01T00:00:00Z")
    begin("appointments").write(newer, observed=at(1))
    conn.execute(
        'UPDATE raw.genius_appointments SET payload = payload || \'{"status": "Set"}\','
        " payload_hash = 'old', source_updated_at = '2026-01-01', fetched_at = %s",
        [NOON],
    )
    conn.execute(
        "UPDATE warehouse.appointments SET status = 'Set', sync_hash = 'old',"
        " source_updated_at = '2026-01-01', observed_at = %s",
        [NOON],
    )
    conn.execute(
        "INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
        " source_id, severity, error_type, error_message, record_data, fingerprint,"
        " observed_at) SELECT max(id), 'genius', 'appointments', '1', 'error',"
        " 'refused_by_warehouse', '', %s, 'id:1', %s FROM ops.sync_jobs",
        [json.dumps(newer), at(1)],
    )
    begin("appointments", mode="replay", with_raw=False).replay()
    assert [entry[2] for entry in rows(conn, OPEN)] == ["refused_by_warehouse"]

    result = again()

    assert result.records_updated == 1
    assert visits(conn) == [("1", "New")]
    assert rows(conn, OPEN) == []


def test_only_the_errors_asked_for_are_tried(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    begin("appointments").write(
        visit(2, scheduled_date="soon", when="2026-01-01"),
        visit(3, scheduled_date="soon", when="2026-01-01"),
        visit(None, when="2026-01-01"),
    )
    ((third,),) = rows(conn, "SELECT id FROM ops.sync_errors WHERE source_id = '3'")

    result = again(with_date(genius, "when"), error_ids=(third,))

    assert result.records_processed == result.records_created == 1
    assert visits(conn) == [("3", "Set")]


def test_a_deleted_records_error_is_closed(
    begin: Begin, conn: Connection, again: Reprocess
) -> None:
    begin("appointments").write(visit(2, scheduled_date="soon"))
    conn.execute("UPDATE raw.genius_appointments SET is_deleted = true")

    result = again()

    assert result.records_processed == 0
    assert rows(conn, OPEN) == []


class TestKilled:
    """A kill costs the open batch; the same call goes on behind the last one."""

    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reprocessing, "CHUNK_RECORDS", 2)

    def test_it_goes_on_where_it_was(
        self, begin: Begin, conn: Connection, again: Reprocess, genius: Source
    ) -> None:
        key = {"when": "2026-01-01"}
        bad = [visit(None, key=n, **key) for n in range(5)]
        bad += [visit(None, key=n, scheduled_date="soon") for n in range(5, 8)]
        begin("appointments").write(*bad)
        changed = with_id(genius, "key")
        for chunks in range(4):
            with pytest.raises(PowerCutError):
                again(changed, progress=_cut_after(chunks))
        ((before, attempt),) = rows(
            conn, "SELECT chunks, attempt FROM ops.sync_jobs ORDER BY id DESC LIMIT 1"
        )
        assert (before, attempt) == (3, 4)

        end = again(changed)

        assert end.records_created == 5
        assert (end.records_failed, end.records_processed) == (3, 8)
        assert len(visits(conn)) == 5
        assert rows(conn, OPEN) == [
            (str(n), "error", "invalid_timestamp", "scheduled_date", 0)
            for n in range(5, 8)
        ]

    def test_a_record_of_both_places_counts_once(
        self, begin: Begin, conn: Connection, again: Reprocess
    ) -> None:
        """PostgreSQL refused its newer state, and its older one has a warning."""
        begin("appointments").write(visit(1, status=""))
        conn.execute(
            "INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
            " source_id, severity, error_type, error_message, record_data, fingerprint,"
            " observed_at) SELECT max(id), 'genius', 'appointments', '1', 'error',"
            " 'refused_by_warehouse', '', %s, 'id:1', %s FROM ops.sync_jobs",
            [json.dumps(visit(1, status="", notes="new")), at(1)],
        )
        for _ in range(2):
            with pytest.raises(PowerCutError):
                again(progress=_cut_after(1))

        end = again()

        assert (end.records_received, end.records_repeated) == (2, 1)
        assert (end.records_processed, end.records_updated) == (1, 1)

    def test_an_orphan_writes_nothing(
        self, begin: Begin, conn: Connection, again: Reprocess, genius: Source
    ) -> None:
        begin("appointments").write(visit(None, key=1), visit(None, key=2))
        changed = with_id(genius, "key")

        def successor(_: SyncResult) -> None:
            conn.execute(
                "UPDATE ops.sync_jobs SET attempt = attempt + 1"
                " WHERE job_type = 'reprocess'"
            )

        with pytest.raises(FencedError):
            again(changed, progress=successor)

        assert visits(conn) == []
        assert again(changed).records_created == 2

    def test_other_rules_begin_anew(
        self, begin: Begin, conn: Connection, again: Reprocess
    ) -> None:
        """Behind its checkpoint lies what a load rejected since."""
        conn.execute(RULE, ["reject"])
        begin("appointments").write(visit(5, status="Cancelled"))
        with pytest.raises(PowerCutError):
            again(progress=_cut_after(1))
        begin("appointments").write(visit(1, status="Cancelled"))
        conn.execute("DELETE FROM ops.sync_validation_rules")

        assert again().records_created == 2
        assert rows(conn, ENDS) == [("failed", "superseded"), ("success", None)]

    def test_one_that_lay_still_for_an_hour_begins_anew(
        self, begin: Begin, conn: Connection, again: Reprocess
    ) -> None:
        begin("appointments").write(visit(5, scheduled_date="soon"))
        with pytest.raises(PowerCutError):
            again(progress=_cut_after(1))
        conn.execute(
            "UPDATE ops.sync_jobs SET heartbeat_at = now() - interval '61 minutes'"
        )

        assert again().records_processed == 1
        assert rows(conn, ENDS) == [("failed", "superseded"), ("success", None)]

    def test_maintenance_ends_one_that_left_nothing_open(
        self,
        begin: Begin,
        conn: Connection,
        warehouse: str,
        again: Reprocess,
        genius: Source,
    ) -> None:
        conn.execute(RULE, ["reject"])
        begin("appointments").write(visit(2, status="Cancelled"))
        conn.execute("DELETE FROM ops.sync_validation_rules")
        with pytest.raises(PowerCutError):
            again(progress=_cut_after(1))
        assert rows(conn, OPEN) == []

        request = MaintenanceRequest([genius])
        maintain(request, conninfo=warehouse, access_of=pytest.fail)

        assert rows(conn, ENDS) == [("success", None)]


class PowerCutError(BaseException):
    """Ends a job as a kill would: nothing more is written."""


def _cut_after(chunks: int) -> Callable[[SyncResult], None]:
    calls = []

    def cut(result: SyncResult) -> None:
        calls.append(result)
        if len(calls) > 1 or chunks == 0:  # the first call: the job is claimed
            raise PowerCutError

    return cut


def test_two_at_once_take_turns(
    begin: Begin, again: Reprocess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_warehouse.engine import lock

    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.0)
    begin("appointments").write(visit(2, scheduled_date="soon"))
    conflicts = []

    def other(_: SyncResult) -> None:
        with pytest.raises(SyncConflictError) as caught:
            again()
        conflicts.append(caught.value)

    result = again(progress=other)

    assert (result.records_failed, len(conflicts)) == (1, 2)


def test_switched_off_is_left_alone(
    begin: Begin, conn: Connection, again: Reprocess, genius: Source
) -> None:
    begin("appointments").write(visit(2, scheduled_date="soon"))
    again()
    conn.execute("UPDATE ops.sync_configurations SET is_active = false")

    with pytest.raises(SyncDisabledError):
        again()
    assert find_open(conn, genius, "genius") == []
    assert find_reprocessable(conn, with_date(genius, "when"), "genius") == []


class TestFindReprocessable:
    def test_not_with_the_same_mapping_and_rules(
        self, begin: Begin, conn: Connection, genius: Source
    ) -> None:
        begin("appointments").write(visit(2, scheduled_date="soon"), visit(None))
        begin("prospects").write({"id": 1})

        assert find_reprocessable(conn, genius, "genius") == []
        assert _names(find_open(conn, genius, "genius")) == [
            "prospects",
            "appointments",
        ]

    def test_with_another_mapping_once(
        self, begin: Begin, conn: Connection, genius: Source, again: Reprocess
    ) -> None:
        begin("appointments").write(visit(2, scheduled_date="soon"), visit(None))
        changed = with_date(genius, "when")

        assert _names(find_reprocessable(conn, changed, "genius")) == ["appointments"]
        again(changed)
        assert find_reprocessable(conn, changed, "genius") == []

    def test_with_another_rule_once(
        self, begin: Begin, conn: Connection, genius: Source, again: Reprocess
    ) -> None:
        begin("appointments").write(visit(2, scheduled_date="soon", status=""))
        conn.execute(RULE, ["keep"])

        assert _names(find_reprocessable(conn, genius, "genius")) == ["appointments"]
        again()
        assert find_reprocessable(conn, genius, "genius") == []

    def test_entries_of_an_older_release_once(
        self, begin: Begin, conn: Connection, genius: Source, again: Reprocess
    ) -> None:
        begin("appointments").write(visit(2, scheduled_date="soon"), visit(None))
        begin("appointments").write(visit(4, status=""))
        conn.execute(
            "UPDATE ops.sync_errors SET tried_with = NULL, observed_at = NULL,"
            " rule = NULL"
        )

        assert _names(find_reprocessable(conn, genius, "genius")) == ["appointments"]
        again()
        assert find_reprocessable(conn, genius, "genius") == []
        assert rows(
            conn, "SELECT count(*) FROM ops.sync_errors WHERE rule IS NULL"
        ) == [(0,)]


def _names(entities: list[Entity]) -> list[str]:
    return [entity.name for entity in entities]
