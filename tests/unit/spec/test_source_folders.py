"""Files of one folder: what only shows when they are read together."""

from pathlib import Path

import pytest
from source_yaml import SMALL, changed, write

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import load_sources


def _folder_problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_sources(folder)
    return [line.replace(f"{folder}/", "") for line in caught.value.problems]


def test_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    write(tmp_path, changed("title: Acme CRM\n", ""), "a.yaml")
    write(tmp_path, changed("region: US", "region: us"), "b.yaml")
    write(tmp_path, SMALL, "c.yml")

    assert [line.split(":")[0] for line in _folder_problems(tmp_path)] == [
        "a.yaml",
        "b.yaml",
        "c.yml",
    ]


def test_two_files_of_one_source_are_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALL, "a.yaml")
    write(tmp_path, SMALL, "b.yaml")

    assert _folder_problems(tmp_path) == [
        "b.yaml: source: the name 'acme' is already used in a.yaml"
    ]


def test_two_sources_of_one_raw_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, changed("  people:", "  old_people:"), "a.yaml")
    write(tmp_path, changed("source: acme", "source: acme_old"), "b.yaml")

    assert _folder_problems(tmp_path) == [
        "b.yaml: entities.people: the table raw.acme_old_people already belongs to "
        "a.yaml; rename the entity or the source"
    ]


def test_a_folder_without_sources_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALL, ".hidden.yaml")

    with pytest.raises(ConfigurationError, match=r"holds no \*\.yaml file"):
        load_sources(tmp_path)


def test_a_missing_folder_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set CRM_WAREHOUSE_SOURCES to"):
        load_sources(tmp_path / "gone")
