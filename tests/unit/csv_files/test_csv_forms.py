"""Encodings, delimiters, line ends: what a file is written in is found out."""

import gzip
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
        (
            TEXT.encode("utf-16-le"),
            "utf-16-le",
            "every second byte of its headers is zero",
        ),
        (
            TEXT.encode("utf-16-be"),
            "utf-16-be",
            "every second byte of its headers is zero",
        ),
    ],
)
def test_encoding(tmp_path: Path, content: bytes, encoding: str, reason: str) -> None:
    reading = Reading(tmp_path, content)

    assert reading.file.encoding == encoding
    assert reason in reading.file.guessed[0]
    assert reading.records() == RECORDS
    assert reading.pages()[-1].checkpoint["csv"]["offset"] == len(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_headers_whatever_script_follows(
    tmp_path: Path, encoding: str
) -> None:
    name = "山田太郎" * 4
    rows = "".join(f"{n},{name}\n" for n in range(1, 100))

    reading = Reading(tmp_path, f"id,name\n{rows}".encode(encoding))

    assert reading.file.encoding == encoding
    assert reading.records()[98] == {"id": 99, "name": name}


def test_zeros_at_the_end_do_not_make_it_utf_16(tmp_path: Path) -> None:
    """As a disk leaves them that lost its power."""
    reading = Reading(tmp_path, b"id,name\n1,Ann\n" + b"\0" * 500)

    assert reading.file.encoding == "utf-8"
    assert reading.records()[0] == {"id": 1, "name": "Ann"}


def test_what_is_not_utf_8_at_the_very_end_is_found_too(tmp_path: Path) -> None:
    many = "".join(f"{n},Ann\n" for n in range(3, 30_000))

    reading = Reading(tmp_path, f"id,name\n{many}2,Zo".encode() + b"\xeb\n")

    assert reading.file.encoding == "cp1252"
    assert reading.records()[-1] == {"id": 2, "name": "Zoë"}


def test_a_broken_byte_does_not_make_all_of_it_another_encoding(
    tmp_path: Path,
) -> None:
    content = TEXT.encode() + b"3,Caf\xe9\n"

    reading = Reading(tmp_path, content)

    assert reading.file.encoding == "utf-8"
    assert reading.file.guessed == ("it is UTF-8; bytes of it that are no text: 1",)
    assert reading.records() == [*RECORDS, {"id": 3, "name": "Caf\udce9"}]
    assert reading.pages()[-1].checkpoint["csv"]["offset"] == len(content)


def test_letters_that_happen_to_be_one_do_not_make_it_utf_8(tmp_path: Path) -> None:
    content = "id,name\n1,Zoë\n2,José\n3,DÉ’OR\n".encode("cp1252")

    reading = Reading(tmp_path, content)

    assert reading.file.encoding == "cp1252"
    assert reading.records()[2] == {"id": 3, "name": "DÉ’OR"}


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["sep=|\r\n", '"SEP=|"\n'])
def test_a_first_line_may_say_the_delimiter(
    tmp_path: Path, encoding: str, line: str
) -> None:
    content = f"{line}id|a,b,c|name\n1|x|Zoë\n2|y|Bo|z\n".encode(encoding)

    reading = Reading(tmp_path, content)

    assert reading.file.delimiter == "|"
    assert reading.keys == ("id", "a,b,c", "name")
    assert reading.records()[0] == {"id": 1, "a,b,c": "x", "name": "Zoë"}
    assert reading.places() == ["line 3 of people.csv", "line 4 of people.csv"]
    assert reading.pages()[-1].checkpoint["csv"]["offset"] == len(content)


def test_line_ends_may_be_mixed_and_stay_in_cells(tmp_path: Path) -> None:
    reading = Reading(tmp_path, b'id,name\r1,"a\r\nb"\n2,"c\rd"\r\n\n3,e\r4,f')

    assert [record["name"] for record in reading.records()] == [
        "a\r\nb", "c\rd", "e", "f",
    ]  # fmt: skip
    assert reading.places() == [
        f"line {n} of people.csv" for n in (2, 4, 7, 8)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04\x14", "is a workbook or a ZIP archive; save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an old workbook; save it as CSV"),
        # Without the time: it would be in the test's name, another in each process.
        (gzip.compress(TEXT.encode(), mtime=0), "is compressed; unpack it"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    tmp_path: Path, content: bytes, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^people\.csv: {told}$"):
        Reading(tmp_path, content)


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
