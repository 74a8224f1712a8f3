"""Validation rules: what passes, what is wrong with one, and what breaking one does."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from engine_load import Begin, Connection, rows
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg.types.json import Jsonb

from crm_warehouse.engine.patterns import compile_pattern
from crm_warehouse.engine.rules import Rule, compile_rule
from crm_warehouse.engine.values import CONVERTERS, NULL
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import as_json
from crm_warehouse.spec import Entity, Source
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


def passes(rule_type: str, config: Any, text: str, field: str = "state") -> bool:
    entity = SOURCES["genius"].entities["prospects"]
    return compile_rule(Rule("r", field, rule_type, config), entity, NOW).passes(text)


#: field, type, config, on_error
WRONG = [
    ("state", "required", {"x": 1}, "reject"),
    ("state", "required", {}, "set_null"),
    ("state", "max_length", {}, "reject"),
    ("state", "max_length", {"length": 0}, "reject"),
    ("state", "max_length", {"length": 1.5}, "reject"),
    ("state", "max_length", {"length": "9"}, "reject"),
    ("state", "max_length", {"length": 9, "more": 1}, "reject"),
    ("state", "pattern", {"pattern": "("}, "reject"),
    ("state", "pattern", {"pattern": ""}, "reject"),
    ("state", "pattern", {"pattern": "a" * 201}, "reject"),
    ("state", "one_of", {"values": []}, "reject"),
    ("state", "one_of", {"values": ["a", 1]}, "reject"),
    ("state", "one_of", {"values": "a"}, "reject"),
    ("state", "not_one_of", {"values": [["a"]]}, "reject"),
    ("state", "range", {}, "reject"),
    ("state", "range", {"min": 2, "max": 1}, "reject"),
    ("state", "range", {"min": "1"}, "reject"),
    ("state", "range", {"min": [1]}, "reject"),
    ("source_created_at", "not_before", {"time": "tomorrow"}, "reject"),
    ("source_created_at", "not_before", {"time": "2020-02-31"}, "reject"),
    ("source_created_at", "not_after", {"time": "now+2"}, "reject"),
    ("source_created_at", "not_after", {"time": 2020}, "reject"),
    ("state", "is_nice", {}, "reject"),
    ("state", "required", {}, "ignore"),
    ("state", "required", [], "reject"),
]


class TestTypes:
    @pytest.mark.parametrize(
        ("rule_type", "config", "good", "bad"),
        [
            ("required", {}, ["x", " "], ["", NULL]),
            ("min_length", {"length": 2}, ["ab", "", NULL], ["a"]),
            ("max_length", {"length": 2}, ["ab", "", NULL], ["abc"]),
            (
                "pattern",
                {"pattern": "[A-Z]{2}"},
                ["TX", "", NULL],
                ["tx", "TXX", "TX\n"],
            ),
            ("one_of", {"values": ["a", "b"]}, ["a", "", NULL], ["A", "a "]),
            ("not_one_of", {"values": ["n/a", ""]}, ["a", "", NULL], ["n/a"]),
        ],
    )
    def test_texts(
        self, rule_type: str, config: Any, good: list[str], bad: list[str]
    ) -> None:
        assert all(passes(rule_type, config, text) for text in good)
        assert not any(passes(rule_type, config, text) for text in bad)

    @pytest.mark.parametrize(
        ("rule_type", "time", "good", "bad"),
        [
            ("not_before", "2020-01-01", "2020-01-01T00:00:00",
             "2019-12-31T23:59:59.9"),
            ("not_before", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.5",
             "2020-01-01T00:00:00"),
            ("not_after", "2020-01-01", "2020-01-01T00:00:00", "2020-01-01T00:00:00.1"),
            ("not_after", "2020-01-01T02:00:00+02:00", "2020-01-01T00:00:00",
             "2020-01-01T01:00:00"),
            ("not_after", "now", "2026-03-01T12:00:00", "2026-03-01T12:00:01"),
            ("not_after", "now+2d", "2026-03-03T12:00:00", "2026-03-03T12:00:01"),
            ("not_before", "now-1y", "2025-03-01T12:00:00", "2025-03-01T11:59:59"),
        ],
    )  # fmt: skip
    def test_instants(self, rule_type: str, time: str, good: str, bad: str) -> None:
        config = {"time": time}
        assert passes(rule_type, config, f"{good}Z", "source_created_at")
        assert passes(rule_type, config, NULL, "source_created_at")
        assert not passes(rule_type, config, f"{bad}Z", "source_created_at")

    @given(st.decimals(-1000, 1000, places=2), st.integers(-9, 9), st.integers(0, 9))
    def test_numbers(self, amount: Any, low: int, span: int) -> None:
        entity = SOURCES["hubspot"].entities["deals"]
        rule = Rule("r", "value", "range", {"min": low, "max": low + span})
        check = compile_rule(rule, entity, NOW)

        sent = CONVERTERS["numeric"](str(amount))

        assert check.passes(sent) is (low <= amount <= low + span)
        assert check.passes(NULL)

    @given(st.datetimes(), st.datetimes())
    def test_instants_sort_as_texts(self, limit: datetime, value: datetime) -> None:
        config = {"time": limit.isoformat()}
        sent = CONVERTERS["timestamp"](value.isoformat())

        field = "source_created_at"
        assert passes("not_before", config, sent, field) is (value >= limit)
        assert passes("not_after", config, sent, field) is (value <= limit)


class TestPatterns:
    @pytest.mark.parametrize(
        "pattern",
        ["[0-9]{5}(-[0-9]{4})?", r"[^@]+@[^@]+\.[a-z]+", "(foo|bar)", "(?i)abc",
         r"(\d{1,3}\.){3}\d{1,3}", r"[^@\s]+?@([a-z0-9-]+\.)+[a-z]{2,}",
         "[a-z]+-[a-z]+-[a-z]+-[a-z]+", "(?i)[^b]*b[^b]*b[^b]*b"],
    )  # fmt: skip
    def test_usual_ones_are_accepted(self, pattern: str) -> None:
        compile_pattern(pattern)

    @pytest.mark.parametrize(
        "pattern",
        ["(a+)+b", "(a|aa)+", "a*b*c*d*", r"(.)\1", "(a{0,16}){0,16}", "((a?)?)*b",
         "(?:(?:a*)*)*", "(a?){60}b", "a?" * 24 + "b", ".*[a-z].*[a-z].*[0-9]",
         "(?i:[a-z]*B[a-z]*B[a-z]*B)", "[^b]*B[^b]*B[^b]*B", "(a+b?)+c", ".*b.*b.*b"],
    )  # fmt: skip
    def test_those_that_may_never_end_are_refused(self, pattern: str) -> None:
        with pytest.raises(ValueError, match="for ever"):
            compile_pattern(pattern)

    def test_a_value_beyond_the_bound_does_not_match(self) -> None:
        matches = compile_pattern(".*")
        assert matches("a" * 255)
        assert not matches("a" * 256)

    @given(st.text(alphabet="ab()[]|*+?{}1,\\.^$-", max_size=30))
    def test_whatever_is_written_is_refused_or_ends(self, pattern: str) -> None:
        try:
            matches = compile_pattern(pattern)
        except (TypeError, ValueError):
            return
        for value in ("", "a" * 25, "ab" * 12 + "!", "1,1,1,1"):
            assert matches(value) is bool(re.fullmatch(pattern, value))


def loaded(conn: Connection, source: Source, entity: Entity) -> None:
    """Keep an entity's definition, as its latest job does."""
    conn.execute(
        "WITH job AS (INSERT INTO ops.sync_jobs (source_system, entity_type, job_type,"
        " via, status, triggered_by) VALUES ('genius', %(entity)s, 'full', 'api',"
        " 'success', 'cli') RETURNING id)"
        " INSERT INTO ops.source_specs (source_system, entity_type, spec, job_id)"
        " SELECT 'genius', %(entity)s, %(spec)s, id FROM job",
        {"entity": entity.name, "spec": Jsonb(as_json(source, entity))},
    )


class TestWrongRules:
    """The database refuses them with the reason; what gets past is found by the job."""

    @pytest.mark.parametrize(("field", "rule_type", "config", "on_error"), WRONG)
    def test_the_database_refuses(
        self,
        shared_conn: Connection,
        field: str,
        rule_type: str,
        config: Any,
        on_error: str,
    ) -> None:
        with pytest.raises(errors.CheckViolation) as caught:
            add(shared_conn, "wrong", field, rule_type, config, on_error)
        assert "rule wrong: " in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "rule_type", "on_error", "reason"),
        [
            ("r", "max_len", "reject", "no rule_type 'max_len'; there are required, "),
            ("r", "required", "rejct", "no on_error 'rejct'; there are reject, set"),
            ("R 6", "required", "reject", "rule R 6: a name is 1 to 63 small letters"),
        ],
    )
    @pytest.mark.parametrize("is_active", [True, False])
    def test_the_database_says_what_is_allowed(
        self,
        shared_conn: Connection,
        name: str,
        rule_type: str,
        on_error: str,
        reason: str,
        is_active: bool,
    ) -> None:
        with pytest.raises(errors.CheckViolation, match=reason):
            shared_conn.execute(
                "INSERT INTO ops.sync_validation_rules (name, source_system,"
                " entity_type, field, rule_type, on_error, is_active)"
                " VALUES (%s, 'genius', 'prospects', 'state', %s, %s, %s)",
                [name, rule_type, on_error, is_active],
            )

    @pytest.mark.parametrize("column", ["name", "rule_type", "config", "on_error"])
    def test_what_is_missing_is_named(
        self, shared_conn: Connection, column: str
    ) -> None:
        values = {
            "name": "r",
            "rule_type": "required",
            "config": "{}",
            "on_error": "keep",
        }
        with pytest.raises((errors.NotNullViolation, errors.CheckViolation)) as caught:
            shared_conn.execute(
                "INSERT INTO ops.sync_validation_rules (source_system, entity_type,"
                " field, name, rule_type, config, on_error) VALUES ('genius',"
                " 'prospects', 'state', %(name)s, %(rule_type)s, %(config)s,"
                " %(on_error)s)",
                {**values, column: None},
            )
        assert column in str(caught.value)

    @pytest.mark.parametrize(("field", "rule_type", "config", "on_error"), WRONG)
    def test_the_engine_refuses_them_too(
        self, genius: Source, field: str, rule_type: str, config: Any, on_error: str
    ) -> None:
        rule = Rule("wrong", field, rule_type, config or {}, on_error)
        entity = genius.entities["prospects"]
        if config == []:
            return
        with pytest.raises(ConfigurationError, match="rule wrong: "):
            compile_rule(rule, entity, NOW)

    @pytest.mark.parametrize(
        ("rule", "reason"),
        [
            (("statee", "required", {}), "is not mapped"),
            (("contacts.state", "required", {}), "is not mapped"),
            (("state", "range", {"min": 1}), "means nothing for state, a text"),
            (("source_created_at", "max_length", {"length": 1}), "a timestamp"),
            (("state", "pattern", {"pattern": "(a+)+b"}), "for ever"),
            (("source_created_at", "not_after", {"time": "now+99999y"}), "time"),
        ],
    )
    def test_what_only_the_engine_knows(
        self, genius: Source, rule: tuple[Any, ...], reason: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=reason):
            compile_rule(Rule("r", *rule), genius.entities["prospects"], NOW)

    def test_what_a_row_cannot_exist_without_is_not_set_to_null(
        self, genius: Source
    ) -> None:
        rule = Rule("r", "scheduled_date", "not_after", {"time": "now"}, "set_null")
        with pytest.raises(ConfigurationError, match="cannot be set to NULL"):
            compile_rule(rule, genius.entities["appointments"], NOW)

    def test_a_field_that_the_latest_job_did_not_map_is_refused(
        self, conn: Connection, genius: Source
    ) -> None:
        loaded(conn, genius, SOURCES["activeprospect"].entities["leads"])

        for field in ("status", "contacts.email", "contacts.email_normalized"):
            add(
                conn,
                f"r_{field.replace('.', '_')}",
                field,
                "required",
                {},
                entity="leads",
            )
        for field in ("statuss", "email", "contacts.statuss"):
            with pytest.raises(errors.CheckViolation, match="is not mapped"):
                add(conn, "wrong", field, "required", {}, entity="leads")

    def test_the_fields_that_may_be_named_are_listed(
        self, genius: Source, conn: Connection
    ) -> None:
        rule = Rule("r", "emial", "required", {})
        with pytest.raises(ConfigurationError) as caught:
            compile_rule(rule, genius.entities["prospects"], NOW)
        told = str(caught.value)
        assert "field 'emial' is not mapped (did you mean email?);" in told
        assert "email, email_normalized, phone, phone_e164, address" in told

        loaded(conn, genius, genius.entities["prospects"])
        with pytest.raises(errors.CheckViolation) as refused:
            add(conn, "r", "emial", "required", {})
        assert "email, email_normalized, phone, phone_e164" in str(refused.value)

    def test_an_alias_is_refused_with_the_entity_it_stands_for(
        self, genius: Source, conn: Connection
    ) -> None:
        loaded(conn, genius, genius.entities["prospects"])

        with pytest.raises(
            errors.CheckViolation, match="write entity_type 'prospects'"
        ):
            add(conn, "r", "state", "required", {}, entity="contacts")

    def test_a_job_goes_on_without_it_and_says_so(
        self, begin: Begin, conn: Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        add(conn, "endless", "state", "pattern", {"pattern": "(a+)+b"})
        add(conn, "good", "state", "one_of", {"values": ["TX"]})
        begin("prospects").write(PERSON, {**PERSON, "id": 2, "state": "ZZ"})

        (warning,) = caplog.records
        assert warning.levelname == "WARNING"
        assert warning.getMessage().startswith("rule endless: config.pattern could")
        assert "is left out" in warning.getMessage()
        told = (
            "SELECT severity, error_type, rule, field, source_id FROM ops.sync_errors"
            " WHERE NOT resolved ORDER BY severity"
        )
        assert rows(conn, told) == [
            ("error", "validation_rule", "good", "state", "2"),
            ("warning", "invalid_rule", "endless", "state", None),
        ]
        conn.execute("DELETE FROM ops.sync_validation_rules WHERE name = 'endless'")
        begin("prospects").write(PERSON)

        assert rows(conn, told) == [("error", "validation_rule", "good", "state", "2")]

    def test_a_wrong_rule_can_be_switched_off(self, conn: Connection) -> None:
        conn.execute(
            "ALTER TABLE ops.sync_validation_rules"
            " DISABLE TRIGGER sync_validation_rules_check"
        )
        add(conn, "old", "state", "pattern", {})
        conn.execute(
            "ALTER TABLE ops.sync_validation_rules"
            " ENABLE TRIGGER sync_validation_rules_check"
        )
        conn.execute("UPDATE ops.sync_validation_rules SET is_active = false")
