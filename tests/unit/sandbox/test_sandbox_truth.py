"""Moves of records, and what the warehouse must make of clean ones."""

import pytest
from sandbox_client import ENTITIES
from sandbox_mapping import META, expected_row


@pytest.mark.parametrize("entity", ENTITIES)
def test_truth_of_clean_records_is_what_the_api_sends(api, sandbox, entity):
    truth = sandbox.truth(entity)
    rows = [{k: v for k, v in line.items() if k not in META} for line in truth]

    assert rows == [expected_row(entity, record) for record in api.all(entity)]
    for line in truth:
        assert [line[name] for name in META] == ["keep", None, [], []]


def test_change_moves_exactly_as_many_records_and_visibly(api, sandbox):
    for entity in ENTITIES:
        before = {r["id"]: r for r in api.all(entity)}

        ids = sandbox.move(entity, "change", 5)

        after = {r["id"]: r for r in api.all(entity)}
        assert len(set(ids)) == 5
        assert {k for k in after if after[k] != before[k]} == set(ids)
        for key in ids:
            assert after[key]["status"] != before[key]["status"]
            assert after[key]["modified_date"] > before[key]["modified_date"]
            assert after[key]["created_date"] == before[key]["created_date"]
        newest = max(record["modified_date"] for record in before.values())
        already = {k for k, r in before.items() if r["modified_date"] == newest}
        found = {r["id"] for r in api.all(entity, modified_since=newest)}
        assert found == already | set(ids)


def test_readers_see_changes_at_once(api, sandbox):
    since = {"modified_since": "2026-06-01T00:00:00Z"}
    assert api.all("prospects", **since) == []

    for action in ("create", "change", "spoil"):
        ids = sandbox.move("prospects", action, kind="bad_email")
        assert set(ids) <= {r["id"] for r in api.all("prospects", **since)}, action
    found = len(api.all("prospects", **since))
    sandbox.move("prospects", "delete", len(sandbox.truth("prospects")))

    assert found > 1
    assert api.all("prospects", **since) == []


def test_each_move_picks_anew(sandbox):
    first, second = [set(sandbox.move("prospects", "change", 5)) for _ in range(2)]

    assert first != second


def test_create_and_delete_move_exactly_as_many_records(api, sandbox):
    before = {r["id"] for r in api.all("prospects")}

    created = sandbox.move("prospects", "create", 12)
    gone = sandbox.move("prospects", "delete", 30)

    after = {r["id"] for r in api.all("prospects")}
    assert before | set(created) == after | set(gone)
    assert len(after) == 250 + 12 - 30
    assert sandbox.deleted("prospects") == [str(key) for key in gone]
    assert api.get(f"/prospects/{gone[0]}").status_code == 404
    assert {line["source_id"] for line in sandbox.truth("prospects")} == {
        str(key) for key in after
    }


def test_moved_records_carry_the_moved_clock(api, sandbox):
    sandbox.configure(clock_offset_seconds=10 * 365 * 86_400)

    [key] = sandbox.move("prospects", "create")

    record = api.get(f"/prospects/{key}").json()
    assert record["created_date"] == record["modified_date"]
    assert record["created_date"] > "2036"


def test_moves_refuse_impossible_counts(sandbox):
    with pytest.raises(ValueError, match="has 8 such records"):
        sandbox.move("divisions", "delete", 9)
    with pytest.raises(ValueError, match="whole number"):
        sandbox.move("divisions", "delete", -1)
    with pytest.raises(ValueError, match="unknown kind"):
        sandbox.move("divisions", "spoil", kind="bad_phone")
