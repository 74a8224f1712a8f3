"""Rows that are not as they should be: each is told, the others go on."""

from pathlib import Path
from typing import Any

import pytest
from csv_reading import Reading

from crm_warehouse.clients.interface import Unreadable

HEADER = b"id,name,amount\n"


def read(folder: Path, rows: bytes) -> Reading:
    return Reading(folder, HEADER + rows)


def names(reading: Reading) -> list[Any]:
    """Ids of records, and reasons of what is none, in the order of lines."""
    return [
        each.error_type if isinstance(each, Unreadable) else each["id"]
        for each in reading.records()
    ]


def test_a_short_row_says_nothing_of_what_it_lacks(tmp_path: Path) -> None:
    assert read(tmp_path, b"1\n2,Bo\n").records() == [
        {"id": 1},
        {"id": 2, "name": "Bo"},
    ]


@pytest.mark.parametrize("rest", ["12", "1234,A", '1234,"A'])
def test_a_line_in_which_the_file_breaks_off_is_set_aside(
    tmp_path: Path, rest: str
) -> None:
    reading = read(tmp_path, f"1,Ann,5\n{rest}".encode())

    [good, bad] = reading.records()
    assert good == {"id": 1, "name": "Ann", "amount": 5}
    assert isinstance(bad, Unreadable)
    assert bad.error_type == ("broken_quote" if '"' in rest else "cut_short")
    assert reading.places()[1] == "line 3 of people.csv"


def test_a_whole_last_line_needs_no_end(tmp_path: Path) -> None:
    assert read(tmp_path, b"1,Ann,5").records() == [
        {"id": 1, "name": "Ann", "amount": 5}
    ]


def test_a_line_of_blanks_is_no_row(tmp_path: Path) -> None:
    reading = read(tmp_path, b" , ,\n1,Ann,5\n \n\t,,\n\x1a")

    assert reading.records() == [{"id": 1, "name": "Ann", "amount": 5}]


def test_an_empty_cell_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, b"1,,\n").records() == [
        {"id": 1, "name": None, "amount": None}
    ]


def test_a_long_row_is_set_aside_with_its_cells_and_id(tmp_path: Path) -> None:
    reading = read(tmp_path, b"1,Bo,2,3,4\n2,Ann,5\n")

    assert reading.records()[0] == Unreadable(
        ["1", "Bo", "2", "3", "4"],
        "too_many_cells",
        "5 cells, and the header names 3",
        "1",
    )
    assert names(reading) == ["too_many_cells", 2]


def test_empty_cells_behind_the_last_column_do_not_count(tmp_path: Path) -> None:
    assert names(read(tmp_path, b"1,Bo,2,,,\n")) == [1]


def test_empty_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    reading = read(tmp_path, b"\n,,\n1,Bo,2\n\n\n2,Ann,3\n")

    assert reading.places() == ["line 4 of people.csv", "line 7 of people.csv"]


def test_quotes_hold_delimiters_line_ends_and_quotes(tmp_path: Path) -> None:
    reading = read(tmp_path, b'1,"a, ""b""\n\nc",2\n2,Ann,3\n')

    assert reading.records()[0]["name"] == 'a, "b"\n\nc'
    assert reading.places()[1] == "line 5 of people.csv"


def test_an_open_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    reading = read(tmp_path, b'1,"Bo,2\n2,Ann,3\n3,"Cy",4\n4,Di,5\n')

    assert names(reading) == ["broken_quote", 2, 3, 4]
    assert reading.records()[0].data == ["1", '"Bo', "2\n"]
    assert reading.records()[0].source_id == "1"


def test_an_open_quote_that_nothing_closes(tmp_path: Path) -> None:
    assert names(read(tmp_path, b'1,"Bo,2\n2,Ann,3\n')) == ["broken_quote", 2]


def test_a_file_that_ends_inside_quotes(tmp_path: Path) -> None:
    assert names(read(tmp_path, b'1,Bo,2\n2,"An')) == [1, "broken_quote"]


def test_parts_of_a_torn_row_are_no_rows(tmp_path: Path) -> None:
    # The note's second line looks like a row with an id of its own.
    reading = read(tmp_path, b'1,"Bo ""x" y\n77,later"\n2,Ann,3\n3,Cy\n')

    assert names(reading) == ["broken_quote", "broken_quote", 2, 3]


def test_a_quote_inside_a_cell_is_a_character(tmp_path: Path) -> None:
    reading = read(tmp_path, b'1,5" pipe,2\n2,"6" pipe,3\n')

    assert [record["name"] for record in reading.records()] == ['5" pipe', "6 pipe"]


def test_nul_stays_for_the_mapping_to_judge(tmp_path: Path) -> None:
    assert read(tmp_path, b"1,B\0o,2\n").records()[0]["name"] == "B\0o"


def test_an_id_that_is_no_number_is_set_aside(tmp_path: Path) -> None:
    reading = read(tmp_path, b"abc,Bo,2\n,Ann,3\n 7 ,Cy,4\n")

    assert names(reading) == ["invalid_id", None, 7]


def test_reading_goes_on_behind_any_page(tmp_path: Path) -> None:
    rows = b"".join(b'%d,"a\r\n\xc3\xbc",%d\r\n' % (n, n) for n in range(1, 1_800))
    reading = read(tmp_path, rows + b'9000,"x\r\n9001,y\r\n')
    pages = reading.pages()

    assert [len(page.records) for page in pages] == [500, 500, 500, 301]
    for at, page in enumerate(pages[:-1]):
        assert reading.pages(page.checkpoint) == pages[at + 1 :]
    assert reading.pages(pages[-1].checkpoint)[0].records == []


def test_a_torn_row_stays_torn_across_pages(tmp_path: Path) -> None:
    rows = b"".join(b"%d,a,1\n" % n for n in range(1, 500))
    reading = read(tmp_path, rows + b'500,"x\n501,y\n')
    first, second = reading.pages()

    assert first.checkpoint["csv"]["torn"] is True
    assert reading.pages(first.checkpoint) == [second]
    assert second.records[0].error_type == "broken_quote"
