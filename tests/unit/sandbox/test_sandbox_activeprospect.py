"""ActiveProspect: JSON, pages by cursor, ids, what records look like."""

import re
from datetime import datetime, timedelta

import pytest
import requests
from activeprospect_client import COUNTS, Api, ids

MILLISECONDS = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("activeprospect")


@pytest.fixture
def api(crm):
    with Api(crm) as client:
        yield client


@pytest.mark.parametrize("entity", COUNTS)
@pytest.mark.parametrize("limit", [1, 25, 100])
def test_cursors_lead_to_every_record_once_in_id_order(api, crm, entity, limit):
    found = ids(api.all(entity, limit=limit))

    assert len(found) == COUNTS[entity]
    assert found == sorted(set(found))
    assert found == [line["source_id"] for line in crm.truth(entity)]


def test_the_last_page_has_no_cursor_even_when_it_is_full(api):
    first, cursor = api.page("leads")
    second, after = api.page("leads", after=cursor)
    full, none = api.page("leads", after=cursor, limit=25)

    assert [len(first), len(second)] == [100, 25]
    assert (after, none) == (None, None)
    assert full == second


def test_pages_stay_while_records_before_the_cursor_go(api, crm):
    everything = ids(api.all("leads"))
    crm.fault("page_shift", path="/leads", count=1)
    first, cursor = api.page("leads", limit=10)

    second, _cursor = api.page("leads", limit=10, after=cursor)

    assert crm.deleted("leads") == [everything[0]]
    assert ids(first + second) == everything[:20]


def test_a_cursor_outlives_its_record(api, crm):
    first, cursor = api.page("leads", limit=100)
    gone = crm.move("leads", "delete", 120)

    left, after = api.page("leads", after=cursor)

    assert ids(left) == [key for key in ids(api.all("leads")) if key > first[-1]["id"]]
    assert (len(left) + len(gone), after) == (len(left) + 120, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("after", ""),
        ("after", "2"),
        ("after", "!!!"),
        ("after", "bGVhZHM6eA=="),  # leads:x
        ("after", "ZXZlbnRzOjE="),  # events:1
        ("modified_since", "yesterday"),
    ],
)
def test_bad_parameters_are_refused_by_name(api, name, value):
    answer = api.get("/leads", **{name: value})

    assert answer.status_code == 400
    assert name in answer.json()["error"]


def test_modified_since_is_inclusive_to_the_millisecond(api):
    everything = api.all("leads")
    moments = sorted(record["updated"] for record in everything)
    since = moments[len(moments) // 2]
    later = datetime.fromisoformat(since) + timedelta(milliseconds=1)

    at = api.all("leads", modified_since=since, limit=7)
    after = api.all("leads", modified_since=later.isoformat(), limit=7)

    assert at == [r for r in everything if r["updated"] >= since]
    assert after == [r for r in everything if r["updated"] > since]
    assert 0 < len(after) < len(at) < len(everything)


@pytest.mark.parametrize("entity", COUNTS)
def test_one_record_by_id(api, entity):
    record = api.page(entity)[0][3]

    assert api.get(f"/{entity}/{record['id']}").json() == record
    wrong = [record["id"].upper(), record["id"][:8], "f" * 24, "abc", "100001"]
    statuses = {api.get(f"/{entity}/{key}").status_code for key in wrong}
    assert statuses == {404}


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "sandbox-activeprospect-token"]
)
def test_credentials_are_checked(crm, header):
    headers = {"Authorization": header} if header else {}

    answer = requests.get(crm.base_url + "/leads", headers=headers, timeout=5)

    assert answer.status_code == 401


def test_quota_of_10000_an_hour(crm):
    assert crm.admin("GET", "/settings")["quota"] == {
        "requests": 10_000,
        "per_seconds": 3600.0,
        "enabled": True,
    }


def test_leads_have_the_specified_shape(api):
    leads = api.all("leads")
    custom = 0
    for lead in leads:
        assert re.fullmatch(r"[0-9a-f]{24}", lead["id"])
        assert MILLISECONDS.fullmatch(lead["created"])
        assert MILLISECONDS.fullmatch(lead["updated"])
        assert lead["created"] <= lead["updated"]
        assert {"id", "created", "updated", "source", "lead"} <= set(lead)
        assert {"outcome", "status"} & set(lead)
        form = lead["lead"]
        assert {
            "first_name", "last_name", "email", "phone_1", "address_1", "city",
            "state", "postal_code", "trustedform_cert_url",
        } <= set(form)  # fmt: skip
        assert form["trustedform_cert_url"].startswith("https://cert.example.com/")
        custom += "roof_age" in form
    assert 3 < custom < 40
    assert len({lead["updated"][-4:] for lead in leads}) > 100
    assert {type(lead.get("price", "absent")) for lead in leads} == {
        float,
        str,
        type(None),
    }
    assert any("price" not in lead for lead in leads)
    assert any(isinstance(lead.get("price"), str) for lead in leads)
    assert any(lead["source"] is None for lead in leads)
    assert {"outcome" in lead for lead in leads} == {True, False}
    assert {"reference" in lead for lead in leads} == {True, False}


def test_events_are_three_steps_of_each_lead(api):
    events = api.all("events")

    assert [event["lead_id"] for event in events] == [
        key for key in ids(api.all("leads")) for _step in range(3)
    ]
    for event in events:
        assert list(event) == [
            "id", "lead_id", "type", "outcome", "reason", "step_name", "created",
            "updated", "appended",
        ]  # fmt: skip
    kinds = [event["type"] for event in events]
    assert set(kinds) == {"source", "filter", "recipient", "feedback"}
    assert 0 < kinds.count("feedback") < 50


def test_people_of_genius_are_here_too(api, sandbox):
    mails = {line["email"] for line in sandbox.truth("prospects")} - {None}
    here = [lead["lead"]["email"] for lead in api.all("leads")]

    both = [mail for mail in here if mail in mails]
    assert 50 < len(both) < 110


def test_repeated_page_and_a_cursor_that_leads_to_itself(api, crm):
    first, cursor = api.page("leads", limit=50)
    crm.fault("repeat_page", query={"after": cursor}, count=1)
    repeated, following = api.page("leads", limit=50, after=cursor)
    second, same = api.page("leads", limit=50, after=cursor)
    crm.fault("loop", query={"after": cursor})
    looped, again = api.page("leads", limit=50, after=cursor)

    assert repeated == first
    assert following == same
    assert (looped, again) == (second, cursor)
