"""Law 4: a bad record harms nobody else, is kept, and leaves when it heals."""

import random
from typing import Any

import pytest
from engine_load import Begin, Connection, at, rows

OPEN = (
    "SELECT source_id, severity, error_type, field FROM ops.sync_errors"
    " WHERE NOT resolved ORDER BY source_id, severity, field"
)
CHANCE = random.Random(5)
#: Too large for the index of waiting children, and nothing can compress it.
TOO_LARGE = "".join(chr(CHANCE.randrange(0x4E00, 0x9FFF)) for _ in range(5000))


def visit(source_id: Any, contact: Any = "c1", **more: Any) -> dict[str, Any]:
    return {
        "id": source_id,
        "prospect_id": contact,
        "scheduled_date": "2026-05-01T09:00:00Z",
        "status": "Set",
        "modified_date": "2026-01-01T00:00:00Z",
        **more,
    }


def test_a_reject_keeps_the_old_row_and_the_new_payload(
    begin: Begin, conn: Connection
) -> None:
    begin("appointments").write(visit(1))
    job = begin("appointments").write(
        visit(1, scheduled_date="soon", modified_date="2026-02-01T00:00:00Z")
    )

    assert rows(
        conn,
        "SELECT scheduled_date::date::text, is_deleted FROM warehouse.appointments",
    ) == [("2026-05-01", False)]
    assert rows(
        conn, "SELECT payload ->> 'scheduled_date' FROM raw.genius_appointments"
    ) == [("soon",)]
    assert rows(conn, OPEN) == [("1", "error", "invalid_timestamp", "scheduled_date")]
    assert (job.records_failed, job.new_rejects, job.records_processed) == (1, 1, 1)


def test_rejects_with_and_without_an_id_are_kept_as_sent(
    begin: Begin, conn: Connection
) -> None:
    load = begin("appointments")
    load.write(visit(None, note="a\0b"), visit(2, scheduled_date=None), visit(3), 7)
    job = load.finish()

    stored = "SELECT source_id, record_data FROM ops.sync_errors ORDER BY 1, 2"
    (second, with_nul, number) = sorted(
        rows(conn, stored), key=lambda row: (row[0] is None, len(row[1] or "") < 9)
    )
    assert second[0] == "2"
    assert with_nul[0] is None
    assert '"note":"a\\u0000b"' in with_nul[1]
    assert number == (None, "7")
    assert job.status == "partial"
    assert (job.records_failed, job.records_created) == (3, 1)


def test_a_known_reject_is_not_new(begin: Begin, conn: Connection) -> None:
    bad = [visit(None), visit(2, scheduled_date="soon")]
    begin("appointments").write(*bad)
    load = begin("appointments")
    load.write(*bad, observed=at(1))
    job = load.finish()

    assert (job.records_failed, job.new_rejects, job.status) == (2, 0, "success")
    assert rows(conn, "SELECT seen_count FROM ops.sync_errors") == [(2,), (2,)]


def test_a_reject_that_was_healed_and_breaks_again_is_new(
    begin: Begin, conn: Connection
) -> None:
    begin("appointments").write(visit(2, scheduled_date="soon"))
    begin("appointments").write(visit(2), observed=at(1))
    assert rows(conn, OPEN) == []
    job = begin("appointments").write(visit(2, scheduled_date="soon"), observed=at(2))

    assert job.new_rejects == 1
    assert rows(conn, OPEN) == [("2", "error", "invalid_timestamp", "scheduled_date")]
    assert rows(conn, "SELECT sync_job_id, resolved_at FROM ops.sync_errors") == [
        (job.id, None)
    ]


def test_warnings_open_once_and_resolve_when_the_record_heals(
    begin: Begin, conn: Connection
) -> None:
    bad = {"id": 1, "last_name": "Lee", "email": "nonsense", "phone": "n/a"}
    begin("prospects").write(bad)
    assert rows(conn, OPEN) == [
        ("1", "warning", "invalid_email", "email"),
        ("1", "warning", "missing_value", "first_name"),
        ("1", "warning", "invalid_phone", "phone"),
    ]
    half = {**bad, "email": "ann@example.com", "first_name": "Ann"}
    job = begin("prospects").write(half, observed=at(1))
    assert rows(conn, OPEN) == [("1", "warning", "invalid_phone", "phone")]
    assert (job.warnings, job.records_failed) == (1, 0)
    begin("prospects").write({**half, "phone": "2015550123"}, observed=at(2))

    assert rows(conn, OPEN) == []
    assert rows(
        conn, "SELECT count(*) FROM ops.sync_errors WHERE resolved_at IS NOT NULL"
    ) == [(3,)]


def test_a_warning_that_was_healed_and_comes_again_is_open_again(
    begin: Begin, conn: Connection
) -> None:
    bad = {"id": 1, "first_name": "Ann", "last_name": "Lee", "email": "nonsense"}
    begin("prospects").write(bad)
    begin("prospects").write({**bad, "email": "ann@example.com"}, observed=at(1))
    assert rows(conn, OPEN) == []
    begin("prospects").write(bad, observed=at(2))

    assert rows(conn, OPEN) == [("1", "warning", "invalid_email", "email")]


def test_another_entitys_errors_are_left_alone(begin: Begin, conn: Connection) -> None:
    begin("prospects").write({"id": 1})
    before = rows(conn, OPEN)
    begin("appointments").write(visit(1))

    assert len(before) == 2
    assert rows(conn, OPEN) == before


@pytest.mark.parametrize("bad", [[0], [99], [0, 31, 32, 33, 98]])
def test_what_postgresql_refuses_is_found_and_the_others_load(
    begin: Begin, conn: Connection, bad: list[int]
) -> None:
    records = [
        visit(n, TOO_LARGE if n in bad else f"c{n}", status="Set" if n % 2 else "")
        for n in range(100)
    ]
    load = begin("appointments")
    job = load.write(*records)

    errors = [row for row in rows(conn, OPEN) if row[1] == "error"]
    assert errors == [
        (n, "error", "refused_by_warehouse", "") for n in sorted(map(str, bad))
    ]
    ((data,),) = rows(
        conn,
        "SELECT record_data FROM ops.sync_errors WHERE severity = 'error' LIMIT 1",
    )
    assert TOO_LARGE in data
    assert rows(conn, "SELECT count(*) FROM warehouse.appointments") == [
        (100 - len(bad),)
    ]
    assert rows(conn, "SELECT count(*) FROM raw.genius_appointments") == [
        (100 - len(bad),)
    ]
    assert (job.records_created, job.records_failed) == (100 - len(bad), len(bad))
    assert rows(conn, "SELECT DISTINCT seen_count FROM ops.sync_errors") == [(1,)]
    assert len(rows(conn, OPEN)) == len(bad) + sum(
        n not in bad for n in range(0, 100, 2)
    )
    assert load.finish().status == "partial"


def test_a_refused_record_may_be_seen_again_and_heal(
    begin: Begin, conn: Connection
) -> None:
    load = begin("appointments")
    load.write(visit(1, TOO_LARGE), visit(2))
    again = load.write(visit(1, TOO_LARGE), visit(3))
    healed = load.write(visit(1))

    assert (again.records_failed, again.new_rejects) == (1, 1)
    assert rows(conn, OPEN) == []
    assert rows(conn, "SELECT count(*) FROM warehouse.appointments") == [(3,)]
    assert healed.records_processed == 3
    assert load.finish().status == "partial"


def test_a_repeated_record_without_an_id_hides_no_other(
    begin: Begin, conn: Connection
) -> None:
    load = begin("users")
    load.write({"name": "Nobody"})
    load.write({"name": "Nobody"}, {"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo"})

    job = load.finish()

    assert (job.records_created, job.records_failed) == (2, 1)
    assert (job.records_received, job.records_repeated) == (4, 1)
