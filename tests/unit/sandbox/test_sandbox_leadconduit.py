"""LeadConduit, as the sandbox speaks it: one list of events, a log."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import requests

DAY = 86_400


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("activeprospect")


@pytest.fixture
def get(crm):
    """Asks for events; options replace what a good client sends."""

    def ask(auth=("anybody", "sandbox-activeprospect-token"), accept=None, **params):
        return requests.get(
            crm.base_url.replace("/v1", "/leadconduit") + "/events",
            params=params,
            auth=auth,
            headers={"Accept": accept or "application/json"},
            timeout=10,
        )

    return ask


@pytest.fixture
def listed(get):
    """All events, page by page."""

    def read(limit=1000, **params):
        found, page = [], True
        while page:
            after = {"after_id": found[-1]["id"]} if found else {}
            page = get(limit=limit, sort="asc", **after, **params).json()
            found += page
        return found

    return read


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_places_lead_to_every_event_once_in_the_order_of_ids(listed, crm, limit):
    found = [event["id"] for event in listed(limit=limit)]

    assert found == sorted(set(found))
    truth = crm.admin("GET", "/leadconduit/truth")["events"]
    assert found == [row["source_id"] for row in truth]


def test_events_are_a_lead_each_and_its_steps(listed, crm):
    events = listed()
    leads = {line["source_id"]: line for line in crm.truth("leads")}
    sources = [each for each in events if each["type"] == "source"]

    assert sorted(e["vars"]["lead"]["id"] for e in sources) == sorted(leads)
    assert {e["vars"]["lead"]["id"] for e in events} == set(leads)
    assert {e["type"] for e in events} == {
        "source", "filter", "recipient", "retry", "feedback-received", "feedback-sent",
    }  # fmt: skip
    for each in events:
        assert re.fullmatch("[0-9a-f]{24}", each["id"])
        assert isinstance(each["start_timestamp"], int)
        # An id begins with the second of recording, which is when the step ended.
        assert int(each["id"][:8], 16) == each["end_timestamp"] // 1_000


def test_a_start_is_inclusive_and_an_id_is_not(get, listed):
    events = listed()
    middle = events[len(events) // 2]
    moment = datetime.fromtimestamp(middle["end_timestamp"] / 1_000, UTC)
    since = listed(start=moment.isoformat())
    later = listed(start=(moment + timedelta(milliseconds=1)).isoformat())
    behind = get(after_id=middle["id"], sort="asc", limit=1000).json()
    before = get(before_id=middle["id"], sort="asc", limit=1000).json()
    until = get(end=moment.isoformat(), sort="asc", limit=1000).json()

    place = events.index(middle)
    assert since[0] == middle
    assert later == behind == events[place + 1 :]
    assert before == events[:place]
    assert until == events[: place + 1]


def test_the_newest_come_first_unless_asked_otherwise(get, listed):
    events = listed()

    assert get().json() == events[::-1][:100]
    # What a client gets that forgets to ask for the oldest first.
    assert get(after_id=events[0]["id"]).json() == events[::-1][:100]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("sort", "up"),
        ("start", "yesterday"),
        ("end", "0"),
        ("after_id", "100001"),
        ("before_id", ""),
        ("type", "source"),
    ],
)
def test_bad_parameters_are_refused_by_name(get, name, value):
    answer = get(**{name: value})

    assert answer.status_code == 400
    assert name in answer.json()["error"]


@pytest.mark.parametrize(
    "auth", [("sandbox-activeprospect-token", ""), ("API", "wrong"), None]
)
def test_the_key_is_the_password(get, auth):
    answer = get(auth=auth)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_the_bearer_of_the_other_api_opens_nothing(crm):
    base = crm.base_url.replace("/v1", "/leadconduit")
    headers = {"Accept": "application/json"}
    for token in ("Bearer sandbox-activeprospect-token", "Basic !!", "Basic"):
        answer = requests.get(
            base + "/events", headers={**headers, "Authorization": token}, timeout=10
        )
        assert answer.status_code == 401


def test_only_json_and_only_events(get, crm):
    assert get(accept="text/html").status_code == 406
    answer = requests.get(
        crm.base_url.replace("/v1", "/leadconduit") + "/leads",
        auth=("", "sandbox-activeprospect-token"),
        timeout=10,
    )
    assert answer.status_code == 404


def test_a_change_is_another_event(listed, crm):
    before = listed()
    changed = crm.move("leads", "change", 3)
    crm.move("leads", "delete", 5)
    news = listed()[len(before) :]

    assert listed()[: len(before)] == before
    assert {each["vars"]["lead"]["id"] for each in news} == set(changed)
    assert {each["type"] for each in news} == {"source"}


def test_what_is_old_is_forgotten(listed, crm):
    everything = len(listed())
    call = {"count": 2, "seconds": 10 * DAY}
    crm.admin("POST", "/leadconduit/late", call)
    crm.configure(horizon_days=90)
    assert len(listed()) == 2
    crm.configure(horizon_days=9)
    assert listed() == []
    crm.configure(horizon_days=None)
    assert len(listed()) == everything + 2
    with pytest.raises(ValueError, match="horizon_days"):
        crm.configure(horizon_days=0)


def test_faults_of_pages(get, listed, crm):
    first = get(sort="asc", limit=10).json()
    second = get(sort="asc", limit=10, after_id=first[-1]["id"]).json()

    def struck(kind):
        crm.fault(kind, path="*/leadconduit/events", count=1)
        return get(sort="asc", limit=10, after_id=first[-1]["id"]).json()

    assert struck("repeat_page") == first
    assert struck("loop") == first
    assert struck("short_page") == second[:5]
    assert struck("empty_page") == []
    assert get(sort="asc", limit=10, after_id=first[-1]["id"]).json() == second
