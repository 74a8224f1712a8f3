"""Case 29: tokens that expire while a load runs, and are refreshed."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from crm_warehouse.errors import AuthenticationError
from tests.integration.cases.test_case_29_refused_credentials import everything
from tests.proof.house import Open
from tests.proof.oauth_house import ENVIRON, KEY, OAuthHouse
from tests.proof.oracle import compare_all

ROOT = Path(__file__).parents[3]
TOKEN_PATH = "/oauth/v1/token"


@pytest.fixture(autouse=True)
def dev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")


@pytest.fixture
def house(open_house: Open) -> OAuthHouse:
    opened = open_house("hubspot")
    return OAuthHouse(opened.conninfo, opened.sandbox, opened.source)


def asked_for_tokens(house: OAuthHouse) -> dict[str, int]:
    """Answers of the token endpoint, by status."""
    route = f"POST /hubspot{TOKEN_PATH}"
    counts: dict[str, int] = house.sandbox.stats()["by_route"].get(route, {})
    return counts


def test_tokens_that_end_each_second_end_no_load(house: OAuthHouse) -> None:
    house.oauth(expires_in=1)
    house.sandbox.fault("latency", path="/crm/*", seconds=0.15)

    run = house.sync("contacts", batch_size=20)

    assert run.status == "success"
    assert house.oauth()["refreshes"] >= 2
    assert house.oauth()["refused"] == 0
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}


def test_a_token_refused_in_the_middle_is_renewed_once_and_its_page_not_lost(
    house: OAuthHouse,
) -> None:
    house.sandbox.fault(
        "status", path="/crm/v3/objects/*", status=401, count=1, after=3
    )

    run = house.sync("contacts", batch_size=50)

    assert (run.status, run.retries) == ("success", 1)
    assert asked_for_tokens(house) == {"200": 2}
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}


def test_a_new_token_that_is_refused_too_stops_the_job(house: OAuthHouse) -> None:
    house.sandbox.fault("status", path="/crm/*", status=401)

    with pytest.raises(AuthenticationError, match="status 401"):
        house.sync("contacts")

    assert asked_for_tokens(house) == {"200": 2}
    counts = house.sandbox.stats()["by_route"]
    assert sum(c.get("401", 0) for c in counts.values()) == 2


def test_a_refresh_that_fails_is_tried_again(house: OAuthHouse) -> None:
    house.sandbox.fault("status", path=TOKEN_PATH, status=503, count=4)

    run = house.sync("contacts")

    # Before each grant, and once more behind it.
    assert (run.status, run.retries) == ("success", 2)
    assert asked_for_tokens(house) == {"200": 1, "503": 4}


def test_a_revoked_app_stops_at_once_and_goes_on_when_authorised_again(
    house: OAuthHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert house.sync("contacts").status == "success"
    secrets = set(house.extra.values()) - {house.extra["token_url"]}
    house.sandbox.admin("POST", "/oauth/revoke")
    # Pauses would show a repetition that there must not be.
    patient = replace(house.source.retry, delays=(30.0,) * 4)
    house.source = replace(house.source, retry=patient)

    with pytest.raises(AuthenticationError, match="BAD_REFRESH_TOKEN") as failure:
        house.sync("contacts")

    assert "authorise the app again" in str(failure.value)
    assert asked_for_tokens(house) == {"200": 1, "400": 1}
    (job,) = house.rows("SELECT * FROM ops.sync_jobs WHERE status = 'failed'")
    assert job["error_type"] == "authentication"
    assert house.value("SELECT count(*) FROM ops.circuit_breakers") == 0

    house.authorise()
    house.sandbox.move("contacts", "change", 10)
    run = house.sync("contacts")

    # What the person put in wins over what was stored.
    assert (run.status, run.records_updated) == ("success", 10)
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
    told = f"{caplog.text} {failure.value!r} {everything(house.conninfo)}"
    secrets |= set(house.extra.values()) - {house.extra["token_url"]} | {KEY}
    assert [secret for secret in secrets if secret in told] == []
    assert "access-" not in told
    assert "refresh-" not in told


def test_an_unknown_app_says_what_to_correct(house: OAuthHouse) -> None:
    house.extra["client_secret"] = "not-the-one"

    with pytest.raises(AuthenticationError, match="BAD_CLIENT_SECRET") as failure:
        house.sync("contacts")

    assert "correct client_id and client_secret" in str(failure.value)
    assert "not-the-one" not in str(failure.value)
    assert asked_for_tokens(house) == {"400": 1}


def test_a_job_goes_on_with_what_another_one_was_given(house: OAuthHouse) -> None:
    """Its refresh token is good for nothing any more: each use ends one."""
    other = house.of_another_worker()

    assert house.sync("contacts").status == "success"
    assert other.sync("deals").status == "success"

    assert asked_for_tokens(house) == {"200": 1}


@pytest.fixture
def askers(house: OAuthHouse) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that want the token of one connection."""
    task = {
        "conninfo": house.conninfo,
        "settings": asdict(house.settings),
        "environ": ENVIRON,
    }
    with ExitStack() as ends:
        processes = []
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.oauth_asker"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            ends.enter_context(process)
            ends.callback(process.kill)
            tell(process, json.dumps(task))
            processes.append(process)
        for process in processes:
            assert hear(process) == "ready"
        yield processes


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_that_refresh_at_once_make_one_refresh(
    house: OAuthHouse, askers: list[Any]
) -> None:
    # Long enough for the second to come while the first is being answered.
    house.sandbox.fault("latency", path=TOKEN_PATH, seconds=0.5)

    for refreshes in (1, 2, 3):
        for process in askers:
            tell(process, "now")
        first, second = (hear(process) for process in askers)

        assert first == second != ""
        assert house.oauth()["refreshes"] == refreshes
    # The newest refresh token was kept: the used ones are refused.
    assert house.oauth()["refused"] == 0
    assert house.value("SELECT generation FROM ops.oauth_tokens") == 3


def test_what_is_stored_is_sealed(house: OAuthHouse) -> None:
    house.sync("companies")

    (row,) = house.rows("SELECT * FROM ops.oauth_tokens")

    assert row["connection_id"] == "hubspot_default"
    assert row["access_token"].startswith("aes256gcm.")
    assert row["refresh_token"].startswith("aes256gcm.")
    assert len(row["seed"]) == 64
