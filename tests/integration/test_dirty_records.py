"""Bad records are set aside or reported; the others go on, and the counters add up."""

import pytest

from crm_warehouse.errors import GuardError
from tests.proof.house import House
from tests.proof.oracle import compare

REJECTED = (
    "SELECT source_id, error_type, field, record_data FROM ops.sync_errors"
    " WHERE severity = 'error' AND NOT resolved"
)


def _spoil(house: House, entity: str, share: float) -> None:
    count = int(len(house.sandbox.truth(entity)) * share)
    house.sandbox.move(entity, "spoil", count)


def test_exactly_the_unusable_records_are_rejected(house: House) -> None:
    for entity in ("prospects", "appointments"):
        _spoil(house, entity, 0.05)
    for entity in ("prospects", "appointments"):
        truth = house.sandbox.truth(entity)
        unusable = [line for line in truth if line["expect"] == "reject"]

        result = house.sync(entity, "full")

        assert result.status == "partial"
        assert result.records_failed == len(unusable) > 0
        assert result.records_created == len(truth) - len(unusable)
        assert result.records_processed == len(truth)
        assert result.records_received == result.records_processed
        assert not compare(house.conninfo, house.sandbox, entity)

        again = house.sync(entity, "full")
        assert again.status == "success"
        assert again.records_failed == len(unusable)


def test_rejects_keep_reason_and_record(house: House) -> None:
    house.sandbox.move("appointments", "spoil", 4, kind="bad_scheduled_date")
    house.sandbox.move("appointments", "spoil", 3, kind="missing_id")

    house.sync("appointments")

    rejects = house.rows(REJECTED)
    reasons = sorted((row["error_type"], row["field"]) for row in rejects)
    assert (
        reasons
        == [("invalid_timestamp", "scheduled_date")] * 4
        + [("missing_id", "source_id")] * 3
    )
    assert all('"prospect_id"' in row["record_data"] for row in rejects)
    # What has an id is in the raw layer all the same.
    assert (
        house.value(
            "SELECT count(*) FROM raw.genius_appointments WHERE source_id = ANY(%s)",
            [row["source_id"] for row in rejects if row["source_id"]],
        )
        == 4
    )


def test_warnings_name_the_field_and_heal(house: House) -> None:
    house.sandbox.move("prospects", "spoil", 2, kind="bad_email")
    house.sandbox.move("prospects", "spoil", 2, kind="bad_phone")
    house.sandbox.move("prospects", "spoil", 2, kind="bad_created_date")
    house.sandbox.move("prospects", "spoil", 2, kind="empty_name")
    house.sandbox.move("prospects", "spoil", 2, kind="nul")

    result = house.sync("prospects")

    assert result.status == "success"
    assert result.records_failed == 0
    assert result.warnings == 10
    by_type = {
        row["error_type"]: row["n"]
        for row in house.rows(
            "SELECT error_type, count(*) AS n FROM ops.sync_errors"
            " WHERE severity = 'warning' AND NOT resolved GROUP BY 1"
        )
    }
    assert by_type == {
        "invalid_email": 2,
        "invalid_phone": 2,
        "invalid_timestamp": 2,
        "missing_value": 2,
        "invalid_character": 2,
    }
    assert (
        house.value(
            "SELECT count(*) FROM warehouse.contacts"
            " WHERE email IS NOT NULL AND email_normalized IS NULL"
        )
        == 2
    )

    house.sandbox.admin("POST", "/prospects/mend")
    house.sync("prospects", "full")

    open_errors = "SELECT count(*) FROM ops.sync_errors WHERE NOT resolved"
    assert house.value(open_errors) == 0
    assert not compare(house.conninfo, house.sandbox, "prospects")


def test_a_load_that_went_on_counts_a_warning_once(house: House) -> None:
    """The page that is read again for its place has warnings that are counted."""
    house.sync("prospects")
    house.sandbox.move("prospects", "delete", 300)
    house.sandbox.move("prospects", "spoil", 200, kind="bad_email")
    with pytest.raises(GuardError):
        house.sync("prospects", "full")

    result = house.sync("prospects", "full", override=frozenset({"mass_delete"}))

    assert result.records_repeated > 0
    assert result.warnings == 200


def test_exact_bytes_are_kept_where_jsonb_refuses(house: House) -> None:
    house.sandbox.move("prospects", "spoil", 3, kind="nul")
    house.sandbox.move("prospects", "spoil", 3, kind="lone_surrogate")

    house.sync("prospects")

    kept = house.rows(
        "SELECT convert_from(payload_bytes, 'UTF8') AS exact"
        " FROM raw.genius_prospects WHERE payload_bytes IS NOT NULL"
    )
    assert len(kept) == 6
    assert all("\\u0000" in row["exact"] or "\\ud8" in row["exact"] for row in kept)
    assert house.sync("prospects", "replay").records_unchanged == 600


def test_dangling_parent_is_no_error(house: House) -> None:
    house.sync("prospects")
    house.sandbox.move("appointments", "spoil", 5, kind="dangling_parent")

    result = house.sync("appointments")

    assert result.status == "success"
    assert result.records_failed == result.warnings == 0
    assert (
        house.value(
            "SELECT count(*) FROM warehouse.appointments"
            " WHERE contact_id IS NULL AND contact_source_id IS NOT NULL"
        )
        == 5
    )


def test_a_reject_that_heals_is_loaded_and_resolved(house: House) -> None:
    house.sandbox.move("appointments", "spoil", 4, kind="bad_scheduled_date")
    house.sync("appointments")
    house.sandbox.admin("POST", "/appointments/mend")

    result = house.sync("appointments", "full")

    assert (result.status, result.records_created) == ("success", 4)
    assert not house.rows(REJECTED)
    assert not compare(house.conninfo, house.sandbox, "appointments")


def test_records_without_an_id_spoil_no_count(house: House) -> None:
    """Two that look the same: one reject, and every other record counted right."""
    house.sandbox.move("users", "spoil", 3, kind="missing_id")

    first = house.sync("users", "full")
    house.sandbox.fault("lying_total", delta=-1, path="/users", count=1)
    again = house.sync("users", "full", restart=True)

    assert (first.records_created, first.records_failed) == (57, 3)
    assert (again.records_unchanged, again.records_failed) == (57, 3)


def test_replay_keeps_what_was_rejected(house: House) -> None:
    house.sandbox.move("appointments", "spoil", 4, kind="bad_scheduled_date")
    house.sync("appointments")

    house.sync("appointments", "replay")

    assert all('"prospect_id"' in row["record_data"] for row in house.rows(REJECTED))
