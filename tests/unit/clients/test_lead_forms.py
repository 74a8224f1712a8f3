"""A lead as JSON, as a form or as XML becomes the record that the API would send."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from crm_warehouse.clients.registry import WEBHOOK_PARSERS
from crm_warehouse.clients.webhook_events import MalformedDeliveryError, WebhookEvent

JSON, XML = "application/json", "application/xml; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
LEAD = {
    "id": "66a1",
    "outcome": "success",
    "price": None,
    "source": {"id": "s1", "name": "Website"},
    "lead": {"first_name": "Zoë", "email": "zoe@example.com"},
    "updated": "2026-03-01T12:00:00.000Z",
}


def parse(
    body: bytes | str, content_type: str = JSON, client: str = "activeprospect"
) -> list[WebhookEvent]:
    sent = body.encode() if isinstance(body, str) else body
    return WEBHOOK_PARSERS[client](sent, content_type=content_type)


def records(*words: Any, **more: Any) -> list[Any]:
    return [event.record for event in parse(*words, **more)]


def form(*fields: tuple[str, str]) -> Any:
    [record] = records(urlencode(fields), FORM)
    return record


def test_json_is_the_record() -> None:
    [event] = parse(json.dumps(LEAD))

    assert event.record == LEAD
    assert (event.entity_type, event.object_id) == ("leads", "66a1")
    assert (event.event_type, event.problem) == ("lead.delivery", None)
    assert str(event.occurred_at) == "2026-03-01 12:00:00+00:00"
    assert event.dedupe_key is None  # a record that comes again may be another state


def test_an_array_holds_several() -> None:
    assert records(json.dumps([LEAD, {"id": 7}])) == [LEAD, {"id": 7}]


@pytest.mark.parametrize("bad", ["[" * 9_000 + "]" * 9_000, '{"id" 8}', "nil"])
def test_one_that_cannot_be_read_stops_no_other(bad: str) -> None:
    events = parse(f'[{json.dumps(LEAD)}, {bad}, {{"id": 9}}]')

    assert [event.object_id for event in events] == ["66a1", None, "9"]
    assert [event.problem for event in events] == [
        None,
        "is nested too deeply, or no JSON",
        None,
    ]


def test_nothing_of_a_person_stands_in_the_event_itself() -> None:
    assert [event.payload for event in parse(json.dumps([LEAD, {}]))] == [
        {"id": "66a1"},
        {},
    ]


@pytest.mark.parametrize("name", ["lead.{}", "lead[{}]"])
def test_a_form_by_either_way_of_naming(name: str) -> None:
    assert (
        form(
            ("id", "66a1"),
            ("outcome", "success"),
            ("price", ""),
            ("source.id", "s1"),
            ("source[name]", "Website"),
            (name.format("first_name"), "Zoë"),
            (name.format("email"), "zoe@example.com"),
            ("updated", "2026-03-01T12:00:00.000Z"),
        )
        == LEAD
    )


def test_xml_whatever_its_root_is_called() -> None:
    text = (
        "<?xml version='1.0'?><{0}><id>66a1</id><outcome>success</outcome><price/>"
        "<source><id>s1</id><name>Website</name></source><lead><first_name>Zoë"
        "</first_name><email>zoe@example.com</email></lead>"
        "<updated>2026-03-01T12:00:00.000Z</updated></{0}>"
    )
    assert records(text.format("delivery"), XML) == [LEAD]
    assert records(text.format("lead"), "text/xml") == [LEAD]
    one = text.format("lead").removeprefix("<?xml version='1.0'?>")
    assert records(f"<leads>{one}</leads>", XML) == [LEAD]
    assert records(f"<leads>{one}{one}</leads>", XML) == [LEAD, LEAD]


def test_names_that_contradict_each_other_lose_nothing() -> None:
    both = {"a": {"#text": "x", "b": "y"}}
    assert form(("a", "x"), ("a.b", "y")) == both
    assert form(("a.b", "y"), ("a", "x")) == both


def test_what_comes_twice_is_a_list() -> None:
    assert form(("tags[]", "a"), ("tags[]", "b"), ("x", "1"), ("x", "2")) == {
        "tags": ["a", "b"],
        "x": ["1", "2"],
    }


def test_names_without_end_make_no_tower() -> None:
    deep = "a" + "[b]" * 5_000
    assert form((deep, "x")) == {deep: "x"}
    assert form(("[]", "x"), ("..", "y")) == {"[]": "x", "..": "y"}


def test_letters_of_any_kind() -> None:
    assert form(("lead.name", "a+b & c=d;e%")) == {"lead": {"name": "a+b & c=d;e%"}}
    assert records(b"id=1&n=%FF", FORM) == [{"id": "1", "n": "\udcff"}]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", JSON),
        (b'{"id": "1', JSON),
        (b'"a text"', JSON),
        (b"7", JSON),
        (b"[" * 100_000, JSON),
        (b"<lead><id>1</id>", XML),
        (b"<!DOCTYPE x [<!ENTITY e 'y'>]><lead><id>&e;</id></lead>", XML),
        (b"<lead/>" * 2, XML),
        (b"text alone", FORM),
        (b"", FORM),
        (b"&".join([b"a=1"] * 10_001), FORM),
    ],
)
def test_what_is_no_delivery_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedDeliveryError):
        parse(body, content_type)


def test_what_is_no_lead_is_told() -> None:
    [good, bad] = parse('[{"id": "1"}, 5]')

    assert (good.problem, bad.problem) == (None, "is not an object")


@pytest.mark.parametrize("value", [None, "", True, 1.5, ["1"], "a\0b", "x" * 513])
def test_an_id_that_is_none(value: Any) -> None:
    [event] = parse(json.dumps({"id": value}))

    assert (event.object_id, event.problem) == (None, None)  # the mapping rejects it


def test_an_id_may_stand_inside_of_the_lead() -> None:
    [event] = parse('{"lead": {"id": "66a1", "email": "zoe@example.com"}}')

    assert event.object_id == event.record["id"] == "66a1"


class TestLeadConduit:
    def test_a_lead_becomes_the_event_that_is_recorded_of_it(self) -> None:
        assert records(json.dumps(LEAD), client="leadconduit") == [
            {
                "outcome": "success",
                "price": None,
                "updated": "2026-03-01T12:00:00.000Z",
                "vars": {
                    "source": {"id": "s1", "name": "Website"},
                    "lead": {
                        "id": "66a1",
                        "first_name": "Zoë",
                        "email": "zoe@example.com",
                    },
                },
            }
        ]

    def test_the_leads_own_id_counts(self) -> None:
        sent = '{"id": "e1", "lead": {"id": "66a1"}}'
        [event] = parse(sent, client="leadconduit")

        assert event.object_id == event.record["vars"]["lead"]["id"] == "66a1"

    def test_an_event_stays_as_it_is(self) -> None:
        sent = {"id": "e1", "type": "source", "vars": {"lead": {"id": "66a1"}}}
        [event] = parse(json.dumps(sent), client="leadconduit")

        assert (event.object_id, event.record) == ("66a1", sent)
