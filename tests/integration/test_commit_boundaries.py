"""A load is killed at each of its commits, on both sides; the proof can fail, too."""

from tests.proof.boundaries import Struck, Undisturbed, enumerate_cases, strike
from tests.proof.boundaries import undisturbed as run_undisturbed
from tests.proof.stage import FULL, KINDS, Stage

INCREMENTAL = next(kind for kind in KINDS if kind.name == "incremental")


def test_killed_at_every_commit_ends_as_if_undisturbed(stage: Stage) -> None:
    plain = run_undisturbed(stage, INCREMENTAL)
    chunks = plain.books.jobs[0]["chunks"]

    struck = list(enumerate_cases(stage, plain, ["process"]))

    assert chunks >= 2
    # The job's begin, its chunks and its end; and what is written between them.
    assert len([what for what in plain.commits if "COMMIT" in what]) >= chunks + 2
    assert len(struck) == 2 * len(plain.commits)
    assert [case for case in struck if case.wrong] == []


def test_a_checkpoint_before_its_rows_is_caught(stage: Stage) -> None:
    struck = _first_wrong(stage, "checkpoint_first")

    assert any("requests more than undisturbed" in wrong for wrong in struck.wrong)


def test_a_record_that_is_counted_twice_is_caught(stage: Stage) -> None:
    struck = _first_wrong(stage, "forgetful")

    assert any(wrong.startswith("counters") for wrong in struck.wrong)


def _first_wrong(stage: Stage, mutant: str) -> Struck:
    """The first kill behind a commit that a broken product does not bear."""
    stage.module = f"tests.proof.mutants.{mutant}"
    plain = run_undisturbed(stage, FULL)
    return next(
        struck
        for number in _transactions(plain)
        if (struck := strike(stage, plain, number, "after", "process")).wrong
    )


def _transactions(plain: Undisturbed) -> list[int]:
    """Numbers of the transactions behind the one that begins the job."""
    commits = enumerate(plain.commits, start=1)
    return [number for number, what in commits if "COMMIT" in what][1:]
