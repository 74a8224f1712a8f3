"""A large CSV file: ``python -m tests.proof.csv_file``.

A gigabyte of invented prospects is imported by the command line, into an empty
warehouse and once more over what is there, each as a whole process with fsync on.
Beside it stands the least that any loader must do: psql's ``\\copy`` of the same file
into one table of text columns without an index. Compare ratios, not machines.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, generous_sources
from tests.proof.report import Report
from tests.proof.scale import Cost, measure
from tests.proof.servers import fresh_warehouse, postgres_server

MOST_MB = 200
_HEADERS = (
    "Prospect ID,First Name,Last Name,E-mail,Phone,City,State,Zip Code,Lead Source,"
    "Status,Modified"
)
_FIRST = ("Ada", "Grace", "Linus", "Maya", "Omar", "Zoë", "Ingrid", "Bo")
_LAST = ("Lovelace", "Hopper", "Nguyen", "Okafor", "Müller", "O'Neil", "Silva")
#: Rows that are written, and counted, at a time.
_BLOCK = 10_000


def write(path: Path, megabytes: int) -> int:
    """Write a file of at least so many megabytes; returns its rows."""
    rng = random.Random(20261123)
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_HEADERS + "\r\n")
        while path.stat().st_size < megabytes * 1_000_000:
            file.write("".join(_row(rng, rows + n) for n in range(_BLOCK)))
            file.flush()
            rows += _BLOCK
    return rows


def _row(rng: random.Random, number: int) -> str:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    moment = f"2026-{rng.randrange(1, 10):02}-{rng.randrange(1, 29):02}T10:30:00Z"
    phone, town = 2_172_000_000 + number % 8_000_000, f"Springfield, {rng.randrange(9)}"
    return (
        f"{100_001 + number},{first},{last},p{number}@example.com,+1{phone},"
        f'"{town}",IL,62701,referral,active,{moment}\r\n'
    )


def copy(server: Postgres, conninfo: str, path: Path) -> Cost:
    """The least that loading the file takes."""
    columns = ", ".join(f"c{n} text" for n in range(_HEADERS.count(",") + 1))
    with psycopg.connect(conninfo) as conn:
        conn.execute(f"CREATE TABLE bare ({columns})")
    to = conninfo_to_dict(conninfo)
    env = {"PATH": os.environ["PATH"], "PGPASSWORD": str(to.pop("password"))}
    where = " ".join(f"{key}={value}" for key, value in to.items())
    words = f"\\copy bare FROM '{path}' (FORMAT csv, HEADER)"
    return measure(server, [str(server.program("psql")), where, "-c", words], env)


def run(megabytes: int) -> None:
    """Measure, and report."""
    report = Report("csv_file", f"A CSV file of {megabytes:,} MB")
    with (
        postgres_server() as server,
        SandboxServer(Settings(prospects=1)) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        fresh_warehouse(server) as conninfo,
    ):
        path = Path(folder) / "prospects.csv"
        rows = write(path, megabytes)
        # Psql runs as the person, the server never reads the file.
        base = copy(server, conninfo, path)
        line = CommandLine(conninfo, sandbox, generous_sources(Path(folder)))
        sync = [sys.executable, "-m", "crm_warehouse", "sync", "--source", "genius"]
        sync += ["--entity", "prospects", "--via", "csv", "--file", str(path)]
        first = measure(server, sync, line.environment())
        again = measure(server, [*sync, "--restart"], line.environment())
        harmless = measure(server, sync, line.environment())
        with psycopg.connect(conninfo) as conn:
            held = conn.execute("SELECT count(*) FROM warehouse.contacts").fetchone()
    if held != (rows,):
        report.fail([f"the warehouse holds {held} of {rows} rows"])
    for name, cost in (
        ("psql \\copy into text", base),
        ("import, all new", first),
        ("import, nothing changed", again),
        ("the same file once more", harmless),
    ):
        report.add(
            {
                "case": name,
                "rows/s": f"{rows / cost.wall:,.0f}",
                "wall s": f"{cost.wall:.1f}",
                "client CPU s": f"{cost.client:.1f}",
                "PostgreSQL CPU s": f"{cost.server:.1f}",
                "peak MB": f"{cost.memory:.0f}",
                "CPU : \\copy": f"{cost.cpu / base.cpu:.1f}",
            }
        )
        if cost.memory > MOST_MB:
            report.fail([f"{name}: {cost.memory:.0f} MB at its peak"])
    report.end()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1_000)
    run(parser.parse_args().megabytes)


if __name__ == "__main__":
    main()
