"""Which column is which key of the record."""

from pathlib import Path

import pytest
from csv_reading import Reading

from crm_warehouse.errors import ConfigurationError


@pytest.mark.parametrize(
    "header", ["Person ID", "person_id", " PERSON-ID ", "PersonId", "person  id.", "id"]
)
def test_case_blanks_and_punctuation_do_not_count(tmp_path: Path, header: str) -> None:
    assert Reading(tmp_path, f"{header},x\n1,2\n".encode()).keys == ("id", "x")


def test_a_column_that_nobody_knows_keeps_its_own_name(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id, Roof Pitch \n1,7/12\n")

    assert reading.records() == [{"id": 1, "Roof Pitch": "7/12"}]
    assert "'Roof Pitch', is not known" in reading.notes[0]


def test_of_two_columns_for_a_key_the_first_in_the_yaml_is_taken(
    tmp_path: Path,
) -> None:
    reading = Reading(tmp_path, b"Person,id,Full Name\nshort,1,long\n")

    assert reading.records() == [{"Person": "short", "id": 1, "name": "long"}]
    assert "'Person', is another one for name; kept as 'Person'" in reading.notes[0]


def test_a_header_that_is_there_twice(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id,name,name,x,x\n1,a,b,c,d\n")

    assert reading.records() == [
        {"id": 1, "name": "a", "name (3)": "b", "x": "c", "x (5)": "d"}
    ]


def test_a_column_without_a_header_is_named_by_its_place(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id,,name\n1,a,b\n")

    assert reading.records() == [{"id": 1, "column 2": "a", "name": "b"}]
    assert "column 2 has no header" in reading.notes[0]


def test_what_the_file_does_not_have_is_told(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id,amount\n1,2\n")

    assert reading.notes == (
        "no column for name, changed: what the warehouse has there stays",
    )


def test_without_a_column_for_the_id_the_file_is_refused(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"ada@example.com,Ada\ngrace@example.com,Grace\n")

    with pytest.raises(ConfigurationError, match="known are id, Person ID") as refused:
        reading.records()
    assert "ada" not in str(refused.value).lower()  # the header may be a person
