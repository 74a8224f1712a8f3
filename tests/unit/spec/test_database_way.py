"""The key ``database`` of an entity."""

from pathlib import Path

import pytest
from source_yaml import changed, problems_of, write

from crm_warehouse.source_files import as_json, load_source
from crm_warehouse.ways_in import ColumnRule, DatabaseWay, Join

PEOPLE = """\
    database:
      table: crm.person
      key: [branch_id, id]
      changed: [updated_at, added_on]
      joins:
        branch: {table: branch, from: branch_id, to: id}
        area: {table: area, from: branch.area_id, to: id}
      columns:
        changed_date: [updated_at, added_on]
        branch: branch.label
        state: {from: [state, old_state], values: {"1": new, "2": won}}
        visit:
          {date: day, time: hour, plus: minutes, zone_from: area.zone, zone: US/Pacific}
      leave_out: [password]
      time_zone: America/Chicago
      schedule: "*/5 * * * *"
      full_schedule: "0 3 * * 0"
    map:
      email: email
"""
MAP = """\
    map:
      email: email
"""


def described(old: str = "", new: str = "") -> str:
    assert old in PEOPLE
    return changed(MAP, PEOPLE.replace(old, new, 1))


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, described()))

    assert source.database_connection == "acme_database"
    assert source.connections == ["acme_default", "acme_database"]
    entity = source.entities["people"]
    assert entity.vias == ("api", "database")
    assert entity.crons("database") == ("*/5 * * * *", "0 3 * * 0")
    assert entity.database == DatabaseWay(
        table="crm.person",
        key=("branch_id", "id"),
        changed=("updated_at", "added_on"),
        columns={
            "changed_date": ColumnRule(("updated_at", "added_on")),
            "branch": ColumnRule(("branch.label",)),
            "state": ColumnRule(("state", "old_state"), {"1": "new", "2": "won"}),
            "visit": ColumnRule(
                ("day", "hour"),
                is_local=True,
                plus="minutes",
                zone="US/Pacific",
                zone_from="area.zone",
            ),
        },
        joins={
            "branch": Join("branch", "branch_id", "id"),
            "area": Join("area", "branch.area_id", "id"),
        },
        leave_out=("password",),
        time_zone="America/Chicago",
        schedule="*/5 * * * *",
        full_schedule="0 3 * * 0",
    )


def test_the_least_that_can_be_said(tmp_path: Path) -> None:
    text = changed(MAP, f"    database: {{table: person}}\n{MAP}")
    source = load_source(write(tmp_path, text))

    assert source.entities["people"].database == DatabaseWay("person")
    assert source.entities["visits"].vias == ("api",)
    stored = as_json(source, source.entities["people"])["entity"]["database"]
    assert (stored["key"], stored["changed"]) == (["id"], [])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("crm.person", "person; DROP", "table: 'person; DROP' is no name"),
        ("key: [branch_id, id]", "key: []", "database.key: needs at least 1 item"),
        ("leave_out: [", "leave_out: [id, ", "leave_out: 'id' is needed: it"),
        ("America/Chicago", "Mars/Base", "'Mars/Base' is no time zone; write e.g."),
        ("branch.area_id", "brunch.area_id", "unknown join 'brunch'"),
        ("branch_id, to", "area.x, to", "joins.branch.from: unknown join 'area'"),
        ("branch.label", "brnch.label", "columns.branch: unknown join 'brnch'"),
        ("changed_date: [", "id: [", "columns.id: is the record's id,"),
        (", zone_from: area.zone, zone: US/Pacific", "", "visit.zone: needs zone"),
        ("time_zone:", "timezone:", "unknown key 'timezone'; did you"),
        ('{"1": new, "2": won}', "{}", "columns.state.values: must not be empty"),
        ("branch.label", "3", "columns.branch: must be a column, a list"),
    ],
)  # fmt: skip
def test_what_cannot(tmp_path: Path, old: str, new: str, problem: str) -> None:
    [found] = problems_of(write(tmp_path, described(old, new)))

    assert problem in found
    assert "entities.people.database" in found


def test_an_id_inside_the_record_has_no_place_in_a_row(tmp_path: Path) -> None:
    text = described().replace("    id: id\n", "    id: properties.id\n", 1)

    [found] = problems_of(write(tmp_path, text))

    assert "database.key: goes with an id at the top of the record only" in found
