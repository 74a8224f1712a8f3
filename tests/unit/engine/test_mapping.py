"""Records to rows: what is kept, warned about and rejected, and when a hash moves."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_records import JSON, ODD, records

from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.payload import REPLACEMENT
from crm_warehouse.engine.record_paths import LONGEST_ID
from crm_warehouse.engine.values import NULL
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity, FieldMap

GENIUS = load_source(default_directory() / "genius.yaml")
MAPPINGS = {name: Mapping(GENIUS.entities[name], "US") for name in GENIUS.entities}
PROSPECT = {
    "id": 7,
    "first_name": "Ann",
    "last_name": "Lee",
    "email": "Ann@Example.com",
    "phone": "(201) 555-0123",
    "modified_date": "2026-01-02T03:04:05Z",
}
VISIT = {"id": 1, "prospect_id": 7, "status": "Set", "scheduled_date": "2026-05-01"}


def values_of(entity: str, row: Row) -> dict[str, str | None]:
    """Columns of a row whose text needed no escapes."""
    assert row.line is not None
    parts = row.line.split("\t")
    columns = MAPPINGS[entity].columns
    pairs = zip(columns, parts, strict=True)
    return {name: None if part == NULL else part for name, part in pairs}


def mapped(entity: str, record: dict[str, Any]) -> Row:
    mapping = MAPPINGS[entity]
    return mapping.map(record, mapping.source_id(record))


def with_rule(entity: str, target: str, rule: Any) -> Mapping:
    """The entity's mapping with ``on_error`` set for one column."""
    old = GENIUS.entities[entity]
    fields: tuple[FieldMap, ...] = tuple(
        dataclasses.replace(line, on_error=rule) if line.target == target else line
        for line in old.fields
    )
    changed: Entity = dataclasses.replace(old, fields=fields)
    return Mapping(changed, "US")


@pytest.mark.parametrize("entity", MAPPINGS)
def test_any_json_value_maps_to_a_whole_line_or_a_reject(entity: str) -> None:
    mapping = MAPPINGS[entity]
    names = tuple(str(p[0]) for f in mapping_fields(entity) for p in f.paths)

    @settings(max_examples=150, deadline=None)
    @given(records(names) | JSON, st.text(min_size=1, max_size=5))
    def check(record: Any, fallback_id: str) -> None:
        source_id = mapping.source_id(record)
        if isinstance(record, dict):
            source_id = source_id or fallback_id
        row = mapping.map(record, source_id)
        assert (row.line is None) == (row.reject is not None)
        assert (row.line is None) == (row.sync_hash is None)
        if row.line is not None:
            assert row.line.count("\t") == len(mapping.columns) - 1
            assert "\n" not in row.line
            assert "\0" not in row.line
            row.line.encode()

    check()


@pytest.mark.parametrize("letter", sorted(set(ODD)), ids=ascii)
def test_one_odd_character_alone_stays_inside_its_field(letter: str) -> None:
    columns = MAPPINGS["prospects"].columns
    for name in ("first_name", "address", "zip"):
        row = mapped("prospects", {**PROSPECT, name: f"a{letter}b"})
        assert row.line is not None
        parts = row.line.split("\t")
        assert len(parts) == len(columns)
        assert parts[columns.index(name)].startswith("a")
        assert parts[columns.index(name)].endswith("b")


def mapping_fields(entity: str) -> tuple[FieldMap, ...]:
    return GENIUS.entities[entity].fields


def test_a_good_record_maps_without_a_word() -> None:
    row = mapped("prospects", PROSPECT)

    values = values_of("prospects", row)
    assert row.reject is None
    assert row.warnings == []
    assert values["email"] == "Ann@Example.com"
    assert values["email_normalized"] == "ann@example.com"
    assert values["phone"] == "(201) 555-0123"
    assert values["phone_e164"] == "+12015550123"
    assert values["source_updated_at"] == "2026-01-02T03:04:05Z"
    assert values["city"] is None


@given(records(("first_name", "email", "modified_date", "status")), st.randoms())
def test_the_hash_moves_if_and_only_if_a_mapped_value_does(
    record: dict[str, Any], chance: Any
) -> None:
    mapping = MAPPINGS["prospects"]
    base = mapping.map(record, "1")
    items = list(record.items())
    chance.shuffle(items)

    assert mapping.map(dict(items) | {"unmapped field": 1}, "1") == base
    other = mapping.map({**record, "zip": "changed"}, "1")
    assert (other.sync_hash != base.sync_hash) == (record.get("zip") != "changed")
    assert (other.line != base.line) == (other.sync_hash != base.sync_hash)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": ""}, {"city": None}),
        ({"city": "a"}, {"city": "A"}),
        ({"city": "a"}, {"city": "a "}),
        ({"city": "a\tb", "state": None}, {"city": "a", "state": "b"}),
        ({"city": "x", "state": ""}, {"city": "", "state": "x"}),
        ({"city": "\\n"}, {"city": "\n"}),
        ({"city": "\\t"}, {"city": "\t"}),
        ({"city": "\\N"}, {"city": None}),
        ({"city": NULL}, {"city": None}),
        ({"city": "null"}, {"city": None}),
        (
            {"modified_date": "2026-01-02T03:04:05Z"},
            {"modified_date": "2026-01-02T03:04:05.000001Z"},
        ),
    ],
)
def test_different_values_have_different_hashes(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    hashes = {mapped("prospects", {"id": 1, **r}).sync_hash for r in (one, other)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": None}, {}),
        ({"modified_date": None}, {"modified_date": ""}),
        (
            {"modified_date": "2026-01-02T03:04:05Z"},
            {"modified_date": "2026-01-02T05:04:05+02:00"},
        ),
        (
            {"modified_date": "2026-01-02T03:04:05.5Z"},
            {"modified_date": "2026-01-02T030405.5Z"},
        ),
        ({"status": "New"}, {"status": " New\n"}),
        ({"zip": 12345}, {"zip": "12345"}),
        ({"city": {"a": 1, "b": 2}}, {"city": {"b": 2, "a": 1}}),
    ],
)
def test_one_fact_in_two_notations_has_one_hash(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    hashes = {mapped("prospects", {"id": 1, **r}).sync_hash for r in (one, other)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("sent", "source_id"),
    [
        (7, "7"),
        (-7, "-7"),
        (2**70, str(2**70)),
        ("7", "7"),
        ("a b", "a b"),
        ("日本", "日本"),
        ("x" * LONGEST_ID, "x" * LONGEST_ID),
        ("x" * (LONGEST_ID + 1), None),
        ("", None),
        (None, None),
        (7.0, None),
        (True, None),
        ([7], None),
        ({"id": 7}, None),
        ("7\n", None),
        ("7\0", None),
        ("\x02", None),
        ("\ud800", None),
    ],
)
def test_ids(sent: Any, source_id: str | None) -> None:
    record = {**PROSPECT, "id": sent}
    row = mapped("prospects", record)

    assert MAPPINGS["prospects"].source_id(record) == source_id
    assert (row.reject is None) == (source_id is not None)
    if row.reject is not None:
        assert row.reject.error_type == "missing_id"


@pytest.mark.parametrize("record", [None, 7, "x", [], [PROSPECT], True])
def test_what_is_no_object_is_rejected_as_such(record: Any) -> None:
    row = mapped("prospects", record)

    assert row.reject is not None
    assert row.reject.error_type == "not_an_object"


@pytest.mark.parametrize(
    ("sent", "error_type"),
    [
        (None, "missing_value"),
        ("", "missing_value"),
        ("soon", "invalid_timestamp"),
        (1718447400, "invalid_timestamp"),
    ],
)
def test_an_appointment_without_a_usable_date_is_rejected(
    sent: Any, error_type: str
) -> None:
    row = mapped("appointments", {**VISIT, "scheduled_date": sent})

    assert row.line is None
    assert row.reject is not None
    assert (row.reject.error_type, row.reject.field) == (error_type, "scheduled_date")


@pytest.mark.parametrize(
    ("field", "sent", "kept", "error_type"),
    [
        ("first_name", None, None, "missing_value"),
        ("first_name", "", "", "missing_value"),
        ("first_name", "x" * 256, "x" * 256, "too_long"),
        ("first_name", NULL, REPLACEMENT, None),
        ("first_name", "a\0b", f"a{REPLACEMENT}b", "invalid_character"),
        ("email", "nonsense", "nonsense", "invalid_email"),
        ("phone", "5555555555", "5555555555", "invalid_phone"),
        ("phone", "+1234567890", "+1234567890", "invalid_phone"),
        ("status", " \n", "", None),
        ("created_date", "yesterday", None, "invalid_timestamp"),
        ("zip", "9" * 51, "9" * 51, "too_long"),
    ],
)
def test_a_bad_field_warns_and_the_row_lives(
    field: str, sent: Any, kept: str | None, error_type: str | None
) -> None:
    row = mapped("prospects", {**PROSPECT, field: sent})

    column = "source_created_at" if field == "created_date" else field
    assert row.reject is None
    assert values_of("prospects", row)[column] == kept
    warned = [(w.error_type, w.field) for w in row.warnings]
    assert warned == ([(error_type, column)] if error_type else [])
    assert not any(
        isinstance(sent, str) and len(sent) > 1 and sent in w.message
        for w in row.warnings
    )


@pytest.mark.parametrize(
    ("rule", "kept"), [("keep", "nonsense"), ("set_null", None), ("reject", "-")]
)
@pytest.mark.parametrize(
    ("column", "derived"), [("email", "email_normalized"), ("phone", "phone_e164")]
)
def test_the_rule_of_a_field_decides(
    rule: str, kept: str | None, column: str, derived: str
) -> None:
    mapping = with_rule("prospects", column, rule)
    row = mapping.map({**PROSPECT, column: "nonsense"}, "7")

    if rule == "reject":
        assert row.line is None
        assert row.reject is not None
        assert row.reject.error_type == f"invalid_{column}"
        return
    values = values_of("prospects", row)
    assert (values[column], values[derived]) == (kept, None)
    assert [w.error_type for w in row.warnings] == [f"invalid_{column}"]


def test_a_timestamp_may_be_made_reason_enough_for_a_reject() -> None:
    mapping = with_rule("prospects", "source_created_at", "reject")
    row = mapping.map({**PROSPECT, "created_date": "yesterday"}, "7")

    assert row.reject is not None
    assert row.reject.field == "source_created_at"


def test_what_no_line_maps_stands_in_attributes() -> None:
    record = {"id": 1, "name": None, "full_name": "Bo", "team": {"z": [1], "a": "\0"}}
    row = mapped("users", record)

    values = values_of("users", row)
    assert values["name"] == "Bo"
    assert values["attributes"] == f'{{"team":{{"a":"{REPLACEMENT}","z":[1]}}}}'


@pytest.mark.parametrize(
    ("sent", "version"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z"),
        ("nonsense", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_versions(sent: Any, version: str | None) -> None:
    record = {"id": 1, "modified_date": sent}
    assert MAPPINGS["prospects"].version(record) == version
