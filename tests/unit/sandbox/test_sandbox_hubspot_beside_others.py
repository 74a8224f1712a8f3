"""Several CRMs in one process: sizes, tokens, and that none pays for another."""

import pytest
import requests
from hubspot_client import HubSpotApi

from include.sandbox.__main__ import parse_arguments
from include.sandbox.app import SYSTEMS, Sandbox
from include.sandbox.quota import Limit, Quota, Refusal, admit_all
from include.sandbox.settings import Settings


def built(sandbox):
    return [
        name for name, system in sandbox.systems.items() if "tables" in vars(system)
    ]


def test_default_sizes_follow_the_prospects():
    settings = Settings(prospects=3_000, sizes={"hubspot": 7})

    assert {name: settings.size(name) for name in settings.tokens} == {
        "genius": 3_000,
        "hubspot": 7,
        "marketsharp": 2_000,
        "activeprospect": 1_500,
    }


def test_sizes_on_the_command_line(capsys):
    _port, settings = parse_arguments(["--size", "hubspot=20", "--size=genius=5"])

    assert settings.sizes == {"hubspot": 20, "genius": 5}
    for bad in ("hubspot", "hubspot=-1", "hubspot=many", "salesforce=1"):
        with pytest.raises(SystemExit):
            parse_arguments(["--size", bad])
        assert "--size" in capsys.readouterr().err


def test_tokens_have_the_names_of_their_systems():
    assert Settings().tokens == {
        name: f"sandbox-{name}-token"
        for name in ("genius", "hubspot", "marketsharp", "activeprospect")
    }
    assert {system.name for system in SYSTEMS} == set(Settings().tokens)


def test_records_are_made_when_their_system_is_first_used():
    sandbox = Sandbox(Settings(prospects=30))
    assert built(sandbox) == []

    sandbox.systems["hubspot"].table("deals")

    assert built(sandbox) == ["hubspot"]


def test_one_process_speaks_for_all(sandbox):
    hubspot, genius = sandbox.crm("hubspot"), sandbox.crm("genius")

    assert hubspot.base_url == sandbox.url + "/hubspot"
    assert genius.base_url == sandbox.base_url == sandbox.url + "/genius/v1"
    assert (hubspot.token, sandbox.token) == (
        "sandbox-hubspot-token",
        "sandbox-genius-token",
    )
    hubspot.fault("empty")
    hubspot.configure(clock_offset_seconds=5)
    assert sandbox.admin("GET", "/faults") == {"faults": []}
    assert sandbox.admin("GET", "/settings")["clock_offset_seconds"] == 0
    sandbox.reset()
    assert hubspot.admin("GET", "/faults") == {"faults": []}


def test_the_same_seed_gives_the_same_records(sandbox):
    def everything():
        sandbox.reset()
        crm = sandbox.crm("hubspot")
        moved = [crm.move("deals", "change", 3), crm.move("companies", "delete", 2)]
        return (
            moved,
            crm.truth("companies"),
            [{**row, "source_updated_at": None} for row in crm.truth("deals")],
        )

    assert everything() == everything()


def test_a_request_counts_in_all_quotas_or_in_none():
    wide, narrow = Quota(Limit(5, 10.0)), Quota(Limit(1, 10.0))
    both = {"wide": wide, "narrow": narrow}

    assert admit_all(both, 0.0) is None
    assert admit_all(both, 4.0) == Refusal("narrow", 6.0)
    assert (wide.remaining(4.0), narrow.remaining(4.0)) == (4, 0)
    assert admit_all({"wide": wide}, 4.0) is None
    assert wide.remaining(4.0) == 3


def test_statistics_name_paths_without_ids(hubspot):
    hubspot.page("contacts")
    hubspot.get("/crm/v3/objects/contacts/99901")
    hubspot.search("contacts")
    hubspot.batch("contacts", ["99901"])
    hubspot.associated("deals", "contacts", "9951", "9952")
    hubspot.get("/crm/v3/objects/tickets")
    hubspot.get("/crm/v9/anything")

    root = "/hubspot/crm/v3/objects/contacts"
    counts = hubspot.crm.stats()["by_route"]
    assert set(counts) == {
        f"GET {root}",
        f"GET {root}/{{id}}",
        f"POST {root}/search",
        f"POST {root}/batch/read",
        "POST /hubspot/crm/v4/associations/deals/contacts/batch/read",
        "GET (unknown path)",
    }
    assert counts["GET (unknown path)"] == {"400": 1, "404": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"id_order": "random"},
        {"index_lag_seconds": -1},
        {"associations_page": 501},
        {"associations_inputs": 0},
        {"retry_after": 1},
        {"bare_lists": True},
        {"search_quota": {"request": 1}},
    ],
)
def test_impossible_settings_are_refused(hubspot, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        hubspot.crm.configure(**settings)


def test_a_post_waits_for_its_body_also_when_a_fault_strikes(hubspot):
    hubspot.crm.fault("status", status=503, path="/crm/v3/objects/*/search", count=1)

    answers = [hubspot.try_search("contacts", limit=1) for _ in range(2)]

    assert [a.status_code for a in answers] == [503, 200]


def test_other_tokens_open_nothing(sandbox):
    crm = sandbox.crm("hubspot")
    client = HubSpotApi(crm)
    client.session.headers["Authorization"] = f"Bearer {sandbox.token}"
    with client.session:
        assert client.get("/crm/v3/objects/contacts").status_code == 401
    assert requests.get(sandbox.url + "/nobody/v1", timeout=5).status_code == 404
