"""Each kind of bad record: what is sent, and what the warehouse must make of it."""

from datetime import datetime

import pytest
from sandbox_client import ENTITIES, Api
from sandbox_mapping import META, expected_row

from include.sandbox.genius.defects import APPOINTMENT_DEFECTS, PROSPECT_DEFECTS
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings


def spoiled(api, sandbox, entity, kind):
    """A record with this defect as sent, and its line of truth."""
    [key] = sandbox.move(entity, "spoil", 1, kind=kind)
    position = [int(line["source_id"] or 0) or key for line in sandbox.truth(entity)]
    at = position.index(key)
    return api.all(entity)[at], sandbox.truth(entity)[at]


def test_dirty_share_and_its_kinds():
    with SandboxServer(Settings(prospects=900, dirty=0.1)) as server:
        client = Api(server)
        sent = client.all("prospects")
        client.session.close()
        truth = {e: server.truth(e) for e in ("prospects", "appointments")}

    for entity, lines in truth.items():
        bad = [line["defect"] for line in lines if line["defect"]]
        assert 0.07 < len(bad) / len(lines) < 0.13, entity
    assert {line["defect"] for line in truth["prospects"]} == {
        None,
        *PROSPECT_DEFECTS,
    }
    assert {line["defect"] for line in truth["appointments"]} == {
        None,
        *APPOINTMENT_DEFECTS,
    }
    for record, line in zip(sent, truth["prospects"], strict=True):
        if line["defect"] is None:
            row = {k: v for k, v in line.items() if k not in META}
            assert row == expected_row("prospects", record)


def test_mend_frees_all_records(api, sandbox):
    clean = api.all("users")
    ids = sandbox.move("users", "spoil", 20)
    bad = [line for line in sandbox.truth("users") if line["defect"]]

    assert len(bad) == 20
    assert sandbox.move("users", "mend") == sorted(ids)
    for before, after in zip(clean, api.all("users"), strict=True):
        touched = before["id"] in ids
        assert (after["modified_date"] > before["modified_date"]) is touched
        assert {**after, "modified_date": 0} == {**before, "modified_date": 0}


def test_record_without_id(api, sandbox):
    record, line = spoiled(api, sandbox, "appointments", "missing_id")

    assert record.get("id") in (None, "")
    assert (line["expect"], line["reason"]) == ("reject", "missing_id")
    assert line["source_id"] is None


def test_unusable_scheduled_date_rejects(api, sandbox):
    record, line = spoiled(api, sandbox, "appointments", "bad_scheduled_date")

    with pytest.raises(ValueError):
        datetime.fromisoformat(record["scheduled_date"])
    assert line["expect"] == "reject"
    assert (line["reason"], line["field"]) == ("invalid_timestamp", "scheduled_date")
    assert line["source_id"] == str(record["id"])


@pytest.mark.parametrize("entity", ENTITIES)
def test_unusable_created_date_is_null_with_a_warning(api, sandbox, entity):
    _record, line = spoiled(api, sandbox, entity, "bad_created_date")

    assert line["expect"] == "keep"
    assert line["source_created_at"] is None
    assert line["source_updated_at"] is not None
    assert line["null_fields"] == line["warnings"] == ["source_created_at"]


@pytest.mark.parametrize("kind", ["bad_email", "bad_phone"])
def test_bad_email_and_phone_are_kept_with_a_warning(api, sandbox, kind):
    field = kind.removeprefix("bad_")
    record, line = spoiled(api, sandbox, "prospects", kind)

    assert (line["expect"], line["warnings"]) == ("keep", [field])
    assert line[field] == record[field] is not None


@pytest.mark.parametrize(
    ("kind", "unit"), [("nul", "\x00"), ("lone_surrogate", "\ud83d")]
)
def test_characters_that_postgresql_refuses(api, sandbox, kind, unit):
    record, line = spoiled(api, sandbox, "prospects", kind)

    body = api.get(f"/prospects/{record['id']}").content
    assert (b"\\u%04x" % ord(unit)) in body
    assert unit in record["last_name"]
    assert line["last_name"] == record["last_name"].replace(unit, "\ufffd")


@pytest.mark.parametrize(
    ("entity", "field"), [("prospects", "address"), ("appointments", "notes")]
)
def test_huge_text(api, sandbox, entity, field):
    record, line = spoiled(api, sandbox, entity, "huge_text")

    assert len(record[field]) == 1_000_000
    assert line[field] == record[field]


def test_dangling_parent_is_kept(api, sandbox):
    record, line = spoiled(api, sandbox, "appointments", "dangling_parent")

    assert api.get(f"/prospects/{record['prospect_id']}").status_code == 404
    assert line["expect"] == "keep"
    assert line["contact_source_id"] == str(record["prospect_id"])


def test_empty_name_stays_empty(api, sandbox):
    _record, line = spoiled(api, sandbox, "prospects", "empty_name")

    assert (line["expect"], line["first_name"]) == ("keep", "")


def test_unknown_fields_are_attributes_where_there_are_any(api, sandbox):
    record, line = spoiled(api, sandbox, "divisions", "unknown_fields")
    prospect, contact = spoiled(api, sandbox, "prospects", "unknown_fields")

    assert line["attributes"]["custom_nested"] == record["custom_nested"]
    assert line["attributes"]["Ünusual key"] == "naïve ☂"
    assert prospect["custom_nested"]["ok"] is True
    assert "attributes" not in contact


def test_a_misspelt_option_of_a_move_is_refused(sandbox):
    with pytest.raises(ValueError, match="unknown defect; there are count, kind"):
        sandbox.move("appointments", "spoil", 1, defect="missing_id")
