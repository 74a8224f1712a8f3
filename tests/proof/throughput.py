"""Twelve loads at once: ``python -m tests.proof.throughput``.

First without quotas: 100,000 records for each of twelve accounts, into one warehouse
and the same tables, against one account alone. Then with quotas: the twelve entities
of three CRMs, each CRM counting its own requests, over a slow and uneven network.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from crm_warehouse.clients.registry import build_client
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.source_files import load_sources
from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import ROOT, CommandLine, generous_sources
from tests.proof.oracle import compare_all, truth_hashes, warehouse_rows
from tests.proof.quota_use import Scaled, Use, Watch, with_quotas
from tests.proof.report import Report
from tests.proof.servers import fresh_warehouse, postgres_server

RUNS = 12
#: Records a second of all together, of those of one alone.
LEAST_RATIO = 0.9
#: Requests that a CRM admitted, of those that its quota allowed.
LEAST_USE = 0.9


SCALED = (
    Scaled("genius", 100, 10.0, 40_000),
    Scaled("hubspot", 100, 10.0, 40_000),
    Scaled("marketsharp", 100, 10.0, 10_000),
)


def work(account: str) -> None:
    """Load one account's prospects; runs in a process of its own."""
    source = load_sources(Path(os.environ["CRM_WAREHOUSE_SOURCES"]))["genius"]

    def open_client(gate: Any) -> Any:
        url, token = os.environ["CRM_URL"], os.environ["CRM_TOKEN"]
        return build_client(source, base_url=url, token=token, gate=gate)

    request = SyncRequest(source, source.entities["prospects"], account, "full")
    run_sync(request, conninfo=os.environ["CONNINFO"], open_client=open_client)


def _load(conninfo: str, crm: Crm, sources: Path, accounts: list[str]) -> float:
    """Seconds that loads of all accounts take at once, their starts included."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "plugins"),
        "CONNINFO": conninfo,
        "CRM_URL": crm.base_url,
        "CRM_TOKEN": crm.token,
        "CRM_WAREHOUSE_ENV": "dev",
        "CRM_WAREHOUSE_SOURCES": str(sources),
    }
    command = [sys.executable, "-m", "tests.proof.throughput", "--work"]
    began = time.monotonic()
    started = [subprocess.Popen([*command, a], cwd=ROOT, env=env) for a in accounts]
    ends = [process.wait() for process in started]
    if any(ends):
        raise SystemExit(f"loads failed: {ends}")
    return time.monotonic() - began


def without_quotas(records: int, repetitions: int) -> None:
    """Report the throughput of one and of twelve."""
    report = Report("throughput", f"One load of {records:,} records, and twelve")
    ratios = []
    with (
        postgres_server() as server,
        SandboxServer(Settings(prospects=records, quota=False)) as crm,
        tempfile.TemporaryDirectory() as folder,
    ):
        sources = generous_sources(Path(folder))
        truth = truth_hashes(crm, "prospects")
        for number in range(1, repetitions + 1):
            with fresh_warehouse(server) as conninfo:
                alone = _load(conninfo, crm, sources, ["alone"])
                accounts = [f"account_{n:02}" for n in range(RUNS)]
                together = _load(conninfo, crm, sources, accounts)
                for account in accounts:
                    _check_account(conninfo, account, truth)
                one, twelve = records / alone, RUNS * records / together
                ratios.append(twelve / one)
                report.add(
                    {
                        "round": number,
                        "one, records/s": f"{one:,.0f}",
                        "twelve, records/s": f"{twelve:,.0f}",
                        "ratio": f"{twelve / one:.2f}",
                        "deadlocks": _deadlocks(conninfo),
                    }
                )
    if median(ratios) < LEAST_RATIO:
        report.fail([f"the median ratio is {median(ratios):.2f}"])
    report.end()


def _check_account(conninfo: str, account: str, truth: dict[str, str]) -> None:
    held = warehouse_rows(conninfo, account, "contacts", ["source_id"])
    if {row["source_id"] for row in held} != truth.keys():
        raise SystemExit(f"{account} differs from the source")


def _deadlocks(conninfo: str) -> int:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def under_quotas(latency: float, jitter: float) -> None:
    """Load twelve entities under quotas, and report their use."""
    network = f"latency {latency * 1e3:.0f} ms, jitter {jitter * 1e3:.0f} ms"
    report = Report("quota_use", f"Quotas under twelve loads at once, {network}")
    sizes = {each.system: each.people for each in SCALED}
    settings = Settings(prospects=SCALED[0].people, sizes=sizes, quota=True)
    with (
        postgres_server() as server,
        SandboxServer(settings) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        fresh_warehouse(server) as conninfo,
    ):
        line = CommandLine(conninfo, sandbox, _scaled_sources(Path(folder)))
        for each in SCALED:
            crm = sandbox.crm(each.system)
            limit = {"requests": each.requests, "per_seconds": each.seconds}
            crm.configure(quota=limit)
            crm.fault("latency", seconds=latency, jitter=jitter)
        uses = _load_entities(line)
        sources = load_sources(line.sources)
        for each in SCALED:
            crm = sandbox.crm(each.system)
            crm.clear_faults()
            for entity in sources[each.system].entities:
                if different := compare_all(conninfo, crm, entity):
                    raise SystemExit(f"{each.system} {entity} differs: {different}")
        deadlocks = _deadlocks(conninfo)
    for each in SCALED:
        use = uses[each.system]
        report.add(
            {
                "CRM": each.system,
                "limit": f"{each.requests} in {each.seconds:g} s",
                "admitted": f"{use.admitted:,}",
                "refused": use.refused,
                "most in a window": use.most,
                "used while work remained": f"{use.share:.1%}",
                "deadlocks": deadlocks,
            }
        )
        if use.refused or use.share < LEAST_USE:
            report.fail([f"{each.system}: {use}"])
    report.end()


def _scaled_sources(folder: Path) -> Path:
    """Source files with the scaled quotas in place of their own."""
    generous_sources(folder)
    for each in SCALED:
        path = folder / f"{each.system}.yaml"
        quota = f"name: scaled, requests: {each.requests}, per: {each.seconds:g}s"
        text = with_quotas(path.read_text(), quota)
        path.write_text(text)
    return folder


def _load_entities(line: CommandLine) -> dict[str, Use]:
    sources = load_sources(line.sources)
    with Watch(line.sandbox, *(each.system for each in SCALED)) as watch:
        threads = [
            threading.Thread(target=_load_source, args=(line, sources[each.system]))
            for each in SCALED
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {each.system: watch.use(each) for each in SCALED}


def _load_source(line: CommandLine, source: Any) -> None:
    words = ["--source", source.name, "--mode", "full", "--max-wait", "3600"]
    ended = []

    def load(entity: str) -> None:
        ended.append(line.run("sync", *words, "--entity", entity, timeout=1800))

    loads = [threading.Thread(target=load, args=(e,)) for e in source.entities]
    for thread in loads:
        thread.start()
    for thread in loads:
        thread.join()
    if any(each.status for each in ended):
        raise SystemExit("\n".join(e.errors[-800:] for e in ended if e.status))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--jitter", type=float, default=0.03)
    parser.add_argument("--only", choices=["without", "with"])
    parser.add_argument("--work", metavar="ACCOUNT", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.work:
        work(words.work)
        return
    if words.only != "with":
        without_quotas(words.records, words.repetitions)
    if words.only != "without":
        under_quotas(words.latency, words.jitter)


if __name__ == "__main__":
    main()
