"""Mutants that find their place no more would only be noticed by the slow proof."""

import pytest

from tests.proof.command import ROOT
from tests.proof.mutants.changes import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guarantee)
def test_a_mutant_finds_its_place_and_its_tests(mutant: Mutant) -> None:
    for path, old, new in mutant.changes:
        assert (ROOT / path).read_text("utf-8").count(old) == 1, path
        assert old != new
    for test in mutant.tests:
        path, *_, name = test.partition("[")[0].split("::")
        assert f"def {name}(" in (ROOT / path).read_text("utf-8"), test
