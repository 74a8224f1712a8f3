"""What a webhook waited for is found in the run that merged it."""

import pytest

from tests.proof.webhook_stages import stages


def run(begin: float) -> dict[str, float]:
    """A run whose stages end one second after the other."""
    names = ("waiting", "waited", "queued", "started", "claimed")
    return {name: begin + at for at, name in enumerate(names)}


@pytest.mark.parametrize(
    ("acknowledged", "merged", "expected"),
    [
        # While its run waits: all of its stages but the first, which is over.
        (100.5, 105.0, [0, 0.5, 1, 1, 1, 1]),
        # While the run before it merges: the first is until its own run waits.
        (97.0, 104.5, [3, 1, 1, 1, 1, 0.5]),
        # Before the job of a merge looks: only what is left.
        (103.5, 104.25, [0, 0, 0, 0, 0.5, 0.25]),
        # After it, when the next run merges it.
        (105.0, 124.5, [15, 1, 1, 1, 1, 0.5]),
    ],
)
def test_a_webhook_counts_what_was_not_over_when_it_came(
    acknowledged: float, merged: float, expected: list[float]
) -> None:
    found = stages([run(90), run(100), run(120)], [(acknowledged, merged)])

    assert list(found.values()) == expected
    assert sum(found.values()) == merged - acknowledged
