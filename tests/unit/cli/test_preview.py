"""A preview shows what the engine would write, from a file and without a warehouse."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_call import Call

WORDS = ("preview", "--source", "genius", "--entity", "appointments")
GOOD = {
    "id": 7,
    "prospect_id": 3,
    "scheduled_date": "2026-02-03T04:05:06Z",
    "status": " set\t",
    "notes": "first\nsecond\ttab \\ and \x1b[2J",
    "modified_date": "2026-01-02T03:04:05Z",
}
BAD = {"id": 8, "prospect_id": 3, "status": "set"}


def _sample(tmp_path: Path, content: Any) -> tuple[str, str]:
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(content), "utf-8")
    return "--sample", str(path)


@pytest.mark.parametrize(
    "content", [GOOD, [GOOD], {"data": [GOOD], "pagination": {}}], ids=type
)
def test_values_are_those_of_the_record(
    call: Call, tmp_path: Path, content: Any
) -> None:
    status, out, _ = call(*WORDS, "--json", *_sample(tmp_path, content))

    assert status == 0
    shown = json.loads(out)
    assert (shown["entity"], shown["into"]) == ("appointments", "appointments")
    (record,) = shown["records"]
    assert (record["source_id"], record["version"]) == ("7", "2026-01-02T03:04:05Z")
    assert record["row"]["contact_source_id"] == "3"
    assert record["row"]["notes"] == GOOD["notes"]
    assert record["row"]["status"] == "set"
    assert record["row"]["type"] is None
    assert record["reject"] is None


def test_json_columns_are_json(call: Call, tmp_path: Path) -> None:
    user = {"id": 1, "name": "A", "role": {"level": 2, "text": 'q"\\'}}
    words = ("preview", "--source", "genius", "--entity", "users", "--json")
    _, out, _ = call(*words, *_sample(tmp_path, user))

    (record,) = json.loads(out)["records"]
    assert record["row"]["attributes"] == {"role": {"level": 2, "text": 'q"\\'}}


def test_rejects_and_warnings_show_and_count(call: Call, tmp_path: Path) -> None:
    nameless = {key: GOOD[key] for key in ("id", "scheduled_date")}
    status, out, _ = call(*WORDS, *_sample(tmp_path, [GOOD, BAD, nameless, "x"]))

    assert status == 3
    assert "rejected: scheduled_date: required, but empty or absent" in out
    assert "rejected: the record is not an object (not_an_object)" in out
    assert "warning: status: expected, but empty or absent (missing_value)" in out
    assert "4 records: 2 rows of warehouse.appointments, 2 rejected, 2 warnings" in out


def test_text_cannot_steer_the_terminal(call: Call, tmp_path: Path) -> None:
    _, out, _ = call(*WORDS, *_sample(tmp_path, GOOD))

    assert "\x1b" not in out
    assert r"first\nsecond\ttab \ and \x1b[2J" in out


def test_limit(call: Call, tmp_path: Path) -> None:
    many = [{**GOOD, "id": number} for number in range(1, 10)]
    _, out, _ = call(*WORDS, "--json", "--limit", "2", *_sample(tmp_path, many))

    assert [r["source_id"] for r in json.loads(out)["records"]] == ["1", "2"]


@pytest.mark.parametrize("content", ["{", "", "<html>", "17", '{"data": 1}'])
def test_a_file_that_holds_no_record(call: Call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content, "utf-8")

    status, _, err = call(*WORDS, "--sample", str(path))

    assert status == 2
    assert err.startswith(f"error: --sample: {path}: ")
    assert "Traceback" not in err


MARKETSHARP = ("preview", "--source", "marketsharp", "--entity", "contacts", "--json")
CONTACT = "<Contact><ID>{}</ID><FirstName>Mia &amp; Jo</FirstName></Contact>"


def _xml(tmp_path: Path, content: str) -> tuple[str, str]:
    path = tmp_path / "sample.xml"
    path.write_text(content, "utf-8")
    return "--sample", str(path)


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (f"<Contacts>{CONTACT.format(1)}{CONTACT.format(2)}</Contacts>", ["1", "2"]),
        (f"<Contacts total='1'>{CONTACT.format(1)}</Contacts>", ["1"]),
        ("<?xml version='1.0'?><Contacts/>", []),
        (CONTACT.format(3), ["3"]),
    ],
    ids=["page", "page of one", "empty page", "record"],
)
def test_a_sample_of_xml(
    call: Call, tmp_path: Path, content: str, ids: list[str]
) -> None:
    status, out, err = call(*MARKETSHARP, *_xml(tmp_path, content))

    assert (status, err) == (0, "")
    records = json.loads(out)["records"]
    assert [record["source_id"] for record in records] == ids
    assert {record["row"]["first_name"] for record in records} <= {"Mia & Jo"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "<!DOCTYPE Contacts [<!ENTITY a 'b'>]><Contacts/>",
            "the body is HTML, or XML with a document type",
        ),
        (
            f"<Leads>{CONTACT.format(1)}</Leads>",
            "the answer holds no element 'Contacts'; "
            "the answer holds no record with an id",
        ),
        (
            "<Contact><Name>A</Name></Contact>",
            "the answer holds no element 'Contacts'; "
            "the answer holds no record with an id",
        ),
        ('{"id": 1}', "the body is no XML in an encoding that we read"),
    ],
    ids=["DTD", "other root", "record without id", "JSON"],
)
def test_a_sample_of_xml_that_holds_no_record(
    call: Call, tmp_path: Path, content: str, reason: str
) -> None:
    words = _xml(tmp_path, content)

    assert call(*MARKETSHARP, *words) == (
        2,
        "",
        f"error: --sample: {words[1]}: {reason}\n",
    )


def test_a_sample_of_xml_for_a_source_of_json(call: Call, tmp_path: Path) -> None:
    words = _xml(tmp_path, "<Appointments/>")

    assert call(*WORDS, *words).err == (
        f"error: --sample: {words[1]}: the body is HTML or XML instead of JSON\n"
    )


def _deal(contacts: int) -> dict[str, Any]:
    linked = [{"id": str(n), "type_id": 3} for n in range(1, contacts + 1)]
    return {
        "id": "7",
        "properties": {"dealname": "Roof", "dealstage": "won"},
        "updatedAt": "2026-01-02T03:04:05Z",
        "associations": {"contacts": {"results": linked}},
    }


def test_a_sample_page_of_hubspot(call: Call, tmp_path: Path) -> None:
    words = ("preview", "--source", "hubspot", "--entity", "deals", "--json")
    page = {"results": [_deal(1)], "paging": {"next": {"after": "7"}}}

    status, out, _ = call(*words, *_sample(tmp_path, page))

    assert status == 0
    (record,) = json.loads(out)["records"]
    assert record["source_id"] == "7"
    assert record["row"]["name"] == "Roof"
    assert record["row"]["contact_source_id"] == "1"


def test_a_long_list_is_shortened_for_people_only(call: Call, tmp_path: Path) -> None:
    words = ("preview", "--source", "hubspot", "--entity", "deals")

    _, ten, _ = call(*words, *_sample(tmp_path, _deal(10)))
    _, many, _ = call(*words, *_sample(tmp_path, _deal(151)))
    _, out, _ = call(*words, "--json", *_sample(tmp_path, _deal(151)))

    assert "in all" not in ten
    (line,) = [line for line in many.splitlines() if "in all" in line]
    assert line.endswith('["10", "3"], … (151 in all)]')
    (record,) = json.loads(out)["records"]
    (links,) = [value for value in record["row"].values() if isinstance(value, list)]
    assert len(links) == 151


def test_known_keys_are_shown(call: Call, tmp_path: Path) -> None:
    record = {"id": 1, "last_name": "L", "marketsharp_id": " 7;8", "status": "new"}
    bad = {"id": 2, "last_name": "L", "hubspot_contact_id": [], "status": "new"}
    words = ("preview", "--source", "genius", "--entity", "prospects")
    _, out, _ = call(*words, "--json", *_sample(tmp_path, [record, bad]))
    _, text, _ = call(*words, *_sample(tmp_path, [record, bad]))

    shown = json.loads(out)["records"]
    assert [each["known_keys"] for each in shown] == [
        {"marketsharp.contacts": ["7", "8"]},
        {},
    ]
    assert '  known elsewhere as:\n    marketsharp.contacts  ["7", "8"]' in text
    assert text.count("known elsewhere") == 1
    assert "warning: known_keys.hubspot.contacts: no key" in text


def test_of_events_only_those_of_leads_are_leads(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both entities of the profile have one list."""
    connection = {"password": "k", "extra": {"profile": "leadconduit"}}
    monkeypatch.setenv("AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT", json.dumps(connection))
    lead = {"lead": {"id": "5fd4371e940df5a34a3888b2", "city": {"normal": "Austin"}}}
    events = [
        {"id": f"{number:024x}", "type": kind, "vars": lead}
        for number, kind in enumerate(("filter", "recipient", "source"))
    ]
    counts = {}
    for entity in ("leads", "events"):
        words = ("preview", "--source", "activeprospect", "--entity", entity)
        status, out, _ = call(*words, "--json", *_sample(tmp_path, events))
        assert status == 0
        counts[entity] = [each["source_id"] for each in json.loads(out)["records"]]

    assert counts == {
        "leads": ["5fd4371e940df5a34a3888b2"],
        "events": [event["id"] for event in events],
    }
