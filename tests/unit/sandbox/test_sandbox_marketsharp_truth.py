"""MarketSharp: moves and defects of records, and what the warehouse makes of them."""

import re
from decimal import Decimal

import pytest
from marketsharp_client import COUNTS, Api

from include.sandbox.marketsharp.defects import (
    ACTIVITY_DEFECTS,
    CONTACT_DEFECTS,
    JOB_DEFECTS,
    LEAD_DEFECTS,
)
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

ABOUT = ("expect", "defect", "null_fields", "warnings")
#: The specification's mapping, once more: element -> unified column.
DATES = {"CreatedDate": "source_created_at", "ModifiedDate": "source_updated_at"}
PARENT = {"ContactID": "contact_source_id", "Status": "status", "Notes": "notes"}
COLUMNS = {
    "contacts": {
        "FirstName": "first_name",
        "LastName": "last_name",
        "Email": "email",
        "Phone": "phone",
        "Address": "address",
        "City": "city",
        "State": "state",
        "ZipCode": "zip",
        "Status": "status",
        **DATES,
    },
    "leads": {**PARENT, "Source": "lead_source", "Value": "value", **DATES},
    "jobs": {
        **PARENT,
        "Number": "number",
        "Name": "name",
        "Type": "type",
        "Value": "value",
        "StartDate": "started_at",
        "CompletedDate": "completed_at",
        **DATES,
    },
    "activities": {
        **PARENT,
        "Type": "type",
        "Subject": "subject",
        "DueDate": "due_at",
        "CompletedDate": "completed_at",
        **DATES,
    },
}


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("marketsharp")


@pytest.fixture
def api(crm):
    with Api(crm) as client:
        yield client


def expected_row(entity, record):
    """The specification's mapping, once more."""
    row = {"source_id": record["ID"]}
    for element, column in COLUMNS[entity].items():
        value = record.get(element)
        if column == "value" and value is not None:
            value = str(Decimal(value).quantize(Decimal("0.01"))) if value else None
        elif column.endswith("_at"):
            value = value or None
        row[column] = value
    return row


@pytest.mark.parametrize("entity", COUNTS)
def test_truth_of_clean_records_is_what_the_api_sends(api, crm, entity):
    truth = crm.truth(entity)
    rows = [{k: v for k, v in line.items() if k not in ABOUT} for line in truth]

    assert rows == [expected_row(entity, record) for record in api.all(entity)]
    for line in truth:
        assert [line[name] for name in ABOUT] == ["keep", None, [], []]


def test_truth_of_amounts_and_empty_elements(api, crm):
    sent = {record["ID"]: record.get("Value") for record in api.all("leads")}
    held = {line["source_id"]: line["value"] for line in crm.truth("leads")}

    assert {held[k] for k, v in sent.items() if not v} == {None}
    assert {"", None} < set(sent.values())
    forms = {re.sub(r"\d+", "1", v): held[k] for k, v in sent.items() if v}
    assert set(forms) == {"1", "1.1"}
    assert all(re.fullmatch(r"\d+\.\d\d", v) for v in held.values() if v)
    assert {line["email"] for line in crm.truth("contacts")} > {"", None}


def test_moves_answer_with_ids_as_sent(api, crm):
    before = {record["ID"]: record for record in api.all("contacts")}

    changed = crm.move("contacts", "change", 5)
    [created] = crm.move("contacts", "create")
    gone = crm.move("contacts", "delete", 3)

    after = {record["ID"]: record for record in api.all("contacts")}
    assert created == "200167"
    assert crm.deleted("contacts") == gone
    assert set(before) | {created} == set(after) | set(gone)
    for key in set(changed) - set(gone):
        assert after[key]["Status"] != before[key]["Status"]
        assert after[key]["ModifiedDate"] > before[key]["ModifiedDate"]
    untouched = set(before) - set(changed) - set(gone)
    assert all(after[key] == before[key] for key in untouched)


def spoiled(api, crm, entity, kind):
    """A record with this defect as sent, and its line of truth."""
    [key] = crm.move(entity, "spoil", kind=kind)
    first = {"contacts": 200_001, "leads": 400_001, "jobs": 600_001}
    at = int(key) - first.get(entity, 800_001)
    return api.all(entity)[at], crm.truth(entity)[at]


@pytest.mark.parametrize("entity", COUNTS)
def test_record_without_id(api, crm, entity):
    record, line = spoiled(api, crm, entity, "missing_id")

    assert not record.get("ID")
    assert line == {
        "source_id": None,
        "expect": "reject",
        "defect": "missing_id",
        "reason": "missing_id",
        "field": None,
    }


@pytest.mark.parametrize(
    ("entity", "kind", "element", "column"),
    [
        ("contacts", "bad_created_date", "CreatedDate", "source_created_at"),
        ("leads", "bad_amount", "Value", "value"),
        ("jobs", "bad_amount", "Value", "value"),
    ],
)
def test_unusable_values_are_null_with_a_warning(
    api, crm, entity, kind, element, column
):
    record, line = spoiled(api, crm, entity, kind)

    assert re.fullmatch(r"[A-Za-z].*|2025-13-.*|0000-.*", record[element])
    assert (line["expect"], line[column]) == ("keep", None)
    assert line["null_fields"] == line["warnings"] == [column]


@pytest.mark.parametrize(
    ("kind", "element", "column"),
    [("bad_email", "Email", "email"), ("bad_phone", "Phone", "phone")],
)
def test_bad_email_and_phone_are_kept_with_a_warning(api, crm, kind, element, column):
    record, line = spoiled(api, crm, "contacts", kind)

    assert (line["expect"], line["warnings"]) == ("keep", [column])
    assert line[column] == record[element] != ""


def test_lead_without_contact_is_kept_with_a_warning(api, crm):
    record, line = spoiled(api, crm, "leads", "missing_parent")

    assert "ContactID" not in record
    assert (line["expect"], line["contact_source_id"]) == ("keep", None)
    assert line["warnings"] == ["contact_source_id"]


@pytest.mark.parametrize("entity", ["leads", "jobs", "activities"])
def test_dangling_parent_is_kept(api, crm, entity):
    record, line = spoiled(api, crm, entity, "dangling_parent")

    assert api.get(f"/contacts/{record['ContactID']}").status_code == 404
    assert line["contact_source_id"] == record["ContactID"]
    assert (line["expect"], line["warnings"]) == ("keep", [])


def test_empty_name_and_huge_text(api, crm):
    _record, empty = spoiled(api, crm, "contacts", "empty_name")
    record, huge = spoiled(api, crm, "activities", "huge_text")

    assert (empty["expect"], empty["first_name"]) == ("keep", "")
    assert len(record["Notes"]) == 1_000_000
    assert huge["notes"] == record["Notes"]


def test_unknown_elements_repeat_nest_and_are_strangely_named(api, crm):
    [key] = crm.move("jobs", "spoil", kind="unknown_fields")

    job = api.root(f"/jobs/{key}")

    extras = {field.get("name"): field.text for field in job.find("Extras")}
    assert extras == {"Ünusual key": "naïve ☂", "Q&A": "<none>", "Empty": None}
    assert len(job.findall("Tag")) == 2
    crm.move("jobs", "change", 55)
    again = api.root(f"/jobs/{key}")
    assert {f.get("name"): f.text for f in again.find("Extras")} == extras
    assert len(again.findall("Tag")) == 2


def test_mend_gives_the_records_back(api, crm):
    clean = api.all("leads")
    spoiled_ids = crm.move("leads", "spoil", 30)

    assert sorted(crm.move("leads", "mend")) == sorted(spoiled_ids)
    for before, after in zip(clean, api.all("leads"), strict=True):
        assert {**after, "ModifiedDate": 0} == {**before, "ModifiedDate": 0}


def test_dirty_share_and_its_kinds():
    settings = Settings(dirty=0.2, sizes={"marketsharp": 600}, quota=False)
    with SandboxServer(settings, system="marketsharp") as server:
        found = {
            entity: [line["defect"] for line in server.truth(entity)]
            for entity in COUNTS
        }

    assert {entity: set(kinds) - {None} for entity, kinds in found.items()} == {
        "contacts": set(CONTACT_DEFECTS),
        "leads": set(LEAD_DEFECTS),
        "jobs": set(JOB_DEFECTS),
        "activities": set(ACTIVITY_DEFECTS),
    }
    for kinds in found.values():
        assert 0.1 < 1 - kinds.count(None) / len(kinds) < 0.3
        assert kinds.count("huge_text") <= 20
