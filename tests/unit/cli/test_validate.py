"""``validate`` names every problem of every file, once."""

import base64
from pathlib import Path

import pytest
from cli_call import Call

from crm_warehouse.connections import Connection
from crm_warehouse.sealing import seal_connections
from crm_warehouse.source_files import default_directory

GENIUS = (default_directory() / "genius.yaml").read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of source files, with a good one."""
    made = tmp_path / "sources"
    made.mkdir()
    (made / "genius.yaml").write_text(GENIUS, "utf-8")
    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(made))
    return made


def test_good_files(call: Call, folder: Path) -> None:
    status, out, err = call("validate")

    assert (status, err) == (0, "")
    assert "tables: not compared" in out
    assert out.endswith("valid: genius (5 entities)\n")


def test_one_line_for_each_problem_of_all_files(call: Call, folder: Path) -> None:
    broken = GENIUS.replace("source: genius", "source: other", 1)
    broken = broken.replace("into: contacts", "into: kontacts")
    broken = broken.replace("timeout: 30s", "timeout: soon")
    (folder / "other.yaml").write_text(broken, "utf-8")
    (folder / "third.yaml").write_text("source: [", "utf-8")

    status, out, _ = call("validate")

    assert status == 2
    lines = [line for line in out.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(out.splitlines()) == 3
    assert all("other.yaml:" in line or "third.yaml:" in line for line in lines)
    assert "kontacts" in out
    assert "timeout" in out
    assert "valid: " not in out


def test_only_the_files_named(call: Call, folder: Path) -> None:
    (folder / "other.yaml").write_text("source: [", "utf-8")

    assert call("validate", str(folder / "genius.yaml")).status == 0
    assert call("validate", str(folder / "other.yaml")).status == 2
    assert call("validate").status == 2


def test_a_warning_leaves_the_status_at_0(call: Call, folder: Path) -> None:
    text = GENIUS.replace("requests: 1000, per: 1h", "requests: 2, per: 1h")
    (folder / "genius.yaml").write_text(text, "utf-8")

    status, out, _ = call("validate")

    assert status == 0
    assert "warning: genius: " in out
    assert "quota 'hourly' allows 2" in out


def test_another_sources_mistake_stops_no_sync(call: Call, folder: Path) -> None:
    (folder / "other.yaml").write_text("source: [", "utf-8")

    _, _, err = call("sync", "--source", "genius", "--entity", "prospects")

    assert "AIRFLOW_CONN_CRM_WAREHOUSE" in err
    assert "other.yaml" not in err


def test_schema_is_the_one_beside_the_files(call: Call) -> None:
    status, out, _ = call("validate", "--schema")

    assert status == 0
    assert out == (default_directory() / "source.schema.json").read_text("utf-8")


def test_a_warehouse_out_of_reach_is_a_problem(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "postgres://crm_warehouse:hush-hush@127.0.0.1:1/warehouse"
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", uri)

    status, out, err = call("validate")

    assert status == 2
    assert "tables: not compared: see the error" in out
    assert "error: cannot reach the warehouse: " in out
    assert "hush-hush" not in out + err


def test_an_unreadable_connection_is_a_problem(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", "{hush-hush")

    status, out, _ = call("validate")

    assert status == 2
    assert "tables: not compared: see the error" in out
    assert "error: AIRFLOW_CONN_CRM_WAREHOUSE: " in out
    assert "hush-hush" not in out


@pytest.mark.parametrize("has_key", [True, False])
def test_a_sealed_file_that_tells_no_warehouse(
    call: Call,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_key: bool,
) -> None:
    path = tmp_path / "some.sealed"
    monkeypatch.setenv("CRM_WAREHOUSE_CONNECTIONS", str(path))
    monkeypatch.setenv(
        "CRM_WAREHOUSE_SEALING_KEY", base64.b64encode(bytes(32)).decode()
    )
    seal_connections([Connection("genius_default", password="hush")], path)
    how = "or define it in Airflow"
    if not has_key:
        monkeypatch.delenv("CRM_WAREHOUSE_SEALING_KEY")
        how = f"or CRM_WAREHOUSE_SEALING_KEY to open {path}"

    status, out, err = call("validate")

    assert (status, err) == (0, "")
    assert out.startswith(
        "tables: not compared, because connection 'crm_warehouse' is not known: set "
        f"AIRFLOW_CONN_CRM_WAREHOUSE (URI or JSON), {how}"
    )
    assert "compared with" not in out


def test_an_unknown_client_is_a_problem(call: Call, folder: Path) -> None:
    text = GENIUS.replace("client: genius", "client: genuis")
    (folder / "genius.yaml").write_text(text, "utf-8")

    assert call("validate") == (
        2,
        "error: source genius: client 'genuis' is unknown (did you mean genius?); "
        "known are activeprospect, genius, hubspot, leadconduit, marketsharp, "
        "marketsharp_odata, rest\n",
        "",
    )


def test_known_keys_of_what_nobody_describes(call: Call, folder: Path) -> None:
    status, out, _ = call("validate")
    lines = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert status == 0
    assert len(lines) == 2
    assert lines[0].endswith(
        "genius.yaml:32:7: entities.prospects.known_keys.hubspot.contacts: no source"
        " 'hubspot' is described here; known: genius; what is linked by it dangles"
    )

    wrong = GENIUS.replace("hubspot.contacts:", "genius.prospect:")
    (folder / "genius.yaml").write_text(wrong, "utf-8")
    for words in ((), (str(folder / "genius.yaml"),)):
        status, out, _ = call("validate", *words)
        (error,) = [line for line in out.splitlines() if line.startswith("error: ")]
        assert status == 2
        assert error.endswith(
            "genius.yaml:32:7: entities.prospects.known_keys.genius.prospect: genius"
            " has no entity 'prospect'; did you mean 'prospects'?"
        )
        assert ("no source 'marketsharp'" in out) is not bool(words)


def test_known_keys_of_profiles(call: Call, folder: Path) -> None:
    profile = """
profiles:
  real:
    entities:
      prospects: {known_keys: {genius.crews: crew, genius.teams: team}}
      crews: {into: users, path: /crews, records: data, id: id, map: {name: name}}
"""
    (folder / "genius.yaml").write_text(GENIUS + profile, "utf-8")

    status, out, _ = call("validate")

    (error,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert status == 2
    assert "profiles.real.entities.prospects.known_keys.genius.teams: genius" in error
