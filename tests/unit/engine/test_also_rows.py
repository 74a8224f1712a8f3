"""One record that makes rows of several tables."""

from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, Load, at, rows

from crm_warehouse.spec import Deletes, Entity, FieldMap, Source


def _field(target: str, *path: str, on_error: Any = None) -> FieldMap:
    return FieldMap(target, (path or (target,),), on_error)


LEADS = Entity(
    source="genius",
    name="prospects",  # its raw table is there; what the records are does not matter
    aliases=(),
    into="leads",
    path="/leads",
    records_path=("data",),
    id_path=("id",),
    version_path=("updated",),
    since_param=None,
    fields=(
        _field("contact_source_id", "id"),
        _field("status", "outcome"),
        _field("value", "price"),
        _field("source_updated_at", "updated"),
    ),
    schedule=None,
    full_schedule=None,
    deletes=Deletes(None, 0.2),
    also={
        "contacts": (
            _field("first_name", "lead", "first"),
            _field("last_name", "lead", "last"),
            _field("email", "lead", "email"),
            _field("source_updated_at", "updated"),
        )
    },
)
ANN = {
    "id": "a1",
    "outcome": "success",
    "price": "12.5",
    "updated": "2026-02-01T08:00:00Z",
    "lead": {"first": "Ann", "last": "Lee", "email": "ann@example.org"},
}
BOTH = (
    "SELECT l.source_id, l.status, l.value::text, c.first_name, l.contact_id = c.id,"
    " l.is_deleted, c.is_deleted FROM warehouse.leads AS l"
    " JOIN warehouse.contacts AS c USING (source_system, source_id)"
    " ORDER BY l.source_id"
)


@pytest.fixture
def load(conn: Connection, genius: Source) -> Load:
    return Load(conn, genius, LEADS)


def _again(conn: Connection, genius: Source, **asked: Any) -> Load:
    return Load(conn, genius, asked.pop("entity", LEADS), **asked)


def _changed(**parts: Any) -> dict[str, Any]:
    lead = {**ANN["lead"], **parts.pop("lead", {})}
    return {**ANN, "updated": "2026-02-02T08:00:00Z", "lead": lead, **parts}


def test_both_rows_come_linked_and_count_as_one_record(
    load: Load, conn: Connection
) -> None:
    load.write(ANN)
    job = load.finish()

    assert rows(conn, BOTH) == [("a1", "success", "12.50", "Ann", True, False, False)]
    assert (job.records_received, job.records_created, job.warnings) == (1, 1, 0)


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"lead": {"first": "Anne"}}, ("success", "Anne")),
        ({"outcome": "failure"}, ("failure", "Ann")),
        ({"outcome": "failure", "lead": {"first": "Anne"}}, ("failure", "Anne")),
    ],
)
def test_a_change_of_either_row_is_one_update(
    load: Load,
    conn: Connection,
    genius: Source,
    change: dict[str, Any],
    columns: tuple[str, str],
) -> None:
    bo = {**ANN, "id": "b2"}
    load.write(ANN, bo)
    load.finish()
    second = _again(conn, genius)

    second.write(_changed(**change), bo, observed=at(5))
    job = second.finish()

    assert (job.records_updated, job.records_unchanged) == (1, 1)
    assert [(r[1], r[3]) for r in rows(conn, BOTH)] == [columns, ("success", "Ann")]


def test_a_change_of_the_other_row_alone_is_an_update(
    load: Load, conn: Connection, genius: Source
) -> None:
    load.write(ANN)
    load.finish()
    second = _again(conn, genius)
    anne = {**ANN, "lead": {**ANN["lead"], "first": "Anne"}}

    second.write(anne, observed=at(5))
    second.write({**anne, "lead": {**anne["lead"], "last": "Ray"}}, observed=at(6))
    job = second.finish()

    assert (job.records_updated, job.records_unchanged) == (1, 0)
    assert (job.records_received, job.records_repeated) == (2, 1)
    assert rows(conn, "SELECT first_name, last_name FROM warehouse.contacts") == [
        ("Anne", "Ray")
    ]


def test_nothing_new_writes_neither_row(
    load: Load, conn: Connection, genius: Source
) -> None:
    load.write(ANN)
    load.finish()
    marks = (
        "SELECT xmin::text FROM warehouse.leads"
        " UNION ALL SELECT xmin::text FROM warehouse.contacts"
    )
    before = rows(conn, marks)
    second = _again(conn, genius)

    second.write(ANN, observed=at(5))
    job = second.finish()

    assert (job.records_unchanged, job.records_updated) == (1, 0)
    assert rows(conn, marks) == before


def test_a_record_seen_again_in_the_job_is_not_counted_twice(
    load: Load, conn: Connection
) -> None:
    load.write(ANN)
    load.write(_changed(lead={"first": "Anne"}), observed=at(1))
    job = load.finish()

    assert (job.records_received, job.records_repeated) == (2, 1)
    assert (job.records_created, job.records_updated) == (1, 0)
    assert rows(conn, BOTH)[0][3] == "Anne"


def test_a_deletion_marks_both_and_counts_once(
    load: Load, conn: Connection, genius: Source
) -> None:
    load.write(ANN)
    load.finish()
    second = _again(conn, genius)

    job = second.finish(gone=["a1"])

    assert job.records_deleted == 1
    assert rows(conn, BOTH)[0][5:] == (True, True)


def test_warnings_of_the_other_row_name_its_table(load: Load, conn: Connection) -> None:
    load.write({**ANN, "outcome": "", "lead": {**ANN["lead"], "email": "nobody"}})
    load.finish()

    assert rows(
        conn, "SELECT field, error_type FROM ops.sync_errors ORDER BY field"
    ) == [("contacts.email", "invalid_email"), ("status", "missing_value")]


def test_a_reject_of_the_other_row_sets_the_whole_record_aside(
    conn: Connection, genius: Source
) -> None:
    strict = replace(
        LEADS,
        also={
            "contacts": (_field("email", "lead", "email", on_error="reject"),),
        },
    )
    load = Load(conn, genius, strict)

    load.write({**ANN, "lead": {"email": "nobody"}}, {**ANN, "id": "b2"})
    job = load.finish()

    assert (job.records_failed, job.records_created) == (1, 1)
    assert rows(conn, "SELECT field, source_id FROM ops.sync_errors") == [
        ("contacts.email", "a1")
    ]
    for table in ("leads", "contacts"):
        assert rows(conn, f"SELECT source_id FROM warehouse.{table}") == [("b2",)]


def test_a_row_that_postgresql_refuses_takes_the_other_with_it(
    conn: Connection, genius: Source
) -> None:
    named = (_field("contact_source_id", "person"), *LEADS.fields[1:])
    load = Load(conn, genius, replace(LEADS, fields=named))
    # Longer than an entry of the index on waiting contacts may be.
    person = "".join(chr(0x4E00 + n * 7) for n in range(3000))

    load.write(ANN, {**ANN, "id": "bad", "person": person}, {**ANN, "id": "c3"})
    job = load.finish()

    assert (job.records_created, job.records_failed) == (2, 1)
    assert [row[0] for row in rows(conn, BOTH)] == ["a1", "c3"]
    assert rows(
        conn,
        "SELECT source_id, error_type FROM ops.sync_errors WHERE severity = 'error'",
    ) == [("bad", "refused_by_warehouse")]
