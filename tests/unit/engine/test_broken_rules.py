"""What breaking a validation rule does: to the record, its row, and the books."""

from datetime import UTC, datetime
from typing import Any

from engine_load import Begin, Connection, at, rows
from psycopg.types.json import Jsonb

from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.rules import Rule, compile_rule
from crm_warehouse.spec import Source
from tests.proof.house import SOURCES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSERT = (
    "INSERT INTO ops.sync_validation_rules"
    " (name, source_system, entity_type, field, rule_type, config, on_error)"
    " VALUES (%s, 'genius', %s, %s, %s, %s, %s)"
)
PERSON = {"id": 1, "first_name": "Ann", "last_name": "Lee", "state": "TX"}


def add(conn: Connection, name: str, *rule: Any, entity: str = "prospects") -> None:
    """Store a rule: field, type, config, on_error."""
    field, rule_type, config, on_error = (*rule, "reject")[:4]
    conn.execute(INSERT, [name, entity, field, rule_type, Jsonb(config), on_error])


def mapped(source: Source, record: dict[str, Any], *rules: Rule) -> Row:
    entity = source.entities["prospects"]
    checks = [compile_rule(rule, entity, NOW) for rule in rules]
    return Mapping(entity, source.region, checks).map(record, "1")


class TestBreakingOne:
    def test_reject(self, genius: Source) -> None:
        row = mapped(genius, PERSON, Rule("r", "state", "one_of", {"values": ["NY"]}))

        assert row.line is None
        assert row.reject == Problem(
            "validation_rule", "none of the 1 values that are allowed", "state", "r"
        )
        assert row.reject.rule == "r"

    def test_set_null_reaches_the_normalized_column(self, genius: Source) -> None:
        rule = Rule(
            "r", "email", "not_one_of", {"values": ["none@none.com"]}, "set_null"
        )
        row = mapped(genius, {**PERSON, "email": "none@none.com"}, rule)
        without = mapped(genius, PERSON)

        assert row.line == without.line
        assert [warning.rule for warning in row.warnings] == ["r"]

    def test_keep_warns_and_keeps(self, genius: Source) -> None:
        row = mapped(
            genius, PERSON, Rule("r", "state", "max_length", {"length": 1}, "keep")
        )

        assert (row.line, row.sync_hash) == mapped(genius, PERSON)[:2]
        assert [w.message for w in row.warnings] == ["longer than 1 characters"]

    def test_the_normalized_column_has_rules_of_its_own(self, genius: Source) -> None:
        rule = Rule("r", "email_normalized", "required", {})

        assert mapped(genius, {**PERSON, "email": "nonsense"}, rule).line is None
        assert mapped(genius, {**PERSON, "email": "a@b.com"}, rule).line is not None

    def test_the_strictest_of_several_decides(self, genius: Source) -> None:
        keep = Rule("a", "state", "max_length", {"length": 1}, "keep")
        null = Rule("b", "state", "max_length", {"length": 1}, "set_null")
        reject = Rule("c", "state", "required", {})

        both = mapped(genius, PERSON, keep, null)

        # What is NULL already breaks no rule about its value.
        assert [warning.rule for warning in both.warnings] == ["b"]
        assert mapped(genius, PERSON, keep, null, reject).line == both.line
        first = mapped(genius, {**PERSON, "state": ""}, keep, null, reject)
        assert first.reject is not None
        assert first.reject.rule == "c"

    def test_no_rule_lets_pass_what_the_mapping_refuses(self, genius: Source) -> None:
        entity = genius.entities["appointments"]
        rule = Rule("r", "scheduled_date", "not_before", {"time": "2000-01-01"}, "keep")
        mapping = Mapping(entity, "US", [compile_rule(rule, entity, NOW)])

        row = mapping.map({"id": 1, "scheduled_date": "soon"}, "1")

        assert row.reject is not None
        assert row.reject.rule == "built-in:timestamp"

    def test_another_row_of_the_record(self) -> None:
        source = SOURCES["activeprospect"]
        entity = source.entities["leads"]
        rule = Rule("r", "contacts.email", "required", {})
        mapping = Mapping(entity, source.region, [compile_rule(rule, entity, NOW)])

        row = mapping.map({"id": "1"}, "1")

        assert row.reject is not None
        assert (row.reject.field, row.reject.rule) == ("contacts.email", "r")
        assert mapping.digest != Mapping(entity, source.region).digest


class TestRowsAlreadyLoaded:
    """A rule that came later: a replay applies it to what is there."""

    def test_reject_leaves_the_last_good_row_and_says_so(
        self, begin: Begin, conn: Connection
    ) -> None:
        begin("prospects").write(PERSON)
        add(conn, "r", "state", "one_of", {"values": ["NY"]})
        job = begin("prospects", mode="replay", with_raw=False).replay()

        assert (job.records_failed, job.records_updated, job.new_rejects) == (1, 0, 1)
        assert rows(conn, "SELECT state, is_deleted FROM warehouse.contacts") == [
            ("TX", False)
        ]
        assert rows(
            conn, "SELECT source_id, rule FROM ops.sync_errors WHERE NOT resolved"
        ) == [("1", "r")]

    def test_set_null_takes_the_value_away(
        self, begin: Begin, conn: Connection
    ) -> None:
        begin("prospects").write(PERSON)
        add(conn, "r", "state", "one_of", {"values": ["NY"]}, "set_null")
        job = begin("prospects").write(PERSON, observed=at(1))

        assert (job.records_updated, job.warnings) == (1, 1)
        assert rows(conn, "SELECT state FROM warehouse.contacts") == [(None,)]


def test_changes_of_rules_are_audited(conn: Connection) -> None:
    add(conn, "r", "state", "required", {})
    conn.execute("UPDATE ops.sync_validation_rules SET on_error = 'keep'")
    conn.execute("UPDATE ops.sync_validation_rules SET on_error = 'keep'")
    conn.execute("DELETE FROM ops.sync_validation_rules")

    assert rows(
        conn,
        "SELECT action, object_type, object_id, details #>> '{after,on_error}'"
        " FROM ops.audit_log ORDER BY id",
    ) == [
        ("rule.insert", "validation_rule", "r", "reject"),
        ("rule.update", "validation_rule", "r", "keep"),
        ("rule.delete", "validation_rule", "r", None),
    ]


def test_the_audit_trail_keeps_no_value_that_a_rule_lists(conn: Connection) -> None:
    people = {"values": ["ann@example.com", "bo@example.com"]}
    add(conn, "r", "email", "not_one_of", people)
    conn.execute(
        "UPDATE ops.sync_validation_rules"
        ' SET config = \'{"values": ["cy@example.com"]}\''
    )
    conn.execute(
        "UPDATE ops.sync_validation_rules"
        ' SET is_active = false, config = \'{"values": "di@example.com"}\''
    )

    audited = "SELECT details #> '{after,config}' FROM ops.audit_log ORDER BY id"
    assert [config for (config,) in rows(conn, audited)] == [
        {"values": 2},
        {"values": 1},
        {},
    ]
    assert rows(
        conn, "SELECT count(*) FROM ops.audit_log WHERE details::text LIKE '%%@%%'"
    ) == [(0,)]


def test_a_refused_record_says_who_and_where(begin: Begin, conn: Connection) -> None:
    load = begin("appointments")
    chunk = load.chunk([])
    chunk.add({"id": 1}, at(3), page="page 4 of /appointments")
    load.job = load.loader.write(load.job, chunk, {})

    load.write({"id": 1}, observed=at(4))

    assert rows(
        conn, "SELECT rule, page, observed_at, seen_count FROM ops.sync_errors"
    ) == [("built-in:required", "page 4 of /appointments", at(4), 2)]
