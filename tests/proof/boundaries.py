"""Kill a load at every commit, on both sides: ``python -m tests.proof.boundaries``.

First each kind of load runs undisturbed, and its commits are numbered. Then, for every
number, for each side (before the server has the commit, after it has committed and
nobody heard of it), the load's process is killed, or PostgreSQL crashes and starts
again. The same command must then end well, with warehouse and books as if nothing had
happened.
"""

import argparse
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tests.proof import account
from tests.proof.account import Account
from tests.proof.command import CommandLine
from tests.proof.commit_proxy import CommitProxy, Side
from tests.proof.report import Report
from tests.proof.small_chunks import ONE_CHUNK_REQUESTS
from tests.proof.stage import DONE, KINDS, Kind, Stage, open_stage

Victim = Literal["process", "PostgreSQL"]
VICTIMS: tuple[Victim, ...] = ("process", "PostgreSQL")
SIDES: tuple[Side, ...] = ("before", "after")
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Undisturbed:
    """A kind of load that nothing disturbed.

    Attributes:
        kind: Which.
        state: Database where it begins.
        last_job: Highest id of a job there.
        commits: What was committed, in order.
        requests: How many its CRM got.
        books: What they say then.
    """

    kind: Kind
    state: str
    last_job: int
    commits: list[str]
    requests: int
    books: Account


@dataclass(frozen=True)
class Struck:
    """What became of a load that was struck.

    Attributes:
        commit: Number of the commit, from 1, and what it was.
        side: Side of the commit.
        victim: What died.
        again: Requests more than undisturbed; 0 where the job had ended before.
        seconds: From the retry's start to its end.
        wrong: What is not as it must be; empty: all is well.
    """

    commit: str
    side: Side
    victim: Victim
    again: int
    seconds: float
    wrong: list[str]


def undisturbed(stage: Stage, kind: Kind) -> Undisturbed:
    """Prepare a kind, and run it once from the state where every case begins."""
    state = stage.copy()
    kind.prepare(stage, stage.conninfo(state))
    last = account.last_job(stage.conninfo(state))
    target = stage.conninfo(stage.copy(state))
    stage.proxy.watch(kind.application)
    kind.crm(stage).admin("DELETE", "/stats")
    ended = kind.run(stage, target)
    assert ended.status in DONE, ended.errors
    assert not kind.differences(stage, target), "wrong before anything was killed"
    return Undisturbed(
        kind,
        state,
        last,
        list(stage.proxy.commits),
        kind.crm(stage).stats()["requests"],
        account.read(target, last),
    )


def enumerate_cases(
    stage: Stage, plain: Undisturbed, victims: Iterable[Victim]
) -> Iterator[Struck]:
    """Strike at every commit, on both sides, each victim."""
    for victim in victims:
        for number in range(1, len(plain.commits) + 1):
            for side in SIDES:
                yield strike(stage, plain, number, side, victim)


def strike(
    stage: Stage, plain: Undisturbed, number: int, side: Side, victim: Victim
) -> Struck:
    """Run a load until it is struck at a commit, run it again, and look."""
    kind, label = plain.kind, plain.commits[number - 1]
    database = stage.copy(plain.state)
    kind.crm(stage).admin("DELETE", "/stats")
    stage.proxy.watch(kind.application, number, side)
    line = stage.line(stage.conninfo(database))
    wrong = _until_struck(stage, line, kind, victim)
    if stage.proxy.commits[number - 1 :] != [label]:
        wrong.append(f"commit {number} was {stage.proxy.commits[number - 1 :]}")
    conninfo = stage.conninfo(database)  # a server that starts again may move
    was_done = account.read(conninfo, plain.last_job).is_done
    began = time.monotonic()
    ended = line.run(*kind.words, timeout=_PATIENCE_SECONDS)
    seconds = time.monotonic() - began
    if ended.status not in DONE:
        wrong.append(f"the retry ended with status {ended.status}: {ended.errors}")
    books = account.read(conninfo, plain.last_job)
    wrong += account.problems(books, plain.books, was_done=was_done)
    wrong += kind.differences(stage, conninfo)
    again = kind.crm(stage).stats()["requests"] - plain.requests
    if was_done:
        again = 0  # the retry was a new load, which reads anew
    elif again > ONE_CHUNK_REQUESTS + kind.again:
        wrong.append(f"{again} requests more than undisturbed")
    return Struck(f"{number} {label}", side, victim, again, seconds, wrong)


def _until_struck(
    stage: Stage, line: CommandLine, kind: Kind, victim: Victim
) -> list[str]:
    """Start the load, and let the victim die at the watched place.

    Returns:
        What went wrong with it.
    """
    with line.start(*kind.words) as process:
        if not reached(stage.proxy, process):
            return [f"the place was not reached: {process.communicate()[1]}"]
        if victim == "process":
            process.kill()
            process.wait()
            stage.proxy.release()
            return []
        stage.server.crash()
        stage.proxy.release()
        try:
            process.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return ["the load did not notice that its warehouse is gone"]
        finally:
            stage.server.start()
    return []


def reached(proxy: CommitProxy, process: subprocess.Popen[str]) -> bool:
    """Wait for a process at the place where the proxy holds it; False: it ended."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not proxy.struck.wait(0.05):
        if process.poll() is not None or time.monotonic() > deadline:
            return proxy.struck.is_set()
    return True


def prove(kinds: Iterable[Kind], victims: Iterable[Victim]) -> Report:
    """All commits of these kinds, both sides, these victims."""
    report = Report("boundaries", "Struck at every commit, on both sides of it")
    with open_stage() as stage:
        for kind in kinds:
            began = time.monotonic()
            plain = undisturbed(stage, kind)
            cases = list(enumerate_cases(stage, plain, victims))
            bad = [case for case in cases if case.wrong]
            report.add(
                {
                    "load": kind.name,
                    "commits": len(plain.commits),
                    "struck": len(cases),
                    "equal to truth": len(cases) - len(bad),
                    "wrong": len(bad),
                    "requests undisturbed": plain.requests,
                    "most requests again": max(case.again for case in cases),
                    "slowest retry s": round(max(case.seconds for case in cases), 1),
                    "took s": round(time.monotonic() - began),
                }
            )
            report.fail(f"{kind.name}: {case}" for case in bad)
            stage.sweep()
    return report


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [kind.name for kind in KINDS]
    parser.add_argument("--kind", choices=names, help="default: all, one by one")
    parser.add_argument("--victim", choices=VICTIMS, help="default: each")
    words = parser.parse_args()
    kinds = [kind for kind in KINDS if words.kind in (None, kind.name)]
    victims = [victim for victim in VICTIMS if words.victim in (None, victim)]
    prove(kinds, victims).end()


if __name__ == "__main__":
    main()
