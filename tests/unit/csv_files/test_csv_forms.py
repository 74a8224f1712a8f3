"""Encodings, delimiters, line ends: what a file is written in is found out."""

from dataclasses import replace
from pathlib import Path

import pytest
from csv_reading import PEOPLE, Reading

from crm_warehouse.errors import ConfigurationError

TEXT = "Person ID,Full Name\r\n1,José Ünal\r\n2,Zoë\r\n"
RECORDS = [{"id": 1, "name": "José Ünal"}, {"id": 2, "name": "Zoë"}]


@pytest.mark.parametrize(
    ("content", "encoding", "reason"),
    [
        (TEXT.encode(), "utf-8", "all of it is valid UTF-8"),
        (TEXT.encode("utf-8-sig"), "utf-8", "its byte order mark says so"),
        (TEXT.encode("cp1252"), "cp1252", "Windows-1252 is assumed"),
        (
            b"\xff\xfe" + TEXT.encode("utf-16-le"),
            "utf-16-le",
            "its byte order mark says so",
        ),
        (
            b"\xfe\xff" + TEXT.encode("utf-16-be"),
            "utf-16-be",
            "its byte order mark says so",
        ),
        (TEXT.encode("utf-16-le"), "utf-16-le", "every second byte is zero"),
        (TEXT.encode("utf-16-be"), "utf-16-be", "every second byte is zero"),
    ],
)
def test_encoding(tmp_path: Path, content: bytes, encoding: str, reason: str) -> None:
    reading = Reading(tmp_path, content)

    assert reading.file.encoding == encoding
    assert reason in reading.file.guessed[0]
    assert reading.records() == RECORDS
    assert reading.pages()[-1].checkpoint["csv"]["offset"] == len(content)


def test_what_is_not_utf_8_at_the_very_end_is_found_too(tmp_path: Path) -> None:
    many = "".join(f"{n},Ann\n" for n in range(3, 30_000))

    reading = Reading(tmp_path, f"id,name\n{many}2,Zo".encode() + b"\xeb\n")

    assert reading.file.encoding == "cp1252"
    assert reading.records()[-1] == {"id": 2, "name": "Zoë"}


def test_a_character_cut_short_at_the_end_does_not_make_it_another(
    tmp_path: Path,
) -> None:
    reading = Reading(tmp_path, "id,name\n1,Zoë".encode()[:-1])

    assert reading.file.encoding == "utf-8"
    assert reading.records() == [{"id": 1, "name": "Zo\udcc3"}]


def test_the_source_file_may_say_the_encoding(tmp_path: Path) -> None:
    way = replace(PEOPLE, encoding="mac-roman")

    reading = Reading(tmp_path, "id,name\n1,Zoë\n".encode("mac-roman"), way)

    assert reading.records() == [{"id": 1, "name": "Zoë"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter(tmp_path: Path, delimiter: str) -> None:
    text = TEXT.replace(",", delimiter).replace("José", '"Jos,;|é"')

    reading = Reading(tmp_path, text.encode())

    assert reading.file.delimiter == delimiter
    assert reading.records()[0] == {"id": 1, "name": "Jos,;|é Ünal"}


def test_headers_decide_where_several_delimiters_are_possible(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"a|b|c|d|e;id;name\nx|x|x|x|x;1;Ann\n")

    assert reading.file.delimiter == ";"


def test_the_source_file_may_say_the_delimiter(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id|a,b\n1|x\n", replace(PEOPLE, delimiter="|"))

    assert reading.records() == [{"id": 1, "a,b": "x"}]


def test_line_ends_may_be_mixed_and_stay_in_cells(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b'id,name\r1,"a\r\nb"\n2,"c\rd"\r\n\n3,e\r4,f')

    assert [record["name"] for record in reading.records()] == [
        "a\r\nb", "c\rd", "e", "f",
    ]  # fmt: skip
    assert reading.places() == [
        f"line {n} of people.csv" for n in (2, 4, 7, 8)
    ]  # fmt: skip


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"people\.csv: is empty"):
        Reading(tmp_path, b"")


def test_a_header_alone_is_no_record_and_one_page(tmp_path: Path) -> None:
    [page] = Reading(tmp_path, b"id,name\n").pages()

    assert page.records == []
    assert page.checkpoint == {"csv": {"offset": 8, "line": 2, "torn": False}}


def test_the_same_content_has_the_same_hash_under_any_name(tmp_path: Path) -> None:
    one = Reading(tmp_path, b"id\n1\n").file
    (tmp_path / "other").mkdir()

    assert Reading(tmp_path / "other", b"id\n1\n").file.sha256 == one.sha256
    assert Reading(tmp_path, b"id\n2\n").file.sha256 != one.sha256


def test_what_a_file_says_was_true_when_it_was_written(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b"id\n1\n")
    written = reading.file.modified_at

    assert Reading.pages(reading)[0].observed_at <= written


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    from crm_warehouse.csv_files.file import look_at

    with pytest.raises(ConfigurationError, match="No such file"):
        look_at(tmp_path / "nobody.csv", PEOPLE)
