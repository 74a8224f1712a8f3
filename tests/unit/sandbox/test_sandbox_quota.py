"""The quota is enforced and counted."""

import time

import pytest
import requests

from include.sandbox.log import RequestLog
from include.sandbox.quota import Limit, Quota


def test_the_window_slides():
    quota = Quota(Limit(requests=2, per_seconds=10.0))

    assert quota.admit(0.0) is None
    assert quota.admit(9.0) is None
    assert quota.admit(9.5) == pytest.approx(0.5)
    assert quota.admit(10.0) is None  # only the first has left the window
    assert quota.admit(18.9) == pytest.approx(0.1)
    assert quota.admit(19.0) is None


def test_most_requests_in_any_window():
    log = RequestLog()
    for moment in (0.0, 9.0, 9.9, 10.5, 30.0):
        log.arrive(moment, 10.0)

    assert log.statistics(Limit(2, 10.0))["max_in_window"] == 3


def test_default_quota_is_the_specified_one(sandbox):
    assert sandbox.admin("GET", "/settings")["quota"] == {
        "requests": 1_000,
        "per_seconds": 3_600.0,
        "enabled": True,
    }


def test_refusal_says_when_to_come_back(api, sandbox):
    sandbox.configure(quota={"requests": 3, "per_seconds": 1_000})

    answers = [api.get("/users") for _ in range(5)]

    assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
    assert 990 < int(answers[3].headers["Retry-After"]) <= 1_000
    stats = sandbox.stats()
    assert stats["by_route"] == {"GET /genius/v1/users": {"200": 3, "429": 2}}
    assert (stats["requests"], stats["refused"]) == (5, 2)
    assert stats["max_in_window"] == 5
    assert [entry["refused"] for entry in sandbox.log()] == [False] * 3 + [True] * 2


def test_quota_frees_itself_with_time(api, sandbox):
    sandbox.configure(quota={"requests": 1, "per_seconds": 0.3})
    begun = time.monotonic()
    assert api.get("/users").status_code == 200

    while (refused := api.get("/users").status_code == 429) and (
        time.monotonic() < begun + 5
    ):
        time.sleep(0.02)

    assert not refused
    assert time.monotonic() - begun >= 0.3


def test_quota_can_be_switched_off(api, sandbox):
    sandbox.configure(quota={"requests": 1, "per_seconds": 1_000, "enabled": False})

    assert [api.get("/users").status_code for _ in range(3)] == [200] * 3


def test_refused_credentials_do_not_use_the_quota_up(api, sandbox):
    sandbox.configure(quota={"requests": 1, "per_seconds": 1_000})

    requests.get(sandbox.base_url + "/users", timeout=5)

    assert api.get("/users").status_code == 200


def test_statistics_can_be_begun_anew(api, sandbox):
    api.get("/users/1")
    assert sandbox.stats()["by_route"] == {"GET /genius/v1/users/{id}": {"200": 1}}

    sandbox.admin("DELETE", "/stats")

    stats = sandbox.stats()
    assert (stats["requests"], stats["max_in_window"]) == (0, 0)


def test_log_tells_queries_and_faults_but_no_credentials(api, sandbox):
    number = sandbox.fault("empty", count=1)
    api.get("/users", page=1, per_page=5)

    [entry] = sandbox.log()

    assert entry["query"] == {"page": "1", "per_page": "5"}
    assert (entry["status"], entry["faults"]) == (200, [number])
    assert sandbox.token not in str(entry)


@pytest.mark.parametrize("quota", [{"request": 5}, {"requests": "many"}, 7])
def test_impossible_quotas_are_refused(sandbox, quota):
    with pytest.raises(ValueError, match="quota"):
        sandbox.configure(quota=quota)


def test_another_program_uses_requests_up(api, sandbox):
    sandbox.configure(quota={"requests": 5, "per_seconds": 1_000})
    sandbox.admin("POST", "/use", {"requests": 3})

    answers = [api.get("/users").status_code for _ in range(3)]

    assert answers == [200, 200, 429]
    assert sandbox.stats()["max_in_window"] == 3  # what came here, and no more


def test_another_program_uses_what_there_is(sandbox):
    sandbox.configure(quota={"requests": 5, "per_seconds": 1_000})
    for call in ({"requests": 6}, {"requests": -1}, {"quota": "none"}):
        with pytest.raises(ValueError, match="POST /use: "):
            sandbox.admin("POST", "/use", call)
