"""Invented people: the same for a seed, well-formed, alike across systems."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import phonenumbers
import pytest
from sandbox_client import ENTITIES, Api

from include.sandbox.population import person, spelled
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

ISO = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def content(settings):
    """All bytes of a new process, and the ids that moves in it picked."""
    with SandboxServer(settings) as server:
        client = Api(server)
        pages = [client.get(f"/{e}", page=p).content for e in ENTITIES for p in (1, 2)]
        client.session.close()
        moved = [server.move("users", a, 5) for a in ("create", "change", "delete")]
    return pages, moved


def test_two_processes_of_a_seed_are_equal_and_other_seeds_differ():
    settings = Settings(seed=11, prospects=200, dirty=0.1)

    first, again = content(settings), content(settings)
    other = content(Settings(seed=12, prospects=200, dirty=0.1))

    assert first == again
    assert first[0][0] != other[0][0]
    assert first[1][1] != other[1][1]


def test_a_reset_gives_the_first_bytes_again(api, sandbox):
    before = api.get("/prospects").content
    sandbox.move("prospects", "change", 100)
    changed = api.get("/prospects").content
    sandbox.reset()

    assert changed != before
    assert api.get("/prospects").content == before


def test_prospects_have_the_specified_shape(api):
    for record in api.all("prospects"):
        assert set(record) - {"hubspot_contact_id", "marketsharp_id"} == {
            "id", "first_name", "last_name", "email", "phone", "address", "city",
            "state", "zip", "created_date", "modified_date", "status", "source",
        }  # fmt: skip
        assert isinstance(record["id"], int)
        assert ISO.fullmatch(record["created_date"])
        assert ISO.fullmatch(record["modified_date"])
        assert "2024-06" <= record["created_date"] <= record["modified_date"]
        assert record["modified_date"] <= "2026-06-01T00:00:00Z"
        assert re.fullmatch(r"\d{5}", record["zip"])


def test_addresses_are_nobodys_and_phones_are_dialable(api):
    people = api.all("prospects") + api.all("users")
    phones = [p["phone"] for p in people if p["phone"]]
    emails = [p["email"] for p in people if p["email"]]

    assert len(phones) > 250
    for phone in phones:
        assert re.fullmatch(r"\+1\d{3}555\d{4}", phone)
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone))
    assert len(emails) > 250
    for email in emails:
        local, domain = email.lower().split("@")
        assert re.fullmatch(r"[a-z]+(\.[a-z]+)?\d+", local)
        assert domain.endswith(("example.com", "example.org", "example.net"))


def test_a_larger_sandbox_begins_with_the_same_prospects(api):
    few = api.get("/prospects", per_page=50).json()["data"]
    with SandboxServer(Settings(prospects=50)) as smaller:
        client = Api(smaller)
        same = client.all("prospects")
        client.session.close()

    assert same == few


def test_the_same_person_is_spelled_differently_in_different_systems():
    people = [person(7, number) for number in range(400)]
    there = [spelled(p, Random(f"there/{p.number}")) for p in people]
    elsewhere = [spelled(p, Random(f"elsewhere/{p.number}")) for p in people]

    assert [p.number for p in there] == [p.number for p in elsewhere]
    for name in ("first_name", "last_name", "email", "phone", "street"):
        alike = [
            getattr(a, name) == getattr(b, name)
            for a, b in zip(there, elsewhere, strict=True)
        ]
        assert 0.4 < sum(alike) / len(alike) < 1, name


def test_households_share_name_phone_and_address():
    people = [person(7, number) for number in range(600)]
    homes = [people[n : n + 3] for n in range(0, 600, 3)]
    shared = [home for home in homes if len({p.address for p in home}) == 1]

    assert 0.2 < len(shared) / len(homes) < 0.4
    assert all(len({p.last_name for p in home}) == 1 for home in shared)
    assert any(len({p.phone for p in home}) == 1 for home in shared)


def test_some_people_are_in_genius_twice(api):
    mails = [r["email"].lower() for r in api.all("prospects") if r["email"]]

    assert 0 < len(mails) - len(set(mails)) < 25


def test_a_taken_port_is_said_in_one_line(sandbox):
    port = sandbox.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "include.sandbox", "--port", port]
    root = Path(__file__).parents[3]

    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=10)

    assert run.returncode == 1
    assert run.stderr.startswith(f"cannot listen on port {port}: ")
    assert run.stdout == ""


@pytest.mark.parametrize("bad", [["--dirty", "2"], ["--prospects", "-1"]])
def test_impossible_options_are_refused(bad, capsys):
    from include.sandbox.__main__ import parse_arguments

    with pytest.raises(SystemExit):
        parse_arguments(bad)
    assert bad[0] in capsys.readouterr().err


def test_the_token_comes_from_the_environment_and_is_not_shown(monkeypatch):
    from include.sandbox.__main__ import parse_arguments

    monkeypatch.setenv("SANDBOX_GENIUS_TOKEN", "another-token")
    _port, settings = parse_arguments([])

    assert settings.tokens["genius"] == "another-token"
    assert settings.tokens["hubspot"] == "sandbox-hubspot-token"
    assert "another-token" not in repr(settings)
