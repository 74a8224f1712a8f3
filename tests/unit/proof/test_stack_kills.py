"""What the proof by kills counts; the proof itself takes half an hour."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.proof.report import Report
from tests.proof.stack_journal import Journal, Kill
from tests.proof.stack_killer import Load
from tests.proof.stack_kills import BOUND_SECONDS, tell, victim_of
from tests.proof.stack_processes import VICTIMS

KILL = Kill(1, "a", "worker", parts=2.5, loads=31.0, struck=4, repeated=1)


def test_kills_count_once_their_batch_was_found_right(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    second = replace(KILL, number=2, batch="b")
    journal.write("kill", **asdict(KILL))
    journal.write("kill", **asdict(second))

    assert journal.kills() == []

    journal.write("right", batch="b", jobs=7)
    assert journal.kills() == [second]


def test_a_line_that_a_kill_of_the_proof_cut_off_is_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).write("kill", **asdict(KILL))
    path.write_text(path.read_text() + '\n{"kind": "ki')
    Journal(path).write("right", batch="a", jobs=7)

    assert Journal(path).kills() == [KILL]


def test_every_process_is_struck_equally_often_and_no_order_repeats() -> None:
    names = list(VICTIMS)
    struck = [victim_of(number, 7, names) for number in range(1, 61)]

    assert set(Counter(struck).values()) == {60 // len(names)}
    laps = [tuple(struck[at : at + len(names)]) for at in range(0, 60, len(names))]
    assert len(set(laps)) == len(laps)
    assert struck == [victim_of(number, 7, names) for number in range(1, 61)]


def test_a_proof_that_was_done_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.write("kill", **asdict(KILL))
    journal.write("right", batch="a", jobs=7)
    assert Journal(path).kills() == [KILL]

    journal.close()

    assert journal.kills() == [KILL]
    assert Journal(path).kills() == []


def test_a_recovery_is_that_of_parts_and_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_STACK_VAR", str(tmp_path))
    report = Report("kills", "Kills")

    tell([KILL, replace(KILL, parts=BOUND_SECONDS + 0.1)], report)

    (line,) = report.lines
    assert (line["kills"], line["longest s"], line["repeated"]) == (2, 60, 2)
    assert report.wrong == ["kill 1 (worker): 60.1 s"]


STRUCK = Load("running", pid=10, job="running", chunks=3, attempt=(7, 1))


@pytest.mark.parametrize(
    ("now", "went_on"),
    [
        (replace(STRUCK, chunks=4), True),
        (STRUCK, False),
        (replace(STRUCK, task="success", job="success"), True),
        (replace(STRUCK, task="up_for_retry", chunks=4), False),
        # Repeated: what the process before committed last is no recovery.
        (replace(STRUCK, pid=11, chunks=4), False),
        (replace(STRUCK, pid=11, attempt=(7, 2)), True),
        # The orphan had ended the job; the task that comes again finds that.
        (replace(STRUCK, pid=11, job="success"), True),
    ],
)
def test_a_load_goes_on_in_a_living_process_only(now: Load, went_on: bool) -> None:
    assert now.went_on(STRUCK, living={10, 11}) is went_on


def test_an_orphan_is_no_living_process() -> None:
    # Its worker died: it goes on, but Airflow will miss it.
    assert not replace(STRUCK, chunks=4).went_on(STRUCK, living={11})
