"""SIGKILL at 500 random moments: ``python -m tests.proof.kills --kills 500``.

Loads of all kinds take turns on one warehouse. Each is killed once, or several times
in a row, at a random moment of its work, and then left to end. Every time the warehouse
must equal the source, and the jobs' counters what was done to the source. Interrupted,
the proof goes on where it was; its lines are in ``.var/proof/kills.jsonl``.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from include.sandbox.settings import Settings
from tests.proof import account
from tests.proof.report import Report, folder
from tests.proof.small_chunks import ONE_CHUNK_REQUESTS, PAGE_RECORDS
from tests.proof.stage import DONE, KINDS, Kind, Stage, delivered, open_stage

RECORDS = 2_000
CONTACTS = 1_000
#: Longest time from a retry's start to its end.
RECOVERY_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
#: How often a load is killed before it may end.
_IN_A_ROW = (1, 1, 2, 3)
_DELETED = 3


@dataclass(frozen=True)
class Expected:
    """What a load must count."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Cycle:
    """A load that was killed and then left to end.

    Attributes:
        load: Its kind.
        kills: How often it was killed.
        seconds: What the run took that was left to end.
        wrong: What is not as it must be.
    """

    load: str
    kills: int
    seconds: float
    wrong: list[str]


Meddling = Callable[[Stage, str], Expected]


def _move(
    stage: Stage, system: str, entity: str, changed: int, *, deleted: int
) -> Expected:
    crm = stage.sandbox.crm(system)
    gone = crm.move(entity, "delete", deleted) if deleted else []
    others = {*crm.move(entity, "change", changed)}
    new = crm.move(entity, "create", _DELETED)
    return Expected(len(new), len(others), len(gone))


def _before_full(stage: Stage, conninfo: str) -> Expected:
    return _move(stage, "genius", "prospects", 60, deleted=_DELETED)


def _before_incremental(stage: Stage, conninfo: str) -> Expected:
    return _move(stage, "genius", "prospects", 400, deleted=0)


def _before_replay(stage: Stage, conninfo: str) -> Expected:
    """Rows become what another mapping would have made of them."""
    with psycopg.connect(conninfo) as conn:
        done = conn.execute(
            "UPDATE warehouse.contacts SET lead_source = last_name, sync_hash = 'other'"
            " WHERE source_system = 'genius' AND NOT is_deleted AND id % 2 = 0"
        )
    return Expected(updated=done.rowcount)


def _before_webhooks(stage: Stage, conninfo: str) -> Expected:
    # Not contacts: deals change with them, without an event of their own. One deletion
    # only: more than a fifth of all within a day is what a guard stops.
    expected = _move(stage, "hubspot", "deals", 120, deleted=1)
    delivered(stage.sandbox.crm("hubspot"))
    return expected


_BY_NAME = {kind.name: kind for kind in KINDS}
LOADS: tuple[tuple[Kind, Meddling], ...] = (
    (_BY_NAME["full"], _before_full),
    (_BY_NAME["incremental"], _before_incremental),
    (_BY_NAME["replay"], _before_replay),
    (_BY_NAME["webhooks"], _before_webhooks),
)


class Killer:
    """Kills loads of one warehouse.

    Args:
        stage: Where.
        conninfo: The warehouse, loaded; HubSpot's changes are posted to its inbox.
        rng: Decides when, and how often.
    """

    def __init__(self, stage: Stage, conninfo: str, rng: random.Random) -> None:
        self._stage = stage
        self._conninfo = conninfo
        self._rng = rng
        self._usual: dict[str, float] = {}

    def cycle(self, kind: Kind, meddle: Meddling) -> Cycle:
        """Change the source, kill the load, let it end, and look."""
        stage, crm = self._stage, kind.crm(self._stage)
        expected = meddle(stage, self._conninfo)
        last = account.last_job(self._conninfo)
        crm.admin("DELETE", "/stats")
        kills = sum(self._kill(kind) for _ in range(self._rng.choice(_IN_A_ROW)))
        began = time.monotonic()
        stage.proxy.watch(kind.application)
        ended = stage.line(self._conninfo).run(*kind.words, timeout=_PATIENCE_SECONDS)
        seconds = time.monotonic() - began
        wrong = self._counted(last, expected)
        if ended.status not in DONE:
            wrong.append(f"ended with status {ended.status}: {ended.errors}")
        if seconds > RECOVERY_SECONDS:
            wrong.append(f"the retry took {seconds:.0f} s")
        wrong += self._wasted(kind, crm.stats()["requests"], last, kills)
        wrong += kind.differences(stage, self._conninfo)
        return Cycle(kind.name, kills, round(seconds, 2), wrong)

    def _kill(self, kind: Kind) -> bool:
        """Kill a load at a random moment of its work; False: it had ended by then."""
        self._stage.proxy.watch(kind.application)
        with self._stage.line(self._conninfo).start(*kind.words) as process:
            assert self._stage.proxy.began.wait(_PATIENCE_SECONDS), "it does not begin"
            wait = self._rng.uniform(0.0, self._usual.get(kind.name, 1.0))
            time.sleep(wait)  # the random moment itself
            process.kill()
            died = process.wait() == -9
            if not died:
                # It was quicker: the next moments fall into what it takes.
                self._usual[kind.name] = wait
            elif wait > self._usual.get(kind.name, 0.0) * 0.95:
                self._usual[kind.name] = wait * 1.2
        return died

    def _counted(self, last: int, expected: Expected) -> list[str]:
        """Each change is counted once, over all jobs that it took."""
        books = account.read(self._conninfo, last)
        found = Expected(
            *(
                sum(job[f"records_{name}"] for job in books.jobs)
                for name in ("created", "updated", "deleted")
            )
        )
        wrong = [] if found == expected else [f"counted {found}, done {expected}"]
        broken = [job["id"] for job in books.jobs if not account.adds_up(job)]
        return [*wrong, *(f"counters of job {each}" for each in broken)]

    def _wasted(self, kind: Kind, requests: int, last: int, kills: int) -> list[str]:
        """More requests again than a chunk's for each kill, where that can be known."""
        jobs = account.read(self._conninfo, last).jobs
        if kind.name != "full" or len(jobs) != 1:
            return []  # a load after one that had ended reads anew
        pages = math.ceil(jobs[0]["records_processed"] / PAGE_RECORDS) + _DELETED
        again = requests - pages
        most = kills * (ONE_CHUNK_REQUESTS + _DELETED)
        return [f"{again} requests again"] if again > most else []


def run(stage: Stage, kills: int, seed: int, kept: Path) -> list[Cycle]:
    """Kill until there were so many kills, those of ``kept`` counted."""
    done = read(kept)
    conninfo = stage.conninfo(stage.copy())
    stage.load(conninfo, "genius", "prospects")
    for entity in ("companies", "contacts", "deals"):
        stage.load(conninfo, "hubspot", entity)
    with stage.receiver(conninfo), kept.open("a", encoding="utf-8") as lines:
        killer = Killer(stage, conninfo, random.Random(f"{seed}/{len(done)}"))
        while (so_far := sum(cycle.kills for cycle in done)) < kills:
            cycle = killer.cycle(*LOADS[len(done) % len(LOADS)])
            done.append(cycle)
            lines.write(json.dumps(asdict(cycle)) + "\n")
            lines.flush()
            if cycle.wrong or len(done) % 25 == 0:
                print(f"{so_far + cycle.kills} kills, {cycle}", flush=True)
    return done


def read(kept: Path) -> list[Cycle]:
    """Cycles of a proof that was interrupted."""
    if not kept.exists():
        return []
    return [Cycle(**json.loads(line)) for line in kept.read_text("utf-8").splitlines()]


def report_of(cycles: list[Cycle]) -> Report:
    """Cycles by kind of load."""
    report = Report("kills", "Killed at random moments")
    for name in sorted({cycle.load for cycle in cycles}):
        own = [cycle for cycle in cycles if cycle.load == name]
        line: dict[str, Any] = {
            "load": name,
            "kills": sum(cycle.kills for cycle in own),
            "loads ended": len(own),
            "equal to truth": sum(not cycle.wrong for cycle in own),
            "median retry s": round(median(cycle.seconds for cycle in own), 2),
            "slowest retry s": max(cycle.seconds for cycle in own),
        }
        report.add(line)
        report.fail(f"{name}: {each}" for cycle in own for each in cycle.wrong)
    return report


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=20261123)
    words = parser.parse_args()
    kept = folder() / "kills.jsonl"
    sizes = {"hubspot": CONTACTS, "marketsharp": 10, "activeprospect": 10}
    settings = Settings(prospects=RECORDS, sizes=sizes, quota=False)
    with open_stage(settings) as stage:
        cycles = run(stage, words.kills, words.seed, kept)
    kept.unlink()
    report_of(cycles).end()


if __name__ == "__main__":
    main()
