"""Three times what the receiver can take: ``python -m tests.proof.receiver_overload``.

First what it takes at its best; then three times as many deliveries a second, whatever
becomes of those before; then 64 sources on a database that takes 0.2 s a delivery. It
must go on taking nearly as many as at its best, each soon, and refuse the others at
once.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.proof.receiver_process import HUBSPOT, started
from tests.proof.receiver_rate import post
from tests.proof.report import Report
from tests.proof.servers import fresh_warehouse, postgres_server

#: What must be left of the best rate.
LEAST_SHARE = 0.8
#: What 99 of 100 may take, seconds: those that are taken, and those that are refused.
MOST_TAKEN_SECONDS, MOST_REFUSED_SECONDS = 2.0, 1.0
_CONNECTIONS = 400
_SLOW = """
CREATE FUNCTION staging.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.2);
    RETURN NEW;
END $$;
CREATE TRIGGER dawdle BEFORE INSERT ON staging.webhook_deliveries
    FOR EACH ROW EXECUTE FUNCTION staging.dawdle();
"""


def prove(seconds: float) -> None:
    """Measure.

    Raises:
        SystemExit: It gives way under the load.
    """
    report = Report("receiver_overload", "More deliveries than the receiver can take")
    with (
        postgres_server() as server,
        fresh_warehouse(server) as conninfo,
        tempfile.TemporaryDirectory() as folder,
        started(conninfo, HUBSPOT, Path(folder) / "receiver.log") as receiver,
    ):
        post(receiver.port, connections=64, seconds=1)  # all its sessions are open
        best = post(receiver.port, connections=64, seconds=seconds)
        peak = _line(report, "at its best, 64 connections", best)
        over = post(
            receiver.port, connections=_CONNECTIONS, seconds=seconds, rate=3 * peak
        )
        rate = _line(report, f"{3 * peak:.0f} a second", over)
        report.fail(_wrong(over))
        if rate < LEAST_SHARE * peak:
            report.fail([f"{rate / peak:.2f} of the best rate is left"])
        with psycopg.connect(conninfo) as conn:
            conn.execute(_SLOW)
        slow = post(receiver.port, connections=64, seconds=seconds)
        _line(report, "0.2 s a delivery, 64 connections", slow)
        report.fail(_wrong(slow))
    report.end()


def _line(report: Report, what: str, found: dict[str, Any]) -> float:
    """Report it; deliveries taken a second."""
    rate = float(found["statuses"].get("200", 0) / found["seconds"])
    refused = found["statuses"].get("503", 0) / found["seconds"]
    report.add(
        {
            "load": what,
            "taken/s": round(rate),
            "p50 ms": round(found["p50"] * 1000),
            "p99 ms": round(found["p99"] * 1000),
            "refused/s": round(refused),
            "p99 of refused ms": round(found["refused_p99"] * 1000),
            "without answer": found["statuses"].get("0", 0),
            "not sent": found["unsent"],
        }
    )
    return rate


def _wrong(found: dict[str, Any]) -> Iterator[str]:
    if strange := found["statuses"].keys() - {"200", "503", "0"}:
        yield f"answers: {sorted(strange)}"
    if found["p99"] > MOST_TAKEN_SECONDS:
        yield f"those taken waited {found['p99']:.1f} s"
    if found["refused_p99"] > MOST_REFUSED_SECONDS:
        yield f"those refused waited {found['refused_p99']:.1f} s"


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    prove(parser.parse_args().seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
