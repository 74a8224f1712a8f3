"""``new-source`` drafts files that load, pass the tools, and hold nobody's data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_call import Call

from crm_warehouse.cli import new_source
from crm_warehouse.cli.sample import read_sample
from crm_warehouse.cli.sample_words import columns_from, table_of
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import Paging
from crm_warehouse.unified import UNIFIED
from include.sandbox.described import read_description

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "examples" / "keap" / "samples"


def drafted(call: Call, folder: Path, *words: str) -> list[str]:
    """Files that the command wrote, below the folder."""
    result = call("new-source", *words, "--into", str(folder))
    assert (result.status, result.err) == (0, "")
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def test_a_sample_tells_places_pages_and_tables(call: Call, tmp_path: Path) -> None:
    files = drafted(
        call,
        tmp_path,
        *("acme", "--entity", "contacts", "--from", str(SAMPLES / "contacts.json")),
        *("--entity", "visits", "--from", str(SAMPLES / "appointments.json")),
    )

    assert files == [
        "migrations/9001_acme.sql",
        "sandbox.json",
        "sources/acme.yaml",
        "test_acme.py",
    ]
    source = load_source(tmp_path / "sources" / "acme.yaml")
    people, visits = source.entities.values()
    assert source.paging == Paging(
        "offset", "offset", "limit", 100, 100, total_path=("count",)
    )
    assert (people.into, people.id_path, people.version_path) == (
        "contacts",
        ("id",),
        ("last_updated",),
    )
    places = {each.target: each.paths[0] for each in people.fields}
    assert places["email"] == ("email_addresses", 0, "email")
    assert places["phone"] == ("phone_numbers", 0, "number")
    assert (visits.into, visits.records_path) == ("appointments", ("appointments",))
    places = {each.target: each.paths[0] for each in visits.fields}
    assert places["contact_source_id"] == ("contact_id",)
    assert places["scheduled_date"] == ("start_date",)


def test_variables_hold_in_every_folder(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    told = call("new-source", "acme", "--into", "mine").out

    assert f"  export CRM_WAREHOUSE_SOURCES={tmp_path}/mine/sources\n" in told
    assert f"  export CRM_WAREHOUSE_MIGRATIONS={tmp_path}/mine/migrations\n" in told


def test_a_mark_of_deletion_is_told(call: Call, tmp_path: Path) -> None:
    page = tmp_path / "page.json"
    page.write_text(
        '{"data": [{"id": 1, "email": "x@example.com", "is_deleted": false}]}'
    )

    words = ("acme", "--entity", "contacts", "--from", str(page))
    own = tmp_path / "own"
    own.mkdir()
    drafted(call, own, *words)

    source = load_source(own / "sources" / "acme.yaml")
    [entity] = source.entities.values()
    assert entity.deleted_path == ("is_deleted",)
    assert entity.deletes.confirm_path is None


def test_nobodys_data_is_in_the_files(call: Call, tmp_path: Path) -> None:
    path = SAMPLES / "contacts.json"
    drafted(call, tmp_path, "acme", "--from", str(path))

    text = "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    for word in ("Ada", "ada@", "555", "Sample Road", "Springfield", "62701", "4711"):
        assert word in path.read_text()
        assert word not in text


@pytest.mark.parametrize("table", UNIFIED)
def test_without_a_sample_every_table_can_be_drafted(
    call: Call, tmp_path: Path, table: str
) -> None:
    drafted(call, tmp_path, "acme", "--entity", table)

    source = load_source(tmp_path / "sources" / "acme.yaml")
    (kind,) = read_description(tmp_path / "sandbox.json").kinds
    assert source.entities[table].into == kind.into == table
    assert dict(kind.columns) == {
        each.target: each.paths[0][0]
        for each in source.entities[table].fields
        if each.target != "attributes"
    }


def test_drafts_pass_the_tools(call: Call, tmp_path: Path) -> None:
    drafted(call, tmp_path, "a_long_name_of_a_source_of_thirty", "--entity", "jobs")

    settings = ROOT / "pyproject.toml"
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--config", settings, tmp_path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_in_the_repository_files_go_where_such_files_are(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "include" / "sources"
    sources.mkdir(parents=True)
    (sources / "genius.yaml").write_bytes(
        (ROOT / "include" / "sources" / "genius.yaml").read_bytes()
    )
    migrations = tmp_path / "sql" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0041_x.sql").write_text("SELECT 1;")
    monkeypatch.setattr(new_source, "ROOT", tmp_path)
    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(sources))

    result = call("new-source", "acme")

    assert result.status == 0
    assert [line for line in result.out.splitlines() if line[:5] == "wrote"] == [
        f"wrote {sources / 'acme.yaml'}",
        f"wrote {migrations / '0042_acme.sql'}",
        f"wrote {tmp_path / 'include/sandbox/acme/described.json'}",
        f"wrote {tmp_path / 'tests/integration/test_acme.py'}",
    ]
    text = (tmp_path / "tests/integration/test_acme.py").read_text()
    assert 'HERE / "include/sources/acme.yaml"' in text
    assert "parents[2]" in text
    again = call("new-source", "acme")
    assert (again.status, "the name 'acme' is taken" in again.err) == (2, True)


def test_no_file_is_overwritten_and_none_is_written_beside_it(
    call: Call, tmp_path: Path
) -> None:
    (tmp_path / "sandbox.json").write_text("mine")

    result = call("new-source", "acme", "--into", str(tmp_path))

    assert result.status == 2
    assert f"{tmp_path / 'sandbox.json'}: is there already" in result.err
    assert [path.name for path in tmp_path.rglob("*")] == ["sandbox.json"]
    assert (tmp_path / "sandbox.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "sample", "message"),
    [
        (["Acme"], None, "'Acme' is no name"),
        (["../acme"], None, "is no name"),
        (["genius"], None, "the name 'genius' is taken"),
        (["warehouse"], None, "the name 'warehouse' is taken"),
        (["acme", "--entity", "Jobs"], None, "--entity: 'Jobs' is no name"),
        (["acme", "--entity", "webhooks"], None, "the name 'webhooks' is taken"),
        (["acme", "--entity", "jobs", "--entity", "jobs"], None, "jobs: named twice"),
        (["acme"], "<html>", "is HTML or XML instead of JSON"),
        (["acme"], '{"data": []}', "holds no record"),
        (["acme"], "[]", "holds no record"),
        (["acme"], "7", "holds no record"),
    ],
)
def test_what_cannot_be_drafted(
    call: Call, tmp_path: Path, words: list[str], sample: str | None, message: str
) -> None:
    if sample is not None:
        (tmp_path / "sample.json").write_text(sample)
        words = [*words, "--from", str(tmp_path / "sample.json")]

    result = call("new-source", *words, "--into", str(tmp_path / "out"))

    assert result.status == 2
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_a_sample_belongs_to_an_entity(call: Call, tmp_path: Path) -> None:
    page = str(SAMPLES / "contacts.json")

    result = call("new-source", "acme", "--from", page, "--from", page)

    assert (result.status, "more samples than entities" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("page", "records", "paging"),
    [
        ([{"id": 1}], "data", {}),
        ({"customer": {"id": 1, "tags": ["a"]}}, "data", {}),
        (
            {"data": [{"id": 1}], "page": 1, "per_page": 50, "total": 9},
            "data",
            {
                "style": "number",
                "page_param": "page",
                "total": "total",
                "size_param": "per_page",
            },
        ),
        (
            {"items": [{"id": 1}], "meta": {"next_cursor": "x", "has_more": True}},
            "items",
            {
                "style": "cursor",
                "cursor_param": "cursor",
                "next": "meta.next_cursor",
                "more": "meta.has_more",
            },
        ),
        (
            {"data": [{"id": 1}], "more": {"next_cursor": None}},
            "data",
            {"style": "cursor", "cursor_param": "cursor", "next": "more.next_cursor"},
        ),
        (
            {"data": {"list": [{"id": 1}]}, "links": {"next": "/v1/x?cursor=b"}},
            "data.list",
            {"style": "next_url", "next": "links.next"},
        ),
        (
            {"results": [{"id": 1}], "offset": 0, "limit": 10, "total": 12},
            "results",
            {
                "style": "offset",
                "offset_param": "offset",
                "total": "total",
                "size_param": "limit",
            },
        ),
    ],
)
def test_what_an_envelope_tells_of_pages(
    tmp_path: Path, page: object, records: str, paging: dict[str, str]
) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(page))

    sample = read_sample(path)

    assert (sample.records, sample.paging) == (records, paging)
    assert sample.record["id"] == 1


def test_days_and_currencies_stay_what_they_are(call: Call, tmp_path: Path) -> None:
    """Or the stand-in would send what every record is warned of."""
    record = {"id": 1, "currency": "CAD", "close_date": "2025-03-01", "city": "ROM"}
    (tmp_path / "deals.json").write_text(
        json.dumps([{**record, "updated": "2025-03-02"}])
    )
    out = tmp_path / "out"
    drafted(call, out, "acme", "--entity", "deals", "--from", f"{tmp_path}/deals.json")

    (kind,) = read_description(out / "sandbox.json").kinds
    made = {"id": 1, "currency": "USD", "close_date": "2026-01-15", "city": "text"}
    assert kind.sample == {**made, "updated": "2026-01-15"}
    assert dict(kind.columns) == {
        "currency": "currency",
        "expected_close_at": "close_date",
    }
    # A day tells no newer version.
    assert kind.version is None


@pytest.mark.parametrize(
    ("entity", "table"),
    [
        ("customers", "contacts"),
        ("opportunities", "leads"),
        ("work_orders", "jobs"),
        ("meetings", "appointments"),
        ("gadgets", None),
    ],
)
def test_a_name_tells_the_table(entity: str, table: str | None) -> None:
    assert table_of(entity) == table


def test_the_surest_word_wins_and_a_place_fills_one_column() -> None:
    record = {
        "id": 1,
        "name": "n",
        "title": "t",
        "owner": {"id": 3, "name": "o"},
        "customer": {"id": 7},
        "amount": 5,
        "createdAt": "2026-01-01T00:00:00Z",
        "updated": 1767225600,
    }

    assert columns_from("leads", record, "id") == {
        "contact_source_id": "customer.id",
        "user_source_id": "owner.id",
        "name": "name",
        "value": "amount",
        "source_created_at": "createdAt",
    }
