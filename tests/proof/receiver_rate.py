"""How many deliveries a second: ``python -m tests.proof.receiver_rate``.

The receiver with all it checks, PostgreSQL with fsync on, posts of 1 event and of 100
over 16 and 64 connections. Beside it, turn by turn in the same minutes: the receiver
without its database, the least that can be behind the same kind of worker, with Flask
and without, the least behind an ASGI server, and pgbench inserting the same rows.
Compare ratios, not machines.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import psycopg

from include.local_stack.postgres import Postgres
from tests.proof.command import ROOT
from tests.proof.receiver_load import events
from tests.proof.receiver_process import HUBSPOT, Receiver, environment, gunicorn
from tests.proof.report import Report
from tests.proof.scale import server_cpu
from tests.proof.servers import fresh_warehouse, postgres_server

RECEIVER, BARE = "receiver", "bare Flask, same worker"
CASES = ((1, 16), (1, 64), (100, 16), (100, 64))
#: The receiver must reach this share of the bare one.
LEAST_SHARE = 0.75
#: Deliveries of a hundred events a second over 16 connections, and how long they take.
LEAST_BATCHES, MOST_SECONDS = 500, 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_INSERT = """INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
) VALUES (
    'hubspot', 'bench', gen_random_uuid()::text, 'application/json', '{{}}',
    'https://hooks.example.com/', decode(:body, 'hex'), {size}
) ON CONFLICT DO NOTHING;
"""

#: Candidate, events a POST, connections.
_Key = tuple[str, int, int]


@dataclass(frozen=True)
class Seen:
    """What a few seconds brought.

    Attributes:
        rate: Deliveries a second that were taken.
        p50: Seconds that half of them took at most.
        p99: Seconds that 99 of 100 took at most.
        own: CPU seconds of the server a delivery.
        database: The same of PostgreSQL.
        load: The same of whoever sent them.
    """

    rate: float
    p50: float
    p99: float
    own: float
    database: float
    load: float


class Candidate(Protocol):
    """Something that takes deliveries."""

    def run(self, number: int, connections: int, seconds: float) -> Seen:
        """Give it deliveries for so long."""


class Served:
    """A server that is posted to."""

    def __init__(self, receiver: Receiver, server: Postgres) -> None:
        self._receiver, self._server = receiver, server

    def run(self, number: int, connections: int, seconds: float) -> Seen:
        """Post from another process.

        Raises:
            SystemExit: Not all were taken.
        """
        own, database = self._cpu(), server_cpu(self._server)
        found = post(
            self._receiver.port, events=number, connections=connections, seconds=seconds
        )
        if found["statuses"].keys() != {"200"}:
            raise SystemExit(f"answers by status: {found['statuses']}")
        taken = found["statuses"]["200"]
        return Seen(
            rate=taken / found["seconds"],
            p50=found["p50"],
            p99=found["p99"],
            own=(self._cpu() - own) / taken,
            database=(server_cpu(self._server) - database) / taken,
            load=found["cpu"] / taken,
        )

    def _cpu(self) -> float:
        """CPU seconds of all processes of the group."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if words[2] == str(self._receiver.process.pid):
                total += int(words[11]) + int(words[12])
        return total / _TICKS


class PgBench:
    """pgbench, which inserts the rows without any HTTP."""

    def __init__(self, conninfo: str, server: Postgres, folder: Path) -> None:
        self._conninfo, self._server, self._folder = conninfo, server, folder

    def run(self, number: int, connections: int, seconds: float) -> Seen:
        """Insert over so many sessions."""
        body = events(number)
        script = self._folder / "insert.sql"
        script.write_text(_INSERT.format(size=len(body)))
        before = server_cpu(self._server)
        command = [
            *("pgbench", "-n", "-M", "prepared", "-f", str(script), "-j", "2"),
            *("-c", str(connections), "-T", str(round(seconds))),
            *("-D", f"body={zlib.compress(body, 1).hex()}", self._conninfo),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rate = float(_found(r"tps = ([\d.]+)", done.stdout))
        taken = int(_found(r"actually processed: (\d+)", done.stdout))
        return Seen(
            rate=rate,
            p50=float(_found(r"latency average = ([\d.]+)", done.stdout)) / 1000,
            p99=0.0,
            own=0.0,
            database=(server_cpu(self._server) - before) / taken,
            load=0.0,
        )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def post(port: int, **options: float) -> dict[str, Any]:
    """Post from a process of its own; what it saw."""
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.proof.receiver_load", str(port), *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _asgi(door: int) -> list[str]:
    *command, _ = gunicorn(door)
    return [*command, "-k", "asgi", "tests.proof.bare_receivers:bare_asgi"]


COMMANDS: dict[str, Callable[[int], list[str]]] = {
    RECEIVER: gunicorn,
    "receiver, no database": partial(
        gunicorn, application="tests.proof.bare_receivers:no_database()"
    ),
    BARE: partial(gunicorn, application="tests.proof.bare_receivers:bare_flask()"),
    "bare WSGI, same worker": partial(
        gunicorn, application="tests.proof.bare_receivers:bare"
    ),
    "bare ASGI": _asgi,
}


def _candidates(
    names: list[str], conninfo: str, server: Postgres, folder: Path, stack: ExitStack
) -> Iterator[tuple[str, Candidate]]:
    env = environment(conninfo, HUBSPOT) | {"PYTHONPATH": "plugins"}
    for name, command in COMMANDS.items():
        if name in names:
            log = folder / f"{name}.log"
            receiver = stack.enter_context(Receiver(env, log, command))
            receiver.wait_until_it_takes()
            yield name, Served(receiver, server)
    if "pgbench" in names and shutil.which("pgbench"):
        yield "pgbench", PgBench(conninfo, server, folder)


def measure(names: list[str], rounds: int, seconds: float) -> None:
    """Measure and compare.

    Raises:
        SystemExit: The receiver is too slow.
    """
    report = Report("receiver_rate", "Deliveries that are taken")
    seen: dict[_Key, list[Seen]] = {}
    with (
        postgres_server() as server,
        fresh_warehouse(server) as conninfo,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        found = dict(_candidates(names, conninfo, server, Path(folder), stack))
        for _ in range(rounds):
            for case in CASES:
                for name, candidate in found.items():
                    _empty(conninfo)
                    seen.setdefault((name, *case), []).append(
                        candidate.run(*case, seconds)
                    )
    middle = {key: _median(values) for key, values in seen.items()}
    for (name, number, connections), each in middle.items():
        mine = seen[name, number, connections]
        bare = seen.get((BARE, number, connections))
        report.add(
            {
                "events a POST": number,
                "connections": connections,
                "candidate": name,
                "POST/s": round(each.rate),
                "events/s": round(each.rate * number),
                "p50 ms": round(each.p50 * 1000, 1),
                "p99 ms": round(each.p99 * 1000, 1),
                "µs server": round(each.own * 1e6),
                "µs PostgreSQL": round(each.database * 1e6),
                "µs sender": round(each.load * 1e6),
                "of bare": round(_share(mine, bare), 2) if bare else "",
            }
        )
    report.fail(_too_slow(seen, middle))
    report.end()


def _median(values: list[Seen]) -> Seen:
    names = Seen.__dataclass_fields__
    return Seen(**{name: median(getattr(v, name) for v in values) for name in names})


def _share(some: list[Seen], bare: list[Seen]) -> float:
    """Rate beside the bare one's of the same moments: machines change their pace."""
    pairs = zip(some, bare, strict=True)
    return median(each.rate / beside.rate for each, beside in pairs)


def _empty(conninfo: str) -> None:
    with psycopg.connect(conninfo) as conn:
        conn.execute("TRUNCATE staging.webhook_deliveries CASCADE")


def _too_slow(seen: dict[_Key, list[Seen]], middle: dict[_Key, Seen]) -> Iterator[str]:
    for case in CASES:
        mine, bare = seen.get((RECEIVER, *case)), seen.get((BARE, *case))
        if mine and bare and (share := _share(mine, bare)) < LEAST_SHARE:
            yield f"{case}: {share:.2f} of the bare one"
    batches = middle.get((RECEIVER, 100, 16))
    if batches and (batches.rate < LEAST_BATCHES or batches.p99 > MOST_SECONDS):
        yield f"batches: {batches.rate:.0f} POST/s, p99 {batches.p99 * 1000:.0f} ms"


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    names = [*COMMANDS, "pgbench"]
    parser.add_argument("--only", choices=names, nargs="+", default=names)
    words = parser.parse_args()
    measure(words.only, words.rounds, words.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
