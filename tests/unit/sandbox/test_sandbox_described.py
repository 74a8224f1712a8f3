"""What a JSON file can say of an API, and what a wrong one is told."""

import json
from pathlib import Path

import pytest
import requests

from include.sandbox.__main__ import parse_arguments
from include.sandbox.described import read_description
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

KEAP = Path(__file__).parents[3] / "examples" / "keap" / "sandbox.json"


@pytest.fixture(scope="module")
def keap():
    settings = Settings(prospects=1, sizes={"keap": 30}, described=(KEAP,))
    with SandboxServer(settings, "keap") as server:
        yield server


def ask(keap, path="/contacts", key=None, **query):
    field = {"X-Keap-API-Key": keap.token if key is None else key}
    return requests.get(keap.base_url + path, query, headers=field, timeout=60)


def test_it_pages_and_filters_as_described(keap):
    page = ask(keap, offset=25, limit=10).json()
    assert (len(page["contacts"]), page["count"]) == (5, 30)
    first = page["contacts"][0]
    assert ask(keap, f"/contacts/{first['id']}").json() == first
    assert set(first) == set(json.loads(KEAP.read_text())["kinds"][0]["sample"])
    since = "2026-12-31T00:00:00Z"
    assert ask(keap, since=since).json()["contacts"] == []
    keap.move("contacts", "create", 2)
    assert ask(keap, since="2026-06-02T00:00:00Z").json()["count"] == 2


def test_a_day_stays_a_day(tmp_path):
    told = json.loads(KEAP.read_text())
    (visits,) = [kind for kind in told["kinds"] if kind["name"] == "appointments"]
    visits["sample"]["start_date"] = "2026-01-15"
    path = tmp_path / "keap.json"
    path.write_text(json.dumps(told))
    settings = Settings(prospects=1, sizes={"keap": 3}, described=(path,))

    with SandboxServer(settings, "keap") as keap:
        visit = ask(keap, "/appointments").json()["appointments"][0]
        truth = keap.truth("appointments")[0]

    assert len(visit["start_date"]) == 10
    assert truth["scheduled_date"] == f"{visit['start_date']}T00:00:00.000Z"


def test_it_refuses_what_the_api_would(keap):
    assert ask(keap, key="wrong").status_code == 401
    assert ask(keap, "/contacts/1").status_code == 404
    assert ask(keap, "/nothing").status_code == 404
    assert ask(keap, limit=1001).status_code == 400
    assert ask(keap, offset="x").status_code == 400
    assert ask(keap, since="x").status_code == 400


def test_a_style_that_nobody_speaks_is_refused(tmp_path):
    """Or it would be taken for a list by cursors."""
    told = json.loads(KEAP.read_text())
    told["pages"]["style"] = "ofset"
    path = tmp_path / "x.json"
    path.write_text(json.dumps(told))
    with pytest.raises(
        ValueError, match="unknown style 'ofset'; known: number, offset"
    ):
        read_description(path)


def test_the_other_systems_are_there_as_ever(keap):
    assert len(keap.crm("genius").truth("divisions")) == 8


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x", "kinds": [{}]}'])
def test_a_file_that_describes_nothing(tmp_path, text, capsys):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json describes no API"):
        read_description(path)
    with pytest.raises(SystemExit):
        parse_arguments(["--with", str(path)])
    assert "describes no API" in capsys.readouterr().err
