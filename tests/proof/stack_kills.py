"""Sixty random kills over a running stack: ``python -m tests.proof.stack_kills``.

Loads of all four CRMs and the webhooks of one run through Airflow while the CRMs
change. At a random moment one process of the stack gets SIGKILL. It has recovered when

- every part of the stack is healthy again, the victim as a new process, and
- every load that was under way at the kill has gone on: its task has ended well, or
  runs in a process that lives under a living worker of a living scheduler, and its job
  has committed another chunk or, where that process is a new one, was taken over by it.

Nobody does anything for that, except when the stack's own supervisor was the victim:
then ``make up`` is run once, as its documentation tells.

After every batch the CRMs rest. Then every run, job and webhook must have ended well,
counters must add up and the warehouse must equal the truth of every entity. Only the
kills of a batch for which that held count. What was counted stays in a file, so that a
proof that was interrupted goes on where it was.
"""

import argparse
import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from include.local_stack.errors import StackError
from tests.proof.report import Report, folder
from tests.proof.stack_house import StackHouse, stack_house
from tests.proof.stack_journal import Journal, Kill
from tests.proof.stack_killer import Killer
from tests.proof.stack_processes import VICTIMS

#: Recovered within this time, or the proof has failed.
BOUND_SECONDS = 60.0
_SETTLED_SECONDS = 300.0
_BATCH = 10
_PROSPECTS = 4_000
#: Seconds of each answer, so that a load lasts long enough to be struck.
_LATENCY = 1.0


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        kills: How many must count in the end.
        seed: Decides everything that is left to chance.
        victims: Names of the processes that may be struck.
    """

    kills: int
    seed: int
    victims: Sequence[str]


def victim_of(number: int, seed: int, victims: Sequence[str]) -> str:
    """Victim of a kill: each once, in random order, then all over again."""
    deck = list(victims)
    lap, place = divmod(number - 1, len(deck))
    random.Random(f"{seed}:{lap}").shuffle(deck)
    return deck[place]


def run_batch(house: StackHouse, journal: Journal, numbers: range, plan: Plan) -> None:
    """Kill, let everything come to rest, and look whether all is right.

    Raises:
        StackError: It is not.
    """
    batch = f"kills_{secrets.token_hex(3)}"
    killer = Killer(house, random.Random(f"{plan.seed}:{numbers.start}"), batch)
    for crm in house.crms.values():
        crm.fault("latency", seconds=_LATENCY)
    for number in numbers:
        kill = killer.strike(number, victim_of(number, plan.seed, plan.victims))
        journal.write("kill", **asdict(kill))
        late = "" if kill.seconds <= BOUND_SECONDS else "  TOO LATE"
        print(
            f"{number:>3}  {kill.victim:<14} {kill.seconds:>6.1f} s   parts"
            f" {kill.parts:>5.1f}, loads {kill.loads:>5.1f}   {kill.struck} under way,"
            f" {kill.repeated} repeated{late}",
            flush=True,
        )
    jobs = _settle(house, batch)
    if faults := house.faults():
        raise StackError("\n".join(faults))
    journal.write("right", batch=batch, jobs=jobs)
    print(f"     {jobs} jobs ended well; every entity equals its truth", flush=True)


def _settle(house: StackHouse, batch: str) -> int:
    """Wait until nothing is under way; how many jobs there are then."""
    for crm in house.crms.values():
        crm.clear_faults()
    house.until(
        lambda: house.ended(f"{batch}%"), _SETTLED_SECONDS, "all runs ended", 1.0
    )
    house.until(house.webhooks_are_merged, _SETTLED_SECONDS, "webhooks merged", 1.0)
    house.run_everything(f"{batch}__end", _SETTLED_SECONDS)
    return int(house.rows("SELECT count(*) AS n FROM ops.sync_jobs")[0]["n"])


def prove(plan: Plan, journal: Journal) -> None:
    """Go on until so many kills count.

    Raises:
        StackError: A batch did not end right.
    """
    done = len(journal.kills())
    if done >= plan.kills:
        return
    if done:
        print(f"{done} kills were counted before", flush=True)
    with stack_house(_PROSPECTS) as house:
        house.listen()
        house.run_everything("kills__begin", _SETTLED_SECONDS)
        while done < plan.kills:
            numbers = range(done + 1, min(done + _BATCH, plan.kills) + 1)
            run_batch(house, journal, numbers, plan)
            done = numbers.stop - 1


def tell(kills: list[Kill], report: Report) -> None:
    """Tell the figures of each victim, and which recoveries were too late."""
    for victim, what in VICTIMS.items():
        of = [kill for kill in kills if kill.victim == victim]
        if of:
            report.add(
                {
                    "killed": what,
                    "kills": len(of),
                    "median s": round(median(kill.seconds for kill in of)),
                    "longest s": round(max(kill.seconds for kill in of)),
                    "loads under way": sum(kill.struck for kill in of),
                    "repeated": sum(kill.repeated for kill in of),
                }
            )
    report.fail(
        f"kill {kill.number} ({kill.victim}): {kill.seconds} s"
        for kill in kills
        if kill.seconds > BOUND_SECONDS
    )


def main() -> None:
    """Run or go on.

    Raises:
        SystemExit: Something was wrong.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=list(VICTIMS))
    words = parser.parse_args()
    journal = Journal(folder() / "stack_kills.jsonl")
    report = Report("stack_kills", f"{words.kills} random kills of a running stack")
    try:
        prove(Plan(words.kills, words.seed, words.victims), journal)
    except StackError as error:
        report.fail(str(error).splitlines())
    else:
        journal.close()
    tell(journal.kills(), report)
    report.end()


if __name__ == "__main__":
    main()
