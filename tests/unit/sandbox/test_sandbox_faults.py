"""Each fault does what it says, as often and where it is told to."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests


def ids(answer):
    return [record["id"] for record in answer.json()["data"]]


def test_latency_with_jitter(api, sandbox):
    sandbox.fault("latency", seconds=0.15, jitter=0.1, count=1)

    begun = time.monotonic()
    api.get("/users")
    slow = time.monotonic() - begun

    assert 0.15 <= slow < 1.0


def test_a_slow_request_is_counted_when_it_comes(api, sandbox):
    sandbox.fault("latency", seconds=1.0, count=1)

    begun = time.time()
    api.get("/users")
    ended = time.time()

    (entry,) = sandbox.log()[-1:]
    assert entry["at"] - begun >= 0.45
    assert ended - entry["at"] >= 0.45
    assert entry["faults"] == [sandbox.admin("GET", "/faults")["faults"][-1]["number"]]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_status_for_a_number_of_times(api, sandbox, status):
    sandbox.fault("status", status=status, count=2)

    answers = [api.get("/users") for _ in range(3)]

    assert [a.status_code for a in answers] == [status, status, 200]
    assert "Retry-After" not in answers[0].headers


@pytest.mark.parametrize("value", [7, "soon", "-5", "999999999"])
def test_retry_after_as_told(api, sandbox, value):
    sandbox.fault("status", status=429, retry_after=value)

    assert api.get("/users").headers["Retry-After"] == str(value)


def test_retry_after_as_a_date(api, sandbox):
    sandbox.fault("status", status=503, retry_date=90)

    moment = parsedate_to_datetime(api.get("/users").headers["Retry-After"])

    assert 80 < (moment - datetime.now(UTC)).total_seconds() <= 90


def test_reset_connection(api, sandbox):
    sandbox.fault("reset", count=1)

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        api.get("/users")
    assert api.get("/users").status_code == 200
    assert sandbox.stats()["by_route"]["GET /genius/v1/users"]["reset"] == 1


@pytest.mark.parametrize("length", ["full", "chunked"])
def test_truncated_body_that_the_transport_notices(api, sandbox, length):
    sandbox.fault("truncate", length=length, count=1)

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get("/users")
    assert len(ids(api.get("/users"))) == 60


def test_truncated_body_that_only_the_parser_notices(api, sandbox):
    sandbox.fault("truncate", length="sent", count=1)

    answer = api.get("/users")

    assert int(answer.headers["Content-Length"]) == len(answer.content) > 1_000
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_html_and_empty_bodies(api, sandbox):
    sandbox.fault("html", count=1)
    answer = api.get("/users")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")

    sandbox.fault("empty", count=1)
    answer = api.get("/users")
    assert (answer.status_code, answer.content) == (200, b"")


def test_repeated_page(api, sandbox):
    sandbox.fault("repeat_page", query={"page": 2}, count=1)

    first, second, again = [api.get("/prospects", page=p) for p in (1, 2, 2)]

    assert ids(second) == ids(first)
    assert second.json()["page"] == 2
    assert not set(ids(again)) & set(ids(first))


def test_endless_loop_of_a_page(api, sandbox):
    sandbox.fault("loop", page=2)

    pages = [api.get("/prospects", page=p) for p in (1, 2, 3, 50)]

    assert ids(pages[0]) != ids(pages[1])
    assert ids(pages[1]) == ids(pages[2]) == ids(pages[3])
    assert pages[3].json()["total_pages"] == 51


def test_page_shift_hides_a_record_from_the_next_page(api, sandbox):
    everything = [r["id"] for r in api.all("prospects")]
    sandbox.fault("page_shift", path="/prospects", query={"page": 1}, count=1)

    seen = [key for page in (1, 2, 3) for key in ids(api.get("/prospects", page=page))]

    assert [key for key in everything if key not in seen] == [everything[100]]
    assert sandbox.deleted("prospects") == [str(everything[0])]


@pytest.mark.parametrize(("delta", "pages"), [(150, 4), (-60, 2)])
def test_lying_total(api, sandbox, delta, pages):
    sandbox.fault("lying_total", delta=delta)

    envelope = api.get("/prospects").json()

    assert envelope["total"] == 250 + delta
    assert envelope["total_pages"] == pages


def test_credentials_refused_from_a_request_on(api, sandbox):
    sandbox.fault("status", status=401, after=2)

    assert [api.get("/users").status_code for _ in range(4)] == [200, 200, 401, 401]


def test_missing_date_header(api, sandbox):
    assert "Date" in api.get("/users").headers
    sandbox.fault("no_date")
    assert "Date" not in api.get("/users").headers


def test_faults_strike_only_their_path(api, sandbox):
    sandbox.fault("status", status=500, path="/users*")

    assert api.get("/divisions").status_code == 200
    assert api.get("/users").status_code == 500
    assert api.get("/users/1").status_code == 500


def test_probability_is_kept_and_repeatable(api, sandbox):
    def run():
        sandbox.reset()
        sandbox.fault("status", status=500, probability=0.3)
        return [api.get("/divisions").status_code for _ in range(100)]

    first = run()

    assert 15 < first.count(500) < 45
    assert run() == first


def test_listing_and_switching_off(api, sandbox):
    number = sandbox.fault("status", status=500)
    sandbox.fault("empty", count=0)
    api.get("/users")

    [status, empty] = sandbox.admin("GET", "/faults")["faults"]
    assert (status["number"], status["struck"], empty["struck"]) == (number, 1, 0)

    sandbox.admin("DELETE", f"/faults/{number}")
    assert api.get("/users").status_code == 200
    sandbox.clear_faults()
    assert sandbox.admin("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"kind": "flood"}, "unknown kind"),
        ({"kind": "reset", "seconds": 1}, "no option 'seconds'"),
        ({"kind": "status", "status": "500"}, "wrong type"),
        ({"kind": "status", "status": 9_999}, "from 200 to 599"),
        ({"kind": "truncate", "length": "some"}, "length is one of"),
        ({"kind": "empty", "count": -1}, "negative"),
    ],
)
def test_impossible_faults_are_refused(sandbox, call, message):
    with pytest.raises(ValueError, match=message):
        sandbox.admin("POST", "/faults", call)
    assert sandbox.admin("GET", "/faults") == {"faults": []}
