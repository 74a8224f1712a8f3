"""How much loads of 100,000 records cost: ``python -m tests.proof.scale``.

Every figure is of a whole process, its start included, against a sandbox CRM on the
same machine, with quotas that nothing reaches and PostgreSQL's fsync on. Beside the
syncs stands the least that any loader must do: read the same pages and COPY their
records into one table without an index. Compare ratios, not machines.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import ROOT, CommandLine, generous_sources
from tests.proof.oracle import compare
from tests.proof.servers import fresh_warehouse, postgres_server

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What one command took.

    Attributes:
        client: CPU seconds of the command.
        server: CPU seconds of PostgreSQL, all its processes.
        wall: Seconds.
        memory: Largest resident set of the command, MB.
    """

    client: float
    server: float
    wall: float
    memory: float

    @property
    def cpu(self) -> float:
        """CPU seconds of both."""
        return self.client + self.server


def measure(server: Postgres, command: list[str], env: dict[str, str]) -> Cost:
    """Run a command to its good end and count what it and PostgreSQL used."""
    before, began = server_cpu(server), time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    status_file = Path(f"/proc/{process.pid}/status")
    memory = 0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        # Not the usage's maximum: that begins with what this process holds.
        memory = max(memory, _high_water(status_file))
        time.sleep(0.02)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    wall = time.monotonic() - began
    return Cost(
        usage.ru_utime + usage.ru_stime,
        server_cpu(server) - before,
        wall,
        memory / 1024,
    )


def _high_water(status: Path) -> int:
    """Largest resident set so far, kB; 0 once the process has ended."""
    try:
        lines = status.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(x.split()[1]) for x in lines if x.startswith("VmHWM")), 0)


def server_cpu(server: Postgres) -> float:
    """CPU seconds of the postmaster, its children, and those that have ended."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        own = stat.parent.name == str(server.pid)
        if own or words[1] == str(server.pid):
            total += int(words[11]) + int(words[12])
        if own:
            total += int(words[13]) + int(words[14])
    return total / _TICKS


def cpu_of(pid: int) -> float:
    """CPU seconds of one process, all its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


@dataclass(frozen=True)
class Case:
    """What is loaded.

    Attributes:
        system: The CRM.
        entity: Its entity with the most people.
        page: Records of a page.
    """

    system: str
    entity: str
    page: int

    @property
    def size(self) -> str:
        """The records, in words."""
        return f"{self.system} {self.entity}"


CASES = {
    case.system: case
    for case in (
        Case("genius", "prospects", 100),
        Case("hubspot", "contacts", 100),
        Case("marketsharp", "contacts", 50),
    )
}


def pages(case: Case, url: str, token: str, records: int) -> Iterator[list[Any]]:
    """The least that reading takes: pages over HTTP, parsed."""
    import orjson
    import requests
    from lxml import etree

    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    session.headers["X-API-Key"] = token
    wanted = "firstname,lastname,email,phone,address,city,state,zip,hs_lead_status"
    after = None
    for page in range(1, records // case.page + 1):
        if case.system == "hubspot":
            where = {"limit": case.page, "after": after, "properties": wanted}
            answer = session.get(
                f"{url}/crm/v3/objects/contacts", params=where, timeout=60
            )
            listed = orjson.loads(answer.content)
            after = listed.get("paging", {}).get("next", {}).get("after")
            yield listed["results"]
            continue
        where = {"page": page, "per_page": case.page}
        answer = session.get(f"{url}/{case.entity}", params=where, timeout=60)
        if case.system == "marketsharp":
            root = etree.fromstring(answer.content)
            yield [{each.tag: each.text for each in record} for record in root]
        else:
            yield orjson.loads(answer.content)["data"]


def bare(case: Case, conninfo: str, url: str, token: str, records: int) -> None:
    """The least a loader must do: read, and COPY into one table without an index."""
    import orjson

    with psycopg.connect(conninfo) as conn:
        conn.execute("CREATE TABLE bare (payload text)")
        with conn.cursor().copy("COPY bare FROM STDIN") as copy:
            for page in pages(case, url, token, records):
                for record in page:
                    copy.write_row([orjson.dumps(record).decode()])


def run(case: Case, records: int, repetitions: int) -> None:
    """Measure and print a table."""
    small = Settings(prospects=1, sizes={case.system: records}, quota=False)
    settings = replace(small, prospects=records) if case.system == "genius" else small
    with (
        postgres_server() as server,
        SandboxServer(settings) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        sources = generous_sources(Path(folder))
        costs = []
        for _ in range(repetitions):
            with fresh_warehouse(server) as conninfo:
                line = CommandLine(conninfo, sandbox, sources)
                costs.append(_round(case, server, line, records))
    _print(case, costs, records)


def _round(
    case: Case, server: Postgres, line: CommandLine, records: int
) -> dict[str, Cost]:
    crm = line.sandbox.crm(case.system)
    python = [sys.executable, "-m"]
    sync = [*python, "crm_warehouse", "sync", "--source", case.system]
    sync += ["--entity", case.entity, "--mode"]
    own = ["--system", case.system, "--records", str(records), "--bare", crm.base_url]
    env = {
        **line.environment(),
        "BARE_CONNINFO": line.conninfo,
        "BARE_TOKEN": crm.token,
    }

    def cost(command: list[str]) -> Cost:
        return measure(server, command, env)

    costs = {
        "bare: read and COPY": cost([*python, "tests.proof.scale", *own]),
        "full, all new": cost([*sync, "full"]),
        "full, nothing changed": cost([*sync, "full"]),
        "replay": cost([*sync, "replay"]),
    }
    crm.move(case.entity, "change", 1000)
    costs["incremental, 1,000 changed"] = cost([*sync, "incremental"])
    if compare(line.conninfo, crm, case.entity):
        raise SystemExit("the warehouse differs from the source")
    return costs


def _print(case: Case, rounds: list[dict[str, Cost]], records: int) -> None:
    def middle(name: str, of: Callable[[Cost], float]) -> float:
        return median(of(costs[name]) for costs in rounds)

    base = middle("bare: read and COPY", lambda c: c.cpu)
    print(
        f"\n{records:,} {case.size}; medians of {len(rounds)}; warehouse equals truth\n"
    )
    print("| case | client CPU s | PostgreSQL CPU s | wall s | peak MB | CPU : bare |")
    print("|---|---|---|---|---|---|")
    for name in rounds[0]:
        print(
            f"| {name} | {middle(name, lambda c: c.client):.2f}"
            f" | {middle(name, lambda c: c.server):.2f}"
            f" | {middle(name, lambda c: c.wall):.2f}"
            f" | {middle(name, lambda c: c.memory):.0f}"
            f" | {middle(name, lambda c: c.cpu) / base:.2f} |"
        )
    load = os.getloadavg()[0]
    print(f"\nLoad of the machine at the end: {load:.1f}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--system", choices=CASES, help="default: all, one by one")
    parser.add_argument("--bare", metavar="URL", help=argparse.SUPPRESS)
    words = parser.parse_args()
    cases = [CASES[words.system]] if words.system else list(CASES.values())
    if words.bare:
        target, token = os.environ["BARE_CONNINFO"], os.environ["BARE_TOKEN"]
        bare(cases[0], target, words.bare, token, words.records)
        return
    for case in cases:
        run(case, words.records, words.repetitions)


if __name__ == "__main__":
    main()
