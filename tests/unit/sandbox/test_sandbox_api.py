"""The Genius API: credentials, pages, filter, single records, clock."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
import requests
from sandbox_client import ENTITIES

from include.sandbox.app import SYSTEMS


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("per_page", [7, 100])
def test_pages_cover_every_record_once_in_id_order(api, sandbox, entity, per_page):
    ids = [record["id"] for record in api.all(entity, per_page=per_page)]

    assert ids == sorted(set(ids))
    assert [str(key) for key in ids] == [
        line["source_id"] for line in sandbox.truth(entity)
    ]


def test_default_volumes(api):
    counts = {e: api.get(f"/{e}").json()["total"] for e in ENTITIES}

    assert counts == {
        "prospects": 250,
        "appointments": 166,
        "users": 60,
        "divisions": 8,
        "marketing_sources": 40,
    }


def test_envelope(api):
    envelope = api.get("/prospects", page=3, per_page=100).json()

    assert len(envelope.pop("data")) == 50
    assert envelope == {"page": 3, "per_page": 100, "total": 250, "total_pages": 3}


def test_page_after_the_last_is_empty(api):
    assert api.get("/prospects", page=4).json()["data"] == []


def test_bare_lists(api, sandbox):
    sandbox.configure(bare_lists=True)

    records = api.get("/prospects", page=3).json()

    assert isinstance(records, list)
    assert len(records) == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "-1"),
        ("page", "x"),
        ("per_page", "0"),
        ("per_page", "101"),
        ("per_page", "1.5"),
        ("modified_since", "yesterday"),
        ("modified_since", "2026-01-01T00:00:00 00:00"),
        ("modified_since", ""),
    ],
)
def test_bad_parameters_are_refused_by_name(api, name, value):
    answer = api.get("/prospects", **{name: value})

    assert answer.status_code == 400
    assert name in answer.json()["error"]


@pytest.mark.parametrize("zone", [UTC, None])
def test_modified_since_is_inclusive_and_complete(api, zone):
    everything = api.all("prospects")
    moments = sorted(record["modified_date"] for record in everything)
    since = moments[len(moments) // 2]
    asked = since if zone else since.removesuffix("Z")

    found = api.all("prospects", modified_since=asked, per_page=10)

    assert found == [r for r in everything if r["modified_date"] >= since]
    assert 0 < len(found) < len(everything)


def test_modified_since_understands_offsets(api):
    edge = max(record["modified_date"] for record in api.all("prospects"))
    moment = datetime.fromisoformat(edge)
    elsewhere = timezone(timedelta(hours=-5))

    same, later = moment.astimezone(elsewhere), moment.replace(tzinfo=elsewhere)
    at = api.all("prospects", modified_since=same.isoformat())
    after = api.all("prospects", modified_since=later.isoformat())

    assert [record["modified_date"] for record in at] == [edge]
    assert after == []


def test_one_record_by_id(api):
    record = api.get("/users", page=1).json()["data"][3]

    assert api.get(f"/users/{record['id']}").json() == record
    assert api.get("/users/999999").status_code == 404
    assert api.get("/users/abc").status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer wrong", "sandbox-genius-token"])
def test_credentials_are_checked(api, sandbox, header):
    answer = requests.get(
        sandbox.base_url + "/users",
        headers={"Authorization": header} if header else {},
        timeout=5,
    )

    assert answer.status_code == 401
    assert "data" not in answer.json()


@pytest.mark.parametrize("path", ["/leads", "/", "/../v2/users"])
def test_unknown_paths(api, path):
    assert api.get(path).status_code == 404


def test_only_get(api, sandbox):
    answer = api.session.post(sandbox.base_url + "/users", timeout=5)

    assert answer.status_code == 405


def test_date_header_is_the_moved_clock(api, sandbox):
    sandbox.configure(clock_offset_seconds=-7_200)

    sent = parsedate_to_datetime(api.get("/users").headers["Date"])

    behind = datetime.now(UTC) - sent
    assert timedelta(hours=2) <= behind < timedelta(hours=2, seconds=10)


def test_health_and_unknown_admin_paths(sandbox):
    health = requests.get(sandbox.url + "/_sandbox/health", timeout=5)

    assert health.json() == {"systems": [system.name for system in SYSTEMS]}
    with pytest.raises(ValueError, match="no such admin path"):
        sandbox.admin("GET", "/nonsense")
    with pytest.raises(ValueError, match="genius has no 'leads'"):
        sandbox.move("leads", "create")
    with pytest.raises(ValueError, match="bare_lists"):
        sandbox.configure(envelope="bare")
