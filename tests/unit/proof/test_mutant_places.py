"""Mutants that find their place no more would only be noticed by the slow proof."""

import pytest

from tests.proof.command import ROOT
from tests.proof.mutants.changes import MUTANTS, Mutant
from tests.proof.mutants.receiver import RECEIVER_MUTANTS
from tests.proof.mutants.webhooks import WEBHOOK_MUTANTS


@pytest.mark.parametrize(
    "mutant",
    [*MUTANTS, *WEBHOOK_MUTANTS, *RECEIVER_MUTANTS],
    ids=lambda mutant: mutant.guarantee,
)
def test_a_mutant_finds_its_place_and_its_tests(mutant: Mutant) -> None:
    for path, old, new in mutant.changes:
        assert (ROOT / path).read_text("utf-8").count(old) == 1, path
        assert old != new
    for test in mutant.tests:
        path, *names = test.partition("[")[0].split("::")
        text = (ROOT / path).read_text("utf-8")
        for name in names:
            assert f"def {name}(" in text or f"class {name}" in text, test
