"""A large HubSpot under everything at once: ``python -m tests.proof.storm``.

250,000 contacts, 30,000 of them of one millisecond, behind a slow network, tight
quotas, faults of every kind and tokens that expire, while contacts go on changing. A
full load and the increments behind it must end equal to the source, without one request
above a quota by the CRM's own count, and without waste of it.
"""

import argparse
import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, Ended, generous_sources
from tests.proof.oauth_house import ENVIRON
from tests.proof.oracle import compare_all
from tests.proof.quota_use import Scaled, Use, Watch, with_quotas
from tests.proof.report import Report
from tests.proof.servers import fresh_warehouse, postgres_server

ENTITY = "contacts"
#: What HubSpot allows a private app of the smallest plan.
GENERAL = Scaled("hubspot", 100, 10.0, 250_000)
SEARCHES = Scaled("hubspot", 5, 1.0, 250_000, quota="search_quota")
LEAST_USE = 0.9
#: Share of requests that meet a fault.
FAULTS = 0.02
#: How late the search may show a change, and what a window reads again.
LAG_SECONDS = 5.0
TOKEN_SECONDS = 20.0
CHANGES_A_MINUTE = 1_000
#: What a process may grow by once a fifth of the records is there: their ids.
GROWTH_MB = 64.0
_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 429}),
    ("status", {"status": 429, "retry_after": 1}),
    ("status", {"status": 500}),
    ("status", {"status": 502}),
    ("status", {"status": 503}),
    ("status", {"status": 521}),
    ("status", {"status": 423}),
    ("reset", {}),
    ("truncate", {}),
    ("html", {}),
    ("empty", {}),
    ("repeat_page", {}),
    ("empty_page", {}),
    ("short_page", {}),
)


@dataclass
class Load:
    """What one run of the command came to.

    Attributes:
        result: Its last line.
        seconds: From start to end.
        sizes: Resident MB at every half second.
    """

    result: dict[str, Any]
    seconds: float
    sizes: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """MB from a fifth of the run to the largest."""
        return max(self.sizes) - self.sizes[len(self.sizes) // 5]


def _load(line: CommandLine, mode: str) -> Load:
    """One ``sync``, watched.

    Raises:
        SystemExit: It did not end well.
    """
    words = ["--source", "hubspot", "--entity", ENTITY, "--mode", mode]
    began, sizes, said = time.monotonic(), list[float](), list[str]()
    with line.start("sync", *words, "--max-wait", "3600") as process:
        talk = threading.Thread(target=lambda: said.extend(process.communicate()))
        talk.start()
        while talk.is_alive():
            sizes.append(_resident_mb(process))
            talk.join(0.5)
    ended = Ended(process.returncode, *said)
    if ended.status:
        raise SystemExit(f"{mode} ended with {ended.status}: {ended.errors[-1500:]}")
    return Load(ended.result, time.monotonic() - began, sizes)


def _resident_mb(process: subprocess.Popen[str]) -> float:
    try:
        text = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    found = re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1e3 if found else 0.0


@contextmanager
def _changes(crm: Crm) -> Iterator[None]:
    """Contacts change, and some are new, until the block ends."""
    end = threading.Event()

    def change() -> None:
        while not end.wait(60.0 * 25 / CHANGES_A_MINUTE):
            crm.move(ENTITY, "change", 23)
            crm.move(ENTITY, "create", 2)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@dataclass(frozen=True)
class _OAuthLine(CommandLine):
    """The command line of somebody who authorised an app of HubSpot's.

    Attributes:
        authorised: What that person got.
    """

    authorised: Mapping[str, str] = field(default_factory=dict, repr=False)

    def environment(self) -> dict[str, str]:
        """With the authorisation in place of a token."""
        host = self.sandbox.crm("hubspot").base_url
        extra = {**self.authorised, "token_url": f"{host}/oauth/v1/token"}
        connection = {"conn_type": "http", "host": host, "extra": json.dumps(extra)}
        return {
            **super().environment(),
            **ENVIRON,
            "AIRFLOW_CONN_HUBSPOT_DEFAULT": json.dumps(connection),
        }


def _let_index(crm: Crm) -> None:
    """Have the search know every record: it takes them in when it is asked.

    That takes half a second, twice, in which it answers nobody: not what a client of a
    CRM that has been there for years would meet.
    """
    for pause in (0.0, LAG_SECONDS):
        time.sleep(pause)
        requests.post(
            f"{crm.base_url}/crm/v3/objects/{ENTITY}/search",
            json={},
            headers={"Authorization": f"Bearer {crm.token}"},
            timeout=60.0,
        ).raise_for_status()


def _prepare(crm: Crm, one_moment: int, latency: float, jitter: float) -> None:
    crm.configure(
        index_lag_seconds=LAG_SECONDS,
        **{each.quota: {"enabled": False} for each in (GENERAL, SEARCHES)},
    )
    crm.move(ENTITY, "stamp", one_moment)
    _let_index(crm)
    crm.admin("DELETE", "/stats")
    crm.configure(
        **{
            each.quota: {
                "requests": each.requests,
                "per_seconds": each.seconds,
                "enabled": True,
            }
            for each in (GENERAL, SEARCHES)
        },
    )
    crm.fault("latency", seconds=latency, jitter=jitter)
    for kind, options in _KINDS:
        # Not for tokens: whose new refresh token is lost must authorise the app again.
        share = FAULTS / len(_KINDS)
        crm.fault(kind, path="/crm/*", probability=share, **options)


def _sources(folder: Path) -> Path:
    """Source files without a daily quota, and with the lag of the sandbox."""
    generous_sources(folder)
    path = folder / "hubspot.yaml"
    text = with_quotas(
        path.read_text(),
        f"name: ten_secondly, requests: {GENERAL.requests}, per: {GENERAL.seconds:g}s",
        f"name: search, requests: {SEARCHES.requests}, per: {SEARCHES.seconds:g}s,"
        " kind: search",
    )
    for old, new in (
        ("lag: 1h", f"lag: {LAG_SECONDS:g}s"),
        ("clock_skew: 1m", "clock_skew: 1s"),
    ):
        if old not in text:
            raise SystemExit(f"{path} has no {old!r}")
        text = text.replace(old, new)
    path.write_text(text)
    return folder


def run(contacts: int, one_moment: int, latency: float, jitter: float) -> None:
    """Load, and report."""
    network = f"latency {latency * 1e3:.0f} ms, jitter {jitter * 1e3:.0f} ms"
    report = Report(
        "storm", f"{contacts:,} contacts, {one_moment:,} of one millisecond, {network}"
    )
    settings = Settings(prospects=1, sizes={"hubspot": contacts}, quota=True)
    with (
        postgres_server() as server,
        SandboxServer(settings) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        fresh_warehouse(server) as conninfo,
    ):
        crm = sandbox.crm("hubspot")
        _prepare(crm, one_moment, latency, jitter)
        crm.admin("PATCH", "/oauth", {"expires_in": TOKEN_SECONDS})
        authorised = crm.admin("POST", "/oauth/authorise")
        sources = _sources(Path(folder))
        line = _OAuthLine(conninfo, sandbox, sources, authorised=authorised)
        with _changes(crm):
            with Watch(sandbox, "hubspot") as watch:
                full = _load(line, "full")
            loads = [full, *(_load(line, "incremental") for _ in range(2))]
        time.sleep(LAG_SECONDS)  # the source's index, not ours
        loads.append(_load(line, "incremental"))
        struck = sum(
            fault["struck"]
            for fault in crm.admin("GET", "/faults")["faults"]
            if fault["kind"] != "latency"
        )
        crm.clear_faults()
        different = compare_all(conninfo, crm, ENTITY)
        refused = crm.stats()["refused_by"]
        tokens = crm.admin("GET", "/oauth")["refreshes"]
    uses = {each.quota: watch.use(each) for each in (GENERAL, SEARCHES)}
    for load in loads:
        report.add(_line(load))
    _check(report, full, uses, refused=refused, struck=struck, tokens=tokens)
    report.fail([f"warehouse and source differ: {different}"] if different else [])
    report.end()


def _line(load: Load) -> dict[str, Any]:
    words = ("mode", "status", "records_processed", "records_created")
    more = ("records_updated", "records_failed", "requests")
    return {
        **{word.removeprefix("records_"): load.result[word] for word in words + more},
        "seconds": round(load.seconds),
        "peak MB": round(max(load.sizes)),
    }


def _check(
    report: Report,
    full: Load,
    uses: dict[str, Use],
    *,
    refused: dict[str, int],
    struck: int,
    tokens: int,
) -> None:
    best = max(use.share for use in uses.values())
    for name, use in uses.items():
        print(f"{name}: {use.share:.1%} used, at most {use.most} in a window")
    print(f"{refused or 'no'} requests refused, {struck} met a fault, {tokens} tokens")
    print(f"memory grew by {full.growth:.0f} MB after a fifth of the full load")
    if refused:
        report.fail([f"requests were above a quota: {refused}"])
    if best < LEAST_USE:
        report.fail([f"of no quota as much as {LEAST_USE:.0%} was used"])
    if full.growth > GROWTH_MB:
        report.fail([f"memory grew by {full.growth:.0f} MB"])
    if not struck or tokens < full.seconds / TOKEN_SECONDS:
        report.fail([f"{struck} faults and {tokens} tokens are too few"])


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=250_000)
    parser.add_argument("--one-moment", type=int, default=30_000)
    parser.add_argument("--latency", type=float, default=0.25)
    parser.add_argument("--jitter", type=float, default=0.05)
    words = parser.parse_args()
    run(words.contacts, words.one_moment, words.latency, words.jitter)


if __name__ == "__main__":
    main()
