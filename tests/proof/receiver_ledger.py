"""A million events, and every process dies: ``python -m tests.proof.receiver_ledger``.

HubSpot sends signed deliveries of 100 events over sixteen connections, now and then of
one event each; some twice, some as another attempt, in any order, while its contacts go
on changing. Somebody without the secret sends too, and somebody who plays old ones
again. A worker, the receiver as a whole and PostgreSQL die meanwhile, and merges are
killed at random moments. In the end every acknowledged event must be in the inbox and
applied once, of the others none, and the contacts must be HubSpot's
(``ledger_check.py`` says what *once* means).
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from include.local_stack.postgres import Postgres
from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, generous_sources
from tests.proof.ledger_books import Books
from tests.proof.ledger_check import watch, wrongs
from tests.proof.ledger_merges import Merges
from tests.proof.ledger_sender import Senders, strange_answers
from tests.proof.ledger_teller import Teller
from tests.proof.receiver_deaths import BLOWS, Scene
from tests.proof.receiver_process import HUBSPOT, Receiver, started
from tests.proof.report import Report
from tests.proof.servers import fresh_warehouse, postgres_server
from tests.proof.stage import DONE

CONNECTIONS = 16
_QUIET_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        events: Told in all.
        contacts: There are at the beginning.
        step: Events that come of moves made at once.
        blows: Dealt while events are sent.
        kills: Of merges, at least.
        longest: Seconds of work after which a merge is killed at the latest.
        seed: Of all that is decided.
        stir: How many times as many deliveries as usual must change nothing.
    """

    events: int = 1_000_000
    contacts: int = 20_000
    step: int = 5_000
    blows: int = 80
    kills: int = 60
    longest: float = 8.0
    seed: int = 20261123
    stir: float = 1.0


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        books: What was told, sent and acknowledged.
        wrong: What must not be.
        merges: How often a merge ended in which way.
        blows: How many of each.
        sent_seconds: From the first delivery until all were taken.
        merged_seconds: From then until nothing waited.
    """

    books: Books = field(default_factory=Books)
    wrong: list[str] = field(default_factory=list)
    merges: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    sent_seconds: float = 0.0
    merged_seconds: float = 0.0


@dataclass(frozen=True)
class _Place:
    """Where it happens."""

    server: Postgres
    conninfo: str
    sandbox: SandboxServer
    folder: Path

    def line(self) -> CommandLine:
        """The command line, which knows whose events are ours."""
        crm = self.sandbox.crm("hubspot")
        hubspot = {
            "conn_type": "http",
            "host": crm.base_url,
            "password": crm.token,
            "extra": {"portal_id": str(PORTAL_ID), "app_id": str(APP_ID)},
        }
        sources = self.folder / "sources"
        return CommandLine(
            self.conninfo,
            self.sandbox,
            sources,
            connections={"hubspot_default": hubspot},
        )

    def receiver(self) -> Receiver:
        """Another one, as in production."""
        log = self.folder / f"{len(list(self.folder.iterdir()))}.log"
        return started(self.conninfo, HUBSPOT, log, CRM_WAREHOUSE_ENV="prod")


@contextmanager
def _place(plan: Plan) -> Iterator[_Place]:
    """A warehouse with HubSpot's contacts, on a server with fsync."""
    sizes = {"hubspot": plan.contacts, "marketsharp": 10, "activeprospect": 10}
    settings = Settings(prospects=10, sizes=sizes, quota=False)
    with (
        tempfile.TemporaryDirectory(prefix="crm-ledger-") as name,
        postgres_server() as server,
        fresh_warehouse(server) as conninfo,
        SandboxServer(settings) as sandbox,
    ):
        folder = Path(name)
        (folder / "sources").mkdir()
        generous_sources(folder / "sources")
        place = _Place(server, conninfo, sandbox, folder)
        words = ("sync", "--source", "hubspot", "--entity", "contacts")
        loaded = place.line().run(*words, "--mode", "full", timeout=600)
        assert loaded.status in DONE, loaded.errors
        watch(conninfo)
        yield place


def run(plan: Plan) -> Outcome:
    """Send, strike, merge, and look."""
    found, rng = Outcome(), random.Random(plan.seed)
    with _place(plan) as place:
        crm, books = place.sandbox.crm("hubspot"), found.books
        words = (plan.events, plan.step, random.Random(plan.seed), plan.stir)
        teller = Teller(crm, books, *words)
        scene = Scene(place.receiver, place.server)
        try:
            senders = Senders(scene.port, books, CONNECTIONS, plan.seed)
            merges = Merges(place.line(), plan.longest, rng)
            began = time.monotonic()
            with merges.merging():
                with senders.sending(teller.posts()):
                    _strike(plan, scene, senders, found)
                found.sent_seconds = time.monotonic() - began
        finally:
            scene.end()
        began = time.monotonic()
        found.wrong += merges.finish(plan.kills)
        found.merged_seconds = time.monotonic() - began
        found.merges = merges.ends
        found.wrong += strange_answers(books)
        found.wrong += wrongs(place.conninfo, books, crm, teller.began_ms)
    return found


def _strike(plan: Plan, scene: Scene, senders: Senders, found: Outcome) -> None:
    """One blow after the other, spread over all events."""
    for number, blow in zip(range(plan.blows), cycle(BLOWS), strict=False):
        due = plan.events * (number + 1) // (plan.blows + 1)
        if not found.books.wait_for(due, _QUIET_SECONDS) or senders.has_failed:
            return
        blow(scene)
        found.blows[blow.__name__] += 1


def _tell(report: Report, found: Outcome) -> None:
    books = found.books
    kinds: Counter[str] = Counter()
    for (kind, _), times in books.answers.items():
        kinds[kind] += times
    answers: Counter[str] = Counter()
    for (_, answer), times in books.answers.items():
        answers[answer] += times
    posts = kinds.total()
    figures: dict[str, object] = {
        "events told": len(books.states),
        "moves of contacts": books.moves.total(),
        "deliveries acknowledged": len(books.taken),
        "POSTs in all": posts,
        "seconds of sending": round(found.sent_seconds, 1),
        "POST/s meanwhile": round(posts / found.sent_seconds),
        "longest time without a 200, s": round(books.outage_seconds, 1),
        "seconds of merging after that": round(found.merged_seconds, 1),
        **{f"blow: {name}": n for name, n in sorted(found.blows.items())},
        **{f"merges: {name}": n for name, n in sorted(found.merges.items())},
        **{f"POSTs of {name} deliveries": n for name, n in sorted(kinds.items())},
        **{f"answers {name}": n for name, n in sorted(answers.items())},
        "load of the machine": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "sender's peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    for name, figure in figures.items():
        report.add({"what": name, "seen": figure})


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=Plan.events)
    parser.add_argument("--contacts", type=int, default=Plan.contacts)
    parser.add_argument("--blows", type=int, default=Plan.blows)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--longest", type=float, default=Plan.longest)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    plan = Plan(**vars(parser.parse_args()))
    report = Report("receiver_ledger", f"{plan.events:,} events while processes die")
    found = run(plan)
    _tell(report, found)
    report.fail(found.wrong)
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
