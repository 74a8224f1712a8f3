"""Every case of the reliability guide names tests, and these exist."""

import ast
import re

import pytest
from repository_files import ROOT

GUIDE = ROOT / "docs" / "reliability-cases.md"
CASES = (*range(1, 41), 44, 48)


def _lines() -> dict[int, str]:
    lines = re.findall(r"^\| (\d+) .*$", text := GUIDE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == len(set(lines))
    return {
        int(line[2:].split()[0]): line
        for line in text.splitlines()
        if re.match(r"\| \d+ ", line)
    }


def test_every_case_has_its_line() -> None:
    assert sorted(_lines()) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_the_tests_of_a_case_exist(case: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _lines()[case])
    assert named
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
        assert test in functions, f"{path}::{test}"


def test_every_test_of_the_cases_is_named() -> None:
    guide = GUIDE.read_text("utf-8")
    for path in sorted((ROOT / "tests/integration/cases").glob("test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        for test in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.M):
            assert f"`{name}::{test}`" in guide, test


@pytest.mark.parametrize("case", CASES)
def test_the_proofs_of_a_case_exist(case: int) -> None:
    for path in re.findall(r"`(tests/proof/\w+\.py)`", _lines()[case]):
        assert (ROOT / path).exists(), path
