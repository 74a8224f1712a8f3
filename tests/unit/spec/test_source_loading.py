"""Right files: what they become."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_yaml import SMALL, changed, write

from crm_warehouse.source_files import (
    as_json,
    default_directory,
    load_source,
    load_sources,
)
from crm_warehouse.source_files.paths import format_path, parse_path
from crm_warehouse.spec import Deletes, FieldMap, Paging, Quota, Retry

GENIUS = Path(__file__).parents[3] / "include" / "sources" / "genius.yaml"


def test_genius_is_what_its_file_says() -> None:
    source = load_source(GENIUS)

    assert source.name == "genius"
    assert source.base_url == "https://api.genius.com/v1"
    assert source.quotas == (Quota("hourly", 1000, 3600.0),)
    assert source.retry == Retry((1.0, 2.0, 4.0, 8.0))
    assert source.paging == Paging("number", "page", "per_page", 100, 100)
    assert source.overlap == timedelta(minutes=2)
    assert list(source.entities) == [
        "prospects",
        "appointments",
        "users",
        "divisions",
        "marketing_sources",
    ]
    assert source.entity("contacts") is source.entities["prospects"]


def test_merged_keys_fill_what_an_entity_does_not_say() -> None:
    divisions = load_source(GENIUS).entities["divisions"]

    assert (divisions.into, divisions.path) == ("divisions", "/divisions")
    assert (divisions.records_path, divisions.since_param) == (
        ("data",),
        "modified_since",
    )
    assert "email" not in [field.target for field in divisions.fields]


def test_defaults_of_what_a_file_leaves_out(tmp_path: Path) -> None:
    source = load_source(write(tmp_path))
    people = source.entities["people"]

    assert source.timeout_seconds == 30.0
    assert source.lag == timedelta(0)
    assert source.retry == Retry((30.0, 30.0))
    assert people.aliases == ()
    assert people.version_path is people.since_param is None
    assert people.schedule is people.full_schedule is None
    assert people.deletes == Deletes(confirm_path=None, max_share=0.2)


def test_the_three_forms_of_a_mapped_column(tmp_path: Path) -> None:
    text = changed(
        "      email: email",
        "      email: properties.email\n"
        "      phone: [mobile, 'associations.contacts.results[0].phone']\n"
        "      zip: {from: [zip, postal code], on_error: keep}\n"
        "      city: {from: city}\n",
    )

    assert load_source(write(tmp_path, text)).entities["people"].fields == (
        FieldMap("email", (("properties", "email"),)),
        FieldMap(
            "phone", (("mobile",), ("associations", "contacts", "results", 0, "phone"))
        ),
        FieldMap("zip", (("zip",), ("postal code",)), "keep"),
        FieldMap("city", (("city",),)),
    )


def test_the_rest_goes_to_a_json_column() -> None:
    fields = load_source(GENIUS).entities["users"].fields

    assert FieldMap("attributes", (("$rest",),)) in fields


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("1.5m", 90),
        ("15m", 900),
        ("1h", 3600),
        ("2d", 172800),
    ],
)
def test_durations(tmp_path: Path, text: str, seconds: float) -> None:
    path = write(tmp_path, changed("lag: 0s", f"lag: 0s\ntimeout: {text}"))

    assert load_source(path).timeout_seconds == seconds


@pytest.mark.parametrize("word", ["NO", "ON", "no", "off", "yes", "08", "1:30", "1e3"])
def test_words_that_yaml_mistakes_for_values_stay_text(
    tmp_path: Path, word: str
) -> None:
    assert load_source(write(tmp_path, changed("Acme CRM", word))).title == word


def test_norway_is_a_region(tmp_path: Path) -> None:
    path = write(tmp_path, changed("region: US", "region: NO"))

    assert load_source(path).region == "NO"


def test_dates_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path, changed("Acme CRM", "2024-01-01"))

    assert load_source(path).title == "2024-01-01"


def test_own_keys_win_over_merged_ones_and_the_first_parent_over_the_second(
    tmp_path: Path,
) -> None:
    text = changed(
        "  visits:\n    into: appointments",
        "  a: &a\n    into: users\n    path: /a\n    records: a\n    id: id\n"
        "    since_param: s\n    map: &m {name: name}\n"
        "  b: &b\n    <<: *a\n    records: b\n    version: v\n"
        "  c:\n    <<: [*b, *a]\n    path: /c\n"
        "  visits:\n    into: appointments",
    )

    entity = load_source(write(tmp_path, text)).entities["c"]

    assert (entity.path, entity.records_path) == ("/c", ("b",))
    assert (entity.version_path, entity.since_param) == (("v",), "s")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())

    assert load_source(path).name == "acme"


def test_plain_http_to_this_machine_in_development(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_WAREHOUSE_ENV", "dev")
    path = write(tmp_path, changed("https://api.acme.example", "http://127.0.0.1:8999"))

    assert load_source(path).base_url == "http://127.0.0.1:8999/v1"


def test_sources_of_a_folder_are_sorted_by_name(tmp_path: Path) -> None:
    write(tmp_path, changed("source: acme", "source: zeta"), "1.yaml")
    write(tmp_path, SMALL, "2.yaml")
    write(tmp_path, "no source", "notes.txt")

    assert list(load_sources(tmp_path)) == ["acme", "zeta"]


def test_the_folder_is_the_repositorys_unless_the_variable_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRM_WAREHOUSE_SOURCES", raising=False)
    assert default_directory() == GENIUS.parent

    monkeypatch.setenv("CRM_WAREHOUSE_SOURCES", str(tmp_path))
    assert default_directory() == tmp_path


def test_every_source_of_the_repository_loads() -> None:
    assert "genius" in load_sources(GENIUS.parent)


def test_the_stored_definition_is_stable_json() -> None:
    source = load_source(GENIUS)
    users = source.entities["users"]

    definition = as_json(source, users)

    text = json.dumps(definition)
    assert text == json.dumps(definition, sort_keys=True)
    assert definition["source"]["retry"] == {"delays": [1.0, 2.0, 4.0, 8.0]}
    assert definition["source"]["lag"] == 60.0
    assert "entities" not in definition["source"]
    assert definition["entity"]["records_path"] == "data"
    assert definition["entity"]["aliases"] == []
    assert definition["entity"]["fields"][0] == {
        "join": None,
        "on_error": None,
        "skip_empty": False,
        "paths": ["name", "full_name"],
        "target": "name",
    }


_KEYS = st.from_regex(r"[a-z_@][a-zA-Z0-9_ -]{0,8}", fullmatch=True)
_PATHS = st.builds(
    lambda first, rest: (first, *rest),
    _KEYS,
    st.lists(_KEYS | st.integers(0, 99), max_size=5),
)


@given(_PATHS)
def test_a_written_path_reads_back(path: tuple[str | int, ...]) -> None:
    assert parse_path(format_path(path)) == path
