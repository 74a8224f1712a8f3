"""``reconcile`` and ``forecast`` as processes: their lines and exit statuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.spec import Source
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import SYNC, Shell
from tests.proof.house import House
from tests.proof.oracle import compare

RECONCILE = ("reconcile", "--source", "genius")
FORECAST = ("forecast", "--source", "genius", "--json")


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    yield made
    made.close()


def test_the_exit_status_is_the_verdict(shell: Shell, sandbox: SandboxServer) -> None:
    words = (*RECONCILE, "--entity", "users")
    assert shell.run(*SYNC, "users").status == 0
    sandbox.move("users", "create", 3)

    status, result, err = shell.run(*words)

    assert (status, result["status"], result["verdict"]) == (3, "success", "different")
    assert (result["mode"], result["by_reason"]) == ("reconcile", {"missing_here": 3})
    assert (result["in_source"], result["in_raw"]) == (63, 60)
    assert "different: 63 in the source, 60 here, 3 differences, 0 repaired" in err
    status, result, _ = shell.run(*words, "--repair")
    assert (status, result["verdict"], result["repaired"]) == (0, "equal", 3)
    assert result["records_created"] == 3
    assert not compare(shell.conninfo, sandbox, "users")


def test_all_entities_make_one_object_but_those_switched_off(
    shell: Shell, sandbox: SandboxServer, genius: Source
) -> None:
    house = House(shell.conninfo, sandbox, genius)
    for entity in genius.entities:
        house.sync(entity)
    shell.rows(
        "UPDATE ops.sync_configurations SET is_active = false"
        " WHERE entity_type IN ('users', 'marketing_sources')"
    )

    status, result, err = shell.run(*RECONCILE)

    assert (status, result["status"], result["verdict"]) == (0, "success", "equal")
    assert [each["status"] for each in result["entities"]].count("skipped") == 2
    assert [each["entity"] for each in result["entities"]] == list(genius.entities)
    assert result["requests"] == sum(each["requests"] for each in result["entities"])
    assert "users is left out" in err


def test_what_means_nothing_is_refused(shell: Shell) -> None:
    swept = shell.run(*RECONCILE, "--only", "sweep")
    assert swept.status == 2
    assert "neither associations nor an archive" in swept.err
    overridden = shell.run(*RECONCILE, "--override", "mass_delete")
    assert overridden.status == 2
    assert "goes with repair" in overridden.err


def test_a_failure_ends_the_line_too(shell: Shell, sandbox: SandboxServer) -> None:
    sandbox.fault("status", path="/users", status=403)

    status, result, _ = shell.run(*RECONCILE, "--entity", "users")

    sandbox.clear_faults()
    assert status == 1
    assert (result["status"], result["entity"]) == ("failed", "users")


def test_a_failure_does_not_end_the_others(
    shell: Shell, sandbox: SandboxServer, genius: Source
) -> None:
    house = House(shell.conninfo, sandbox, genius)
    for entity in genius.entities:
        house.sync(entity)
    sandbox.fault("status", path="/users", status=400)

    status, result, err = shell.run(*RECONCILE)

    sandbox.clear_faults()
    ended = {each["entity"]: each["status"] for each in result["entities"]}
    assert ended == dict.fromkeys(genius.entities, "success") | {"users": "failed"}
    assert (status, result["status"], result["verdict"]) == (1, "failed", None)
    assert "/users" in err


def test_a_forecast_says_whether_it_fits(shell: Shell) -> None:
    status, result, _ = shell.run(*FORECAST, "--entity", "prospects")

    assert (status, result["requests"], result["fits"]) == (0, 6, True)
    assert result["entities"] == [
        {
            "entity": "prospects",
            "records": 600,
            "requests": 6,
            "searches": 0,
            "exact": True,
            "not_asked": None,
        }
    ]
    daily = "- {name: hourly, requests: 1000, per: 1h}"
    text = shell.file.read_text()
    assert daily in text
    shell.file.write_text(text.replace(daily, "- {name: daily, requests: 5, per: 1d}"))

    status, result, err = shell.run(*FORECAST, "--entity", "prospects")

    assert status == 3
    assert (result["fits"], result["days"], result["fits_today"]) == (False, 1, [])
    assert "this does not fit today's quota. Choose: load today what fits" in err
    wait = str(result["wait_seconds"])
    assert shell.run(*FORECAST, "--entity", "prospects", "--max-wait", wait).status == 0


def test_the_text_is_for_people(shell: Shell) -> None:
    process = shell.start("forecast", "--source", "genius", "--entity", "users")
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert out.splitlines()[1].split() == ["users", "60", "1"]
