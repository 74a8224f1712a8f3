"""Every trap of HubSpot's has its line in the guide, and the tests it names exist."""

import ast
import re

import pytest
from repository_files import ROOT

GUIDE = ROOT / "docs" / "hubspot-traps.md"
TRAPS = range(1, 53)


def _lines() -> dict[int, list[str]]:
    """Cells of each line by the trap's number."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len({number for number, _ in rows})
    return {int(number): cells.split(" | ") for number, cells in rows}


def test_every_trap_has_its_line() -> None:
    assert sorted(_lines()) == [*TRAPS]
    assert {len(cells) for cells in _lines().values()} == {3}


@pytest.mark.parametrize("trap", TRAPS)
def test_the_tests_of_a_trap_exist(trap: int) -> None:
    _, done, tests = map(str.strip, _lines()[trap])
    assert done != "-"
    named = re.findall(r"`(tests/[\w/]+\.py)::(?:(Test\w+)::)?(\w+)`", tests)
    assert named
    assert len(named) == tests.count("`") // 2, "a name of another form"
    for path, holder, test in named:
        assert test in _functions(path, holder), f"{path}::{test}"


def _functions(path: str, holder: str) -> set[str]:
    """Names of a module's functions, or of those of one of its classes."""
    tree: ast.AST = ast.parse((ROOT / path).read_text("utf-8"))
    if holder:
        classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
        tree = next(each for each in classes if each.name == holder)
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
