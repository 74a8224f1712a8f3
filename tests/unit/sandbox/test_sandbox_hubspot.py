"""HubSpot's objects: listed, one by one, in batches; credentials and quotas."""

import json

import pytest
import requests
from hubspot_client import TYPES, after_of, ids

_COUNTS = {"contacts": 250, "deals": 125, "companies": 25}
_DEFAULT = {
    "contacts": "createdate email firstname hs_object_id lastmodifieddate lastname",
    "deals": "amount closedate createdate dealname dealstage hs_lastmodifieddate "
    "hs_object_id pipeline",
    "companies": "createdate domain hs_lastmodifieddate hs_object_id name",
}


@pytest.mark.parametrize("entity", TYPES)
@pytest.mark.parametrize("limit", [7, 100])
def test_cursors_lead_to_every_record_once(hubspot, entity, limit):
    pages = hubspot.walk(entity, limit=limit)

    found = [key for page in pages for key in ids(page)]
    assert len(found) == len(set(found)) == _COUNTS[entity]
    assert [int(key) for key in found] == sorted(map(int, found))
    assert [len(page["results"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(pages) == -(-_COUNTS[entity] // limit)


def test_ids_differ_in_order_as_text_and_as_numbers(hubspot):
    for entity in TYPES:
        found = [record["id"] for record in hubspot.all(entity)]
        assert found == sorted(found, key=int) != sorted(found)


def test_ten_records_come_when_no_limit_is_given(hubspot):
    assert len(hubspot.page("contacts")["results"]) == 10


@pytest.mark.parametrize("entity", TYPES)
def test_the_shape_of_a_record(hubspot, entity):
    record = hubspot.page(entity, limit=1)["results"][0]

    assert list(record) == ["id", "properties", "createdAt", "updatedAt", "archived"]
    assert sorted(record["properties"]) == _DEFAULT[entity].split()
    assert record["archived"] is False
    assert record["properties"]["hs_object_id"] == record["id"]
    assert record["properties"]["createdate"] == record["createdAt"]
    modified = "lastmodifieddate" if entity == "contacts" else "hs_lastmodifieddate"
    assert record["properties"][modified] == record["updatedAt"]
    assert len(record["updatedAt"]) == len("2026-01-01T00:00:00.000Z")


def test_values_are_text_or_null_and_times_have_milliseconds(hubspot):
    for entity in TYPES:
        records = hubspot.all(entity)
        values = {type(v) for r in records for v in r["properties"].values()}
        assert values == {str, type(None)}
        assert len({r["updatedAt"][-4:] for r in records}) > len(records) // 5


def test_asked_properties_come_also_when_the_record_has_none(hubspot):
    asked = "email,hs_lastmodifieddate,no_such_property"
    records = hubspot.page("contacts", limit=100, properties=asked)["results"]

    for record in records:
        assert sorted(record["properties"]) == [
            "createdate",
            "email",
            "hs_lastmodifieddate",
            "hs_object_id",
            "lastmodifieddate",
        ]
    own = [r["properties"]["hs_lastmodifieddate"] for r in records]
    assert None in own
    assert {a for a in own if a} == {
        r["createdAt"] for r in records if r["properties"]["hs_lastmodifieddate"]
    }


def test_properties_endpoint_names_what_records_carry(hubspot):
    for entity in TYPES:
        described = hubspot.properties(entity)
        [record] = hubspot.all(entity)[:1]
        assert {p["name"] for p in described} == set(record["properties"])
        for one in described:
            assert {"name", "label", "type", "fieldType", "groupName"} <= set(one)
    stages = {p["name"]: p for p in hubspot.properties("deals")}["dealstage"]
    assert {"label": "Closed won", "value": "closedwon"}.items() <= (
        stages["options"][5].items()
    )


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"after": "100"},
        {"after": "garbage!"},
        {"after": "Y29udGFjdHM="},
        {"archived": "yes"},
        {"associations": "contacts"},
        {"associations": "tickets"},
    ],
)
def test_impossible_parameters_are_refused(hubspot, params):
    answer = hubspot.get("/crm/v3/objects/contacts", **params)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_a_cursor_of_another_list_is_refused(hubspot):
    after = after_of(hubspot.page("deals"))

    assert not after.isdecimal()
    assert hubspot.get("/crm/v3/objects/contacts", after=after).status_code == 400
    archived = {"after": after, "archived": "true"}
    assert hubspot.get("/crm/v3/objects/deals", **archived).status_code == 400


def test_a_long_url_is_refused(hubspot):
    path = "/hubspot/crm/v3/objects/contacts?properties="
    url = "/crm/v3/objects/contacts?properties="

    longest = hubspot.get(url + "x" * (16_000 - len(path)))
    too_long = hubspot.get(url + "x" * (16_001 - len(path)))

    assert (longest.status_code, too_long.status_code) == (200, 414)


def test_archived_records_leave_the_list_and_keep_their_time(hubspot):
    before = {r["id"]: r for r in hubspot.all("contacts")}

    gone = hubspot.crm.move("contacts", "delete", 3)

    assert {r["id"] for r in hubspot.all("contacts")} == set(before) - set(gone)
    archived = hubspot.all("contacts", archived="true")
    assert [r["id"] for r in archived] == sorted(gone, key=int)
    for record in archived:
        assert record.pop("archived") is True
        assert record.pop("archivedAt") > before[record["id"]]["updatedAt"]
        del before[record["id"]]["archived"]
        assert record == before[record["id"]]
    path = f"/crm/v3/objects/contacts/{gone[0]}"
    assert hubspot.get(path).status_code == 404
    assert hubspot.get(path, archived="true").json()["archived"] is True


def test_one_record_by_id(hubspot):
    record = hubspot.page("deals")["results"][4]

    assert hubspot.get(f"/crm/v3/objects/deals/{record['id']}").json() == record
    for unknown in ("1", "x", f"0{record['id']}"):
        answer = hubspot.get(f"/crm/v3/objects/deals/{unknown}")
        assert answer.status_code == 404
        assert answer.json()["category"] == "OBJECT_NOT_FOUND"


def test_batch_read_answers_each_once_in_another_order(hubspot):
    keys = ids(hubspot.page("contacts", limit=100))

    answer = hubspot.batch("contacts", [*keys[:99], keys[0]], properties=["email"])

    assert answer.status_code == 200
    found = ids(answer.json())
    assert sorted(found) == sorted(keys[:99])
    assert found != keys[:99]
    assert "numErrors" not in answer.json()
    assert sorted(answer.json()["results"][0]["properties"]) == [
        "createdate",
        "email",
        "hs_object_id",
        "lastmodifieddate",
    ]


def test_batch_read_tells_apart_what_it_did_not_find(hubspot):
    keys = ids(hubspot.page("contacts"))
    [gone] = hubspot.crm.move("contacts", "delete")
    there = [key for key in keys if key != gone]

    answer = hubspot.batch("contacts", [*there, gone, "17", "abc"])

    assert answer.status_code == 207
    assert sorted(ids(answer.json())) == sorted(there)
    assert answer.json()["numErrors"] == 1
    [error] = answer.json()["errors"]
    assert error["context"]["ids"] == [gone, "17", "abc"]
    archived = hubspot.batch("contacts", [gone], archived=True)
    assert (archived.status_code, ids(archived.json())) == (200, [gone])


@pytest.mark.parametrize(
    "call",
    [
        {"inputs": []},
        {"inputs": [{"id": "1"}] * 101},
        {"inputs": ["1"]},
        {"inputs": [{}]},
        {},
        [],
    ],
)
def test_impossible_batches_are_refused(hubspot, call):
    answer = hubspot.post("/crm/v3/objects/contacts/batch/read", call)

    assert answer.status_code == 400


@pytest.mark.parametrize("header", [None, "Bearer wrong", "sandbox-hubspot-token"])
def test_credentials_are_refused_in_the_words_of_hubspot(hubspot, header):
    answer = requests.get(
        hubspot.crm.base_url + "/crm/v3/objects/contacts",
        headers={"Authorization": header} if header else {},
        timeout=5,
    )

    assert answer.status_code == 401
    assert answer.json()["status"] == "error"
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/crm/v3/objects/tickets", 400),
        ("GET", "/crm/v3/lists", 404),
        ("GET", "/", 404),
        ("POST", "/crm/v3/objects/contacts", 404),
        ("DELETE", "/crm/v3/objects/contacts/99901", 405),
    ],
)
def test_unknown_paths_and_methods(hubspot, method, path, status):
    answer = hubspot.session.request(method, hubspot.crm.base_url + path, timeout=5)

    assert answer.status_code == status


def test_the_default_quotas(sandbox):
    settings = sandbox.crm("hubspot").admin("GET", "/settings")

    assert [settings[n] for n in ("quota", "search_quota", "daily_quota")] == [
        {"requests": 100, "per_seconds": 10.0, "enabled": True},
        {"requests": 5, "per_seconds": 1.0, "enabled": True},
        {"requests": 250_000, "per_seconds": 86_400.0, "enabled": True},
    ]


@pytest.mark.parametrize(
    ("quota", "policy"),
    [("quota", "TEN_SECONDLY_ROLLING"), ("daily_quota", "DAILY")],
)
def test_each_quota_refuses_with_its_policy(hubspot, quota, policy):
    limit = {"requests": 2, "per_seconds": 1_000, "enabled": True}
    hubspot.crm.configure(**{quota: limit})

    answers = [hubspot.get("/crm/v3/objects/deals") for _ in range(3)]

    assert [a.status_code for a in answers] == [200, 200, 429]
    body = answers[2].json()
    assert body.pop("correlationId")
    assert body == {
        "status": "error",
        "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "policyName": policy,
    }
    assert "Retry-After" not in answers[2].headers
    hubspot.crm.configure(retry_after=True)
    late = hubspot.get("/crm/v3/objects/deals")
    assert 900 < int(late.headers["Retry-After"]) <= 1_000


def test_the_quota_of_searches_is_theirs_alone(hubspot):
    limit = {"requests": 2, "per_seconds": 1_000, "enabled": True}
    hubspot.crm.configure(search_quota=limit)

    searches = [hubspot.try_search("deals") for _ in range(3)]

    assert [a.status_code for a in searches] == [200, 200, 429]
    assert searches[2].json()["policyName"] == "SECONDLY"
    assert hubspot.get("/crm/v3/objects/deals").status_code == 200
    stats = hubspot.crm.stats()
    assert stats["max_in_windows"] == {
        "quota": 4,
        "search_quota": 3,
        "daily_quota": 4,
    }
    assert stats["refused_by"] == {"search_quota": 1}


def test_searches_count_in_the_quota_of_all_but_refused_ones_in_none(hubspot):
    few = {"requests": 2, "per_seconds": 1_000, "enabled": True}
    hubspot.crm.configure(quota={**few, "requests": 3}, search_quota=few)

    searches = [hubspot.try_search("deals").status_code for _ in range(4)]
    reads = [hubspot.get("/crm/v3/objects/deals").status_code for _ in range(2)]

    assert searches == [200, 200, 429, 429]
    assert reads == [200, 429]


def test_answers_tell_what_is_left_but_searches_do_not(hubspot):
    hubspot.crm.configure(quota={"enabled": True}, daily_quota={"enabled": True})

    hubspot.get("/crm/v3/objects/deals")
    headers = hubspot.get("/crm/v3/objects/deals").headers

    told = {
        name.removeprefix("x-hubspot-ratelimit-"): int(value)
        for name, value in headers.items()
        if name.startswith("x-hubspot-ratelimit-")
    }
    assert told == {
        "max": 100,
        "remaining": 98,
        "interval-milliseconds": 10_000,
        "daily": 250_000,
        "daily-remaining": 249_998,
    }
    headers = hubspot.try_search("deals").headers
    assert not [name for name in headers if "ratelimit" in name.lower()]


def test_nothing_is_told_of_a_quota_that_is_off(hubspot):
    off = {"enabled": False}
    hubspot.crm.configure(quota=off, daily_quota=off)
    headers = hubspot.get("/crm/v3/objects/deals").headers
    assert not [name for name in headers if "ratelimit" in name.lower()]

    hubspot.crm.configure(daily_quota={"enabled": True})
    headers = hubspot.get("/crm/v3/objects/deals").headers
    told = [name.lower() for name in headers if "ratelimit" in name.lower()]
    assert told == ["x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"]


def test_large_bodies_are_refused(hubspot):
    text = json.dumps({"inputs": [{"id": "x" * 4_200_000}]})
    url = hubspot.crm.base_url + "/crm/v3/objects/contacts/batch/read"

    answer = hubspot.session.post(url, data=text, timeout=10)

    assert answer.status_code == 413
    assert hubspot.get("/crm/v3/objects/contacts").status_code == 200


def test_short_and_empty_pages_still_lead_on(hubspot):
    everything = [record["id"] for record in hubspot.all("contacts")]
    hubspot.crm.fault("short_page", after=1, count=1)
    hubspot.crm.fault("empty_page", after=2, count=1)

    pages = hubspot.walk("contacts", limit=100)

    assert [len(page["results"]) for page in pages] == [100, 50, 0, 100]
    assert [key for page in pages for key in ids(page)] == everything


@pytest.mark.parametrize(
    ("kind", "sizes"), [("short_page", [12, 13]), ("empty_page", [0, 25])]
)
def test_the_last_page_too_can_be_short_and_lead_on(hubspot, kind, sizes):
    hubspot.crm.fault(kind, count=1)

    pages = hubspot.walk("companies", limit=100)

    assert [len(page["results"]) for page in pages] == sizes


def test_faults_of_pages_strike_lists(hubspot):
    first = hubspot.page("contacts", limit=100)
    hubspot.crm.fault("repeat_page", after=0, count=1)
    again = hubspot.page("contacts", limit=100, after=after_of(first))
    assert ids(again) == ids(first)
    assert after_of(again)

    hubspot.crm.fault("loop", count=1)
    looped = hubspot.page("contacts", limit=100, after=after_of(first))
    follow = hubspot.page("contacts", limit=100, after=after_of(looped))
    assert ids(looped) == ids(follow)

    hubspot.crm.fault("page_shift", count=1)
    shown = hubspot.page("contacts", limit=100)
    assert hubspot.crm.deleted("contacts") == [ids(shown)[0]]
