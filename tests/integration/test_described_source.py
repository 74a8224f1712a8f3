"""A drafted source loads from its drafted sandbox, whichever way lists are cut."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from crm_warehouse.cli.main import main
from crm_warehouse.engine.migrations import migrate
from crm_warehouse.source_files import load_source
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.described_source import (
    RECORDS,
    DescribedHouse,
    DescribedSource,
    differences,
    filled_by,
)
from tests.proof.meddler import meddler, with_body
from tests.proof.oracle import FILLED

ROOT = Path(__file__).parents[2]
KEAP = ROOT / "examples" / "keap"
DRAFTED = (
    "paging: {style: number, page_param: page, size_param: per_page, "
    "size: 100, max_size: 100}"
)
STYLES = {
    "number": (
        "{style: number, page_param: p, size_param: n, total: meta.count, ",
        {"place_param": "p", "total": "meta.count"},
    ),
    "offset": (
        "{style: offset, offset_param: skip, size_param: n, more: more, ",
        {"place_param": "skip", "more": "more"},
    ),
    "cursor": (
        "{style: cursor, cursor_param: after, size_param: n, next: page.next, ",
        {"place_param": "after", "next": "page.next"},
    ),
    "next_url": (
        "{style: next_url, next: links.next, size_param: n, ",
        {"next": "links.next"},
    ),
    "link": ("{style: link, size_param: n, ", {}),
    "keyset": (
        "{style: keyset, after_param: behind, after: id, size_param: n, ",
        {"place_param": "behind"},
    ),
}
CREDENTIALS = {
    "number": ("{style: basic}", ["authorization", "Basic {basic}"]),
    "offset": ("{style: api_key, header: X-Acme-Key}", ["x-acme-key", "{token}"]),
    "link": (
        "{style: api_key, header: Authorization, prefix: Token}",
        ["authorization", "Token {token}"],
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_drafted_source_loads(
    style: str, tmp_path: Path, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, style, warehouse, monkeypatch) as house:
        sandbox = house.sandbox
        for entity in house.source.entities:
            assert house.sync(entity, "full").records_created == RECORDS
        sandbox.fault("repeat_page", count=1)
        sandbox.move("people", "change", 7)
        sandbox.move("visits", "delete", 5)

        changed = house.sync("people")
        deleted = house.sync("visits", "full")

        assert (changed.records_updated, changed.records_received) == (7, 7)
        assert deleted.records_deleted == 5
        assert differences(house) == {}
        linked = house.value(
            "SELECT count(*) FROM warehouse.appointments WHERE contact_id IS NOT NULL"
        )
        assert linked == RECORDS
        with meddler(house, "people") as between:
            struck = between.strike(2, lambda _, page: with_body(page, b"<html>"))
            between.house.sync("people", "full")
        assert len(struck) == 1
        assert differences(house) == {}


@pytest.mark.parametrize(
    ("right", "wrong", "seen"),
    [
        ("next: page.next", "next: page.nxt", r"^assert 25 == 120"),
        ("size_param: n", "size_param: per_page", r"^assert 1 >= "),
    ],
)
def test_a_wrong_word_about_pages_is_seen(
    right: str,
    wrong: str,
    seen: str,
    tmp_path: Path,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where all records of the sandbox would fit on one page."""
    most = RECORDS + 1
    with opened(tmp_path, "cursor", warehouse, monkeypatch, most) as house:
        source = tmp_path / "sources" / "acme.yaml"
        source.write_text(source.read_text().replace(right, wrong))
        house.source = replace(house.source, paging=load_source(source).paging)

        with pytest.raises(AssertionError, match=seen):
            DescribedSource().test_a_full_load_equals_the_truth(house)


def test_sources_of_ones_own_leave_the_tests_alone() -> None:
    """The variables are set already when a drafted test is run."""
    done = subprocess.run(
        [sys.executable, "-c", "import tests.proof.described_source"],
        cwd=ROOT,
        env={"CRM_WAREHOUSE_SOURCES": str(KEAP / "sources"), "PYTHONPATH": "plugins"},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def opened(
    folder: Path,
    style: str,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
    most: int = 20,
) -> Iterator[DescribedHouse]:
    """A drafted source with a sandbox of at most so many records a page."""
    words = ["new-source", "acme", "--entity", "people", "--entity", "visits"]
    assert main([*words, "--into", str(folder)]) == 0
    decide(folder, style, most)
    migrate(warehouse, own=folder / "migrations")
    source = load_source(folder / "sources" / "acme.yaml")
    monkeypatch.setitem(FILLED, "acme", filled_by(source))
    settings = Settings(
        prospects=1,
        sizes={"acme": RECORDS},
        described=(folder / "sandbox.json",),
        tokens={"acme": "anna:s3cret"},
    )
    retry = replace(source.retry, delays=(0.01,) * 3)
    with SandboxServer(settings, "acme") as sandbox:
        yield DescribedHouse(warehouse, sandbox, replace(source, retry=retry))


def decide(folder: Path, style: str, most: int) -> None:
    """What a person decides, in the source and in its sandbox."""
    source = folder / "sources" / "acme.yaml"
    paging, pages = STYLES[style]
    auth, credentials = CREDENTIALS.get(
        style, ("{style: bearer}", ["authorization", "Bearer {token}"])
    )
    text = source.read_text()
    for old, new in (
        (DRAFTED, f"paging: {paging}size: {most}, max_size: {most}}}"),
        ("auth: {style: bearer}", f"auth: {auth}"),
        ("    # since_param:", "    since_format: epoch\n    since_param:"),
        ("    into: contacts   #", "    into: contacts  #"),
    ):
        assert old in text or old.startswith("    into"), old
        text = text.replace(old, new)
    source.write_text(text)
    path = folder / "sandbox.json"
    told = json.loads(path.read_text())
    told["pages"] = {"style": style, "size_param": "n", "most": most, **pages}
    told["credentials"], told["since_param"] = credentials, "updated_since"
    path.write_text(json.dumps(told))


def test_the_example_by_commands(
    tmp_path: Path,
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the guide says, in its order, with a connection and nothing else."""
    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(KEAP / "sources"))
    monkeypatch.setenv("CRM_WAREHOUSE_MIGRATIONS", str(KEAP / "migrations"))
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    monkeypatch.setenv("CRM_WAREHOUSE_CONNECTIONS", str(tmp_path / "none"))
    parts = conninfo_to_dict(warehouse)
    uri = "postgres://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", uri)
    settings = Settings(
        prospects=1, sizes={"keap": 30}, described=(KEAP / "sandbox.json",)
    )

    def run(command: str, *words: str) -> str:
        assert main([command, *words]) == 0, (command, words)
        return capsys.readouterr().out.splitlines()[-1]

    with SandboxServer(settings, "keap") as keap:
        connection = {"conn_type": "crm_rest", "host": keap.base_url}
        connection["password"] = keap.token
        monkeypatch.setenv("AIRFLOW_CONN_KEAP_DEFAULT", json.dumps(connection))
        contacts = ("--source", "keap", "--entity", "contacts")

        assert main(["validate"]) == 2
        assert "9001_keap.sql" in capsys.readouterr().out
        assert run("migrate") == "applied 9001_keap.sql"
        assert run("validate") == "valid: keap (2 entities)"
        assert "nothing was written" in run("preview", *contacts, "--limit", "3")
        created = [
            json.loads(run("sync", *contacts, *mode))["records_created"]
            for mode in ((), (), ("--mode", "full"))
        ]
        assert created == [30, 0, 0]
        run("forecast", *contacts)
        run("reconcile", *contacts)
