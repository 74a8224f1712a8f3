"""10,000 small syncs in one process, with faults: ``python -m tests.proof.many_syncs``.

All entities of all systems take turns, while their records change and one request in
fifty meets a fault. Nobody repeats a sync that fails: the next one of its entity goes
on. Almost all must end well, and the process must not grow.
"""

import argparse
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from crm_warehouse.errors import CrmWarehouseError
from include.sandbox.settings import Settings
from tests.proof.house import SOURCES, House
from tests.proof.oracle import FILLED, compare_all
from tests.proof.report import Report
from tests.proof.stage import Stage, open_stage

SYNCS = 10_000
RECORDS = 12
#: Share of requests that meet a fault, of whatever kind.
FAULTS = 0.02
#: Share of syncs that must end well.
GOOD = 0.999
#: What the process may grow by from a tenth of the syncs to the end.
GROWTH_MB = 20.0
_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("reset", {}),
    ("truncate", {}),
    ("html", {}),
)
#: Of 20 syncs of an entity, one is full and one a replay.
_MODES = ("full", "replay", *["incremental"] * 18)


@dataclass
class Tally:
    """What became of the syncs, and how large the process is.

    Attributes:
        ends: How many ended so: a status, or the category of a failure.
        faults: Requests that met one.
        sizes: After each tenth of the syncs: MB, open files, warehouse sessions.
    """

    ends: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    sizes: list[tuple[float, int, int]] = field(default_factory=list)


def houses(stage: Stage, conninfo: str) -> Iterator[House]:
    """One house per system: no quotas, short pauses, faults switched on."""
    for name in FILLED:
        source, crm = SOURCES[name], stage.sandbox.crm(name)
        retry = replace(source.retry, delays=(0.01,) * len(source.retry.delays))
        if name == "hubspot":
            crm.configure(search_quota={"enabled": False})
        for kind, options in _KINDS:
            crm.fault(kind, probability=FAULTS / len(_KINDS), **options)
        yield House(conninfo, crm, replace(source, quotas=(), retry=retry))


def run(stage: Stage, syncs: int, seed: int) -> tuple[Tally, list[str]]:
    """Sync again and again.

    Returns:
        What became of it, and where warehouse and truth do not agree in the end.
    """
    conninfo, rng, tally = stage.conninfo(stage.copy()), random.Random(seed), Tally()
    all_houses = list(houses(stage, conninfo))
    turns = [(house, entity) for house in all_houses for entity in FILLED[_name(house)]]
    for number in range(syncs):
        house, entity = turns[number % len(turns)]
        if rng.random() < 0.2:
            house.sandbox.move(entity, "change", 1)
        mode = _MODES[number // len(turns) % len(_MODES)]
        tally.ends[_sync(house, entity, mode)] += 1
        if (number + 1) % max(syncs // 10, 1) == 0:
            tally.sizes.append(_size(stage, conninfo))
            print(f"{number + 1} syncs, {tally.ends}, {tally.sizes[-1]}", flush=True)
    for house in all_houses:
        faults = house.sandbox.admin("GET", "/faults")["faults"]
        tally.faults += sum(fault["struck"] for fault in faults)
        house.sandbox.clear_faults()
    return tally, [
        f"{_name(house)} {entity}: {found}"
        for house, entity in turns
        if _sync(house, entity, "full")
        and (found := compare_all(conninfo, house.sandbox, entity))
    ]


def _name(house: House) -> str:
    return house.source.name


def _sync(house: House, entity: str, mode: str) -> str:
    try:
        return house.sync(entity, mode).status
    except CrmWarehouseError as error:
        return error.category


def _size(stage: Stage, conninfo: str) -> tuple[float, int, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    files = len(list(Path("/proc/self/fd").iterdir()))
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1), files, row[0]


def report_of(tally: Tally, differences: list[str], seconds: float) -> Report:
    """The figures, and what they must be."""
    report = Report("many_syncs", "Many small syncs in one process, with faults")
    syncs = sum(tally.ends.values())
    good = tally.ends["success"] + tally.ends["partial"]
    first, last = tally.sizes[0], tally.sizes[-1]
    failed = {k: n for k, n in tally.ends.items() if k not in ("success", "partial")}
    report.add(
        {
            "syncs": syncs,
            "faults": tally.faults,
            "ended well": f"{good / syncs:.3%}",
            "failed": ", ".join(f"{n} {k}" for k, n in failed.items()) or "none",
            "syncs/s": round(syncs / seconds, 1),
            "MB": f"{first[0]} -> {last[0]}",
            "open files": f"{first[1]} -> {last[1]}",
            "warehouse sessions": f"{first[2]} -> {last[2]}",
            "tables that differ": len(differences),
        }
    )
    report.fail(differences)
    if good / syncs < GOOD:
        report.fail([f"only {good} of {syncs} ended well: {tally.ends}"])
    if not tally.faults:
        report.fail(["no request met a fault"])
    if last[0] - first[0] > GROWTH_MB or last[1] > first[1] + 2 or last[2] > 2:
        report.fail([f"the process grew: {tally.sizes}"])
    return report


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--syncs", type=int, default=SYNCS)
    parser.add_argument("--seed", type=int, default=20261123)
    words = parser.parse_args()
    sizes = dict.fromkeys(("hubspot", "marketsharp", "activeprospect"), RECORDS)
    settings = Settings(prospects=RECORDS, sizes=sizes, quota=False)
    with ExitStack() as rest:
        stage = rest.enter_context(open_stage(settings))
        began = time.monotonic()
        tally, differences = run(stage, words.syncs, words.seed)
        seconds = time.monotonic() - began
    report_of(tally, differences, seconds).end()


if __name__ == "__main__":
    main()
