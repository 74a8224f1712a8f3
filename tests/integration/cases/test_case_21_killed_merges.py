"""Case 21: merges of webhooks are killed at each statement that commits."""

import pytest

from tests.proof.boundaries import enumerate_cases, undisturbed
from tests.proof.stage import KINDS, Stage

pytestmark = pytest.mark.proof


@pytest.mark.parametrize("name", ["webhooks", "deliveries"])
def test_a_merge_killed_at_every_commit_ends_as_if_undisturbed(
    stage: Stage, name: str
) -> None:
    kind = next(each for each in KINDS if each.name == name)
    plain = undisturbed(stage, kind)

    struck = list(enumerate_cases(stage, plain, ["process"]))

    assert len(struck) == 2 * len(plain.commits)
    assert [case for case in struck if case.wrong] == []
