"""What the comparison claims of us stands on tests; what of others, on a source."""

import re

import pytest
from repository_files import ROOT

GUIDE = ROOT / "docs" / "comparison.md"
_TRAP = re.compile(r"\btraps? ([\d, ]+\d|\d)")


def _lines() -> list[list[str]]:
    """Cells of each line of the tables, the heads left out."""
    rows = re.findall(r"^\| (?!\|)(.+) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


LINES = _lines()


def test_the_tables_are_read() -> None:
    assert len(LINES) >= 20
    assert {len(line) for line in LINES} == {7}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_what_is_claimed_here_is_tested(line: list[str]) -> None:
    traps = ", ".join(_TRAP.findall(line[1])).split(", ")
    numbers = [int(each) for each in traps if each]
    paths = re.findall(r"`(tests/[\w/]+\.py)`", line[1])
    assert numbers or paths
    assert all(1 <= number <= 41 for number in numbers)
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_what_is_said_of_others_names_its_source(line: list[str]) -> None:
    assert re.fullmatch(r"[AEDSF]#\d+(, [AEDSF]#\d+)*", line[6])
