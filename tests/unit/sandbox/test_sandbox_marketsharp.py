"""MarketSharp: XML lists and records, key, quota, what records look like."""

import re

import pytest
import requests
from lxml import etree
from marketsharp_client import COUNTS, Api, fields, ids

ELEMENTS = {
    "contacts": ("Contacts", "Contact"),
    "leads": ("Leads", "Lead"),
    "jobs": ("Jobs", "Job"),
    "activities": ("Activities", "Activity"),
}
SHAPES = {
    "contacts": "ID FirstName LastName Email Phone Address City State ZipCode "
    "CreatedDate ModifiedDate Status CustomFields",
    "leads": "ID ContactID Source Status Value CreatedDate ModifiedDate Notes",
    "jobs": "ID ContactID LeadID Number Name Status Type Value StartDate "
    "CompletedDate Notes CreatedDate ModifiedDate",
    "activities": "ID ContactID UserID Type Subject Status DueDate CompletedDate "
    "Notes CreatedDate ModifiedDate",
}


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("marketsharp")


@pytest.fixture
def api(crm):
    with Api(crm) as client:
        yield client


@pytest.mark.parametrize("entity", COUNTS)
@pytest.mark.parametrize("per_page", [7, 50])
def test_pages_cover_every_record_once_in_id_order(api, crm, entity, per_page):
    found = ids(api.all(entity, per_page=per_page))

    assert len(found) == COUNTS[entity]
    assert found == sorted(set(found), key=int)
    assert found == [line["source_id"] for line in crm.truth(entity)]


@pytest.mark.parametrize("entity", COUNTS)
def test_a_list_is_one_root_element_without_counts(api, entity):
    body = api.get(f"/{entity}").content
    root = etree.fromstring(body)
    name, element = ELEMENTS[entity]

    assert body.startswith(
        b'<?xml version="1.0" encoding="utf-8"?><%b>' % name.encode()
    )
    assert (root.tag, dict(root.attrib)) == (name, {})
    assert [child.tag for child in root] == [element] * 50


def test_counts_as_attributes_when_switched_on(api, crm):
    crm.configure(counted_lists=True)

    root = api.root("/contacts", page=4)

    assert len(root) == 16
    assert dict(root.attrib) == {
        "page": "4",
        "per_page": "50",
        "total": "166",
        "total_pages": "4",
    }
    with pytest.raises(ValueError, match="counted_lists"):
        crm.configure(counted_lists="yes")


def test_a_page_after_the_last_is_an_empty_root(api):
    assert api.get("/jobs", page=3).content.endswith(b"?><Jobs></Jobs>")


@pytest.mark.parametrize("entity", COUNTS)
def test_children_stand_in_the_specified_order(api, entity):
    names, seen = SHAPES[entity].split(), set()
    for record in api.all(entity):
        assert [name for name in names if name in record] == list(record)
        seen.update(record)

    assert seen == set(names)


def test_values_of_contacts(api):
    contacts = api.all("contacts")

    for contact in contacts:
        assert re.fullmatch(r"200\d{3}", contact["ID"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", contact["CreatedDate"])
        assert contact["CreatedDate"] <= contact["ModifiedDate"]
        phone = contact.get("Phone")
        assert not phone or re.fullmatch(r"(\(\d{3}\) |\d{3}-)555-\d{4}", phone)
    mails = [contact.get("Email", "absent") for contact in contacts]
    assert 0 < mails.count("absent") < mails.count("") < 40


def test_custom_fields_are_nested_and_some_notes_are_markup(api):
    custom = api.root("/contacts").xpath("Contact/CustomFields")
    names = {field.get("name") for one in custom for field in one.findall("Field")}
    notes = [record.get("Notes") or "" for record in api.all("activities")]
    marked = [text for text in notes if "<" in text]

    assert names == {"RoofPitch", "Preferred Contact Time"}
    assert 5 < len(marked) < 50
    for text in marked:
        assert re.fullmatch(r"<p>[\w -]+ & [\w -]+</p>\n<p>[^<]+</p>", text)
    assert b"<![CDATA[<p>" in api.get("/activities").content


def test_parents_are_live_contacts(api):
    contacts = set(ids(api.all("contacts")))

    for entity in ("leads", "jobs", "activities"):
        parents = [record.get("ContactID") for record in api.all(entity)]
        assert {parent for parent in parents if parent is not None} <= contacts
        assert (None in parents) is (entity != "leads")


def test_people_of_genius_are_here_too_spelled_otherwise(api, sandbox):
    known = [line for line in sandbox.truth("prospects") if line["email"]]
    prospects = {line["email"]: line for line in known}
    both = [
        (prospects[contact["Email"]], contact)
        for contact in api.all("contacts")
        if contact.get("Email") in prospects
    ]

    assert 60 < len(both) < 166
    assert any(here["FirstName"] != there["first_name"] for there, here in both)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "x"),
        ("per_page", "0"),
        ("per_page", "51"),
        ("modified_since", "yesterday"),
    ],
)
def test_bad_parameters_are_refused_by_name(api, name, value):
    answer = api.get("/contacts", **{name: value})

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/xml"
    assert name in etree.fromstring(answer.content).findtext("Message")


def test_modified_since_is_inclusive_and_complete(api):
    everything = api.all("leads")
    moments = sorted(record["ModifiedDate"] for record in everything)
    since = moments[len(moments) // 2]

    found = api.all("leads", modified_since=since, per_page=10)

    assert found == [r for r in everything if r["ModifiedDate"] >= since]
    assert 0 < len(found) < len(everything)


def test_one_record_by_id(api):
    contact = api.root("/contacts/200003")

    assert contact.tag == "Contact"
    assert fields(contact) == api.page("contacts")[2]
    for path in ("/contacts/999999", "/contacts/abc", "/contacts/0200003", "/deals"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert etree.fromstring(answer.content).tag == "Error"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer sandbox-marketsharp-token"},
        {"X-API-Key": "sandbox-genius-token"},
    ],
)
def test_the_key_is_checked(crm, headers):
    answer = requests.get(crm.base_url + "/contacts", headers=headers, timeout=5)

    assert answer.status_code == 401
    assert etree.fromstring(answer.content).tag == "Error"


def test_only_get(api, crm):
    assert api.session.post(crm.base_url + "/jobs", timeout=5).status_code == 405


def test_quota_of_500_an_hour(api, crm):
    assert crm.admin("GET", "/settings")["quota"] == {
        "requests": 500,
        "per_seconds": 3600.0,
        "enabled": True,
    }
    crm.configure(quota={"requests": 2})

    answers = [api.get("/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) > 3_500
    assert etree.fromstring(answers[2].content).findtext("Message") == "quota used up"
    assert crm.stats()["by_route"] == {"GET /marketsharp/jobs": {"200": 2, "429": 1}}
