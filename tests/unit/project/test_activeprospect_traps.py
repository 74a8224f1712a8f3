"""Tests that the guide to ActiveProspect names do exist."""

import ast
import re

from repository_files import ROOT

GUIDE = ROOT / "docs" / "activeprospect.md"


def test_the_tests_of_each_trap_exist() -> None:
    _, _, traps = GUIDE.read_text("utf-8").partition("## Traps\n")
    lines = [line for line in traps.splitlines() if line.startswith("| ")][1:]
    assert len(lines) == 12
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", line)
        assert named, line
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            kinds = (ast.FunctionDef, ast.ClassDef)
            assert name in {n.name for n in ast.walk(tree) if isinstance(n, kinds)}
