"""Values that are plain, or inside objects which tell more about them."""

from dataclasses import replace

import pytest

from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.values import NULL
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import with_profile

SOURCE = with_profile(
    load_source(default_directory() / "activeprospect.yaml"), "leadconduit"
)
LEADS = SOURCE.entities["leads"]
ID = "5fd4371e940df5a34a3888b2"


def rows(lead, **event):
    """The rows of a source event, as table -> column -> value; and what is wrong."""
    mapping = Mapping(LEADS, "US")
    record = {"id": "e", "vars": {"lead": {"id": ID, **lead}}, **event}
    row = mapping.map(record, mapping.source_id(record))
    assert row.line is not None
    found = {}
    for each, made in ((mapping, row), (mapping.also[0], row.also[0])):
        values = made.line.split("\t")
        found[each.into] = {
            column: None if value == NULL else value
            for column, value in zip(each.columns, values, strict=True)
        }
    return found, [(each.error_type, each.field) for each in row.warnings]


PHONE = {
    "prefix": "1",
    "raw": "(201) 555-0123",
    "area": "201",
    "number": "5550123",
    "normal": "2015550123",
    "valid": True,
}


@pytest.mark.parametrize(
    ("sent", "phone"),
    [
        ("2015550123", "2015550123"),
        (2015550123, "2015550123"),
        ({"number": "2015550123", "valid": True}, "2015550123"),
        ({"value": "2015550123"}, "2015550123"),
        ({"raw": "2015550123", "valid": False}, "2015550123"),
        ({"normal": None, "raw": "2015550123"}, "2015550123"),
        (PHONE, "2015550123"),
    ],
)
def test_a_phone_in_any_form(sent, phone):
    found, warnings = rows({"phone_1": sent})

    assert found["contacts"]["phone"] == phone
    assert found["contacts"]["phone_e164"] == "+12015550123"
    assert not [field for _, field in warnings if field.endswith("phone")]


@pytest.mark.parametrize("sent", [None, {"normal": None}, {"value": None, "raw": None}])
def test_no_value_is_null(sent):
    found, _ = rows({"city": sent})
    assert found["contacts"]["city"] is None


def test_an_empty_value_is_empty():
    found, _ = rows({"first_name": {"normal": "", "raw": " "}})
    assert found["contacts"]["first_name"] == ""


@pytest.mark.parametrize(
    "sent",
    [{}, {"valid": False}, {"parts": {"value": "x"}}, ["x"], {"value": ["x"]}],
)
def test_an_object_or_a_list_never_passes_for_its_text(sent):
    found, warnings = rows({"city": sent, "email": sent})

    assert found["contacts"]["city"] is None
    assert found["contacts"]["email"] is None
    assert [each for each in warnings if each[0] == "invalid_text"] == [
        ("invalid_text", "contacts.email"),
        ("invalid_text", "contacts.city"),
    ]


def test_the_next_place_counts_where_an_object_holds_nothing():
    found, _ = rows({}, purchase_price={"normal": None}, cost={"normal": 12.5})
    assert found["leads"]["value"] == "12.50"


def test_milliseconds_as_numbers_are_instants():
    found, _ = rows({}, start_timestamp=1718447400123, end_timestamp=1718447401000)
    assert found["leads"]["source_created_at"] == "2024-06-15T10:30:00.123Z"
    assert found["leads"]["source_updated_at"] == "2024-06-15T10:30:01Z"


def test_a_lead_as_it_is_delivered_maps_by_the_same_lines():
    """``lead`` beside no event, as a delivery recipient may be told to post it."""
    mapping = Mapping(LEADS, "US")
    record = {
        "id": ID,
        "outcome": "success",
        "lead": {"email": {"normal": "a@b.example"}},
    }
    contact, lead = mapping.map(record, ID).also[0], mapping.map(record, ID)

    assert "a@b.example" in contact.line.split("\t")
    assert lead.line.split("\t")[mapping.columns.index("contact_source_id")] == ID


def test_without_value_keys_objects_are_text_as_before():
    plain = Mapping(replace(LEADS, value_keys=()), "US")
    record = {"vars": {"lead": {"id": ID, "city": {"value": "Austin"}}}}
    contact = plain.map(record, ID).also[0]

    assert '{"value":"Austin"}' in contact.line.split("\t")
    assert plain.digest != Mapping(LEADS, "US").digest
