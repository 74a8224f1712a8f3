"""What reading a large table costs, and what it does to its server.

``python -m tests.proof.database``: prospects in a MariaDB server, loaded whole and by
increments through the command line, while others write into the same table. Beside the
figures of the command stand those of the source: its CPU, the longest transaction of
the reader, and the longest that a writer had to wait.
"""

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import sqlalchemy as sa

from include.local_stack.postgres import Postgres
from include.sandbox.genius.database import GeniusDatabase
from tests.proof.connection import postgres_connection
from tests.proof.mariadb import LEFT_OUT, MariaDb, is_installed
from tests.proof.report import Report
from tests.proof.scale import Cost, cpu_of, measure
from tests.proof.servers import fresh_warehouse, postgres_server

CHANGED = 1_000
#: No transaction may last longer, and no writer wait longer.
_MOST_TRANSACTION_SECONDS, _MOST_WAIT_SECONDS = 60.0, 5.0
_MOST_MEMORY = 200.0
_COLUMNS = ("first_name", "last_name", "email", "phone", "address", "city", "status")
_FILL = """
INSERT INTO prospect (id, first_name, last_name, email, phone, address, city, state,
    zip, status, source, is_dummy, is_dnc, added_on, updated_at)
SELECT seq, CONCAT('First', seq % 997), CONCAT('Läst', seq), CONCAT('p', seq,
    '@example.com'), CONCAT('+1217555', LPAD(seq % 10000, 4, '0')),
    CONCAT(seq % 9900, ' Larkmere Road'), 'Springfield', 'IL', '62701', 'active',
    'website', 0, 0, '2024-01-01' + INTERVAL seq SECOND,
    IF(seq % 3, '2025-01-01' + INTERVAL seq SECOND, NULL)
FROM seq_1_to_{records}
"""


class Watch:
    """What others feel while the table is read.

    Attributes:
        transaction_seconds: The longest transaction of the reader.
        locked_rows: Rows that it had locked, at most.
        wait_seconds: The longest that an UPDATE of another took.
        updates: How many there were.
    """

    def __init__(self, server: MariaDb, database: str, records: int) -> None:
        self._server, self._database, self._records = server, database, records
        self._stop = threading.Event()
        self._begun: dict[tuple[Any, ...], float] = {}
        self.transaction_seconds = self.wait_seconds = 0.0
        self.locked_rows = self.updates = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch and write until the block ends."""
        threads = [threading.Thread(target=each) for each in (self._look, self._write)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _look(self) -> None:
        statement = """SELECT p.id, t.trx_started, t.trx_rows_locked
            FROM information_schema.innodb_trx AS t
            JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id
            WHERE p.user = %s"""
        with closing(self._server.connect("root")) as conn, conn.cursor() as cursor:
            # Asked more often than each 0.1 s, the view would show what it showed.
            while not self._stop.wait(0.25):
                cursor.execute(statement, [self._server.reader])
                for session, begun, locked in cursor.fetchall():
                    first = self._begun.setdefault((session, begun), time.monotonic())
                    lasted = time.monotonic() - first
                    self.transaction_seconds = max(self.transaction_seconds, lasted)
                    self.locked_rows = max(self.locked_rows, locked)

    def _write(self) -> None:
        rng = Random(7)
        owner = self._server.connect(self._server.owner, self._database)
        with closing(owner) as conn, conn.cursor() as cursor:
            while not self._stop.wait(0.02):
                began = time.monotonic()
                cursor.execute(
                    "UPDATE prospect SET is_dnc = 1 - is_dnc WHERE id = %s",
                    [rng.randrange(1, self._records + 1)],
                )
                self.wait_seconds = max(self.wait_seconds, time.monotonic() - began)
                self.updates += 1


class Load:
    """Loads of one database into one warehouse, each told in a line of a report."""

    def __init__(
        self, report: Report, source: MariaDb, name: str, server: Postgres, to: str
    ) -> None:
        self._report, self._source, self._name = report, source, name
        self._server, self._to = server, to

    def run(self, what: str, records: int, mode: str) -> None:
        """One load, others writing meanwhile."""
        watch = Watch(self._source, self._name, records)
        before = cpu_of(self._source.pid)
        with watch.watching():
            cost = measure(self._server, self._command(mode), self._environment())
        spent = cpu_of(self._source.pid) - before
        self._report.add(
            {
                "load": what,
                "seconds": round(cost.wall, 2),
                "client CPU s": round(cost.client, 2),
                "PostgreSQL CPU s": round(cost.server, 2),
                "MariaDB CPU s": round(spent, 2),
                "peak MB": round(cost.memory),
                "longest transaction s": round(watch.transaction_seconds, 1),
                "rows locked": watch.locked_rows,
                "longest UPDATE of others ms": round(watch.wait_seconds * 1000),
                "UPDATEs": watch.updates,
            }
        )
        self._report.fail(_too_much(what, cost, watch))

    def differences(self) -> Iterator[str]:
        """Rows of the warehouse that are not those of the source."""
        columns = ", ".join(_COLUMNS)
        theirs = f"SELECT CAST(id AS CHAR), {columns} FROM prospect ORDER BY id"
        ours = (
            f"SELECT source_id, {columns} FROM warehouse.contacts"
            " ORDER BY source_id::bigint"
        )
        owner = self._source.connect(self._source.owner, self._name)
        with closing(owner) as there, psycopg.connect(self._to) as here:
            cursor = there.cursor()
            cursor.execute(theirs)
            wrong = sum(
                mine != own
                for mine, own in zip(cursor, here.execute(ours.encode()), strict=True)
            )
        if wrong:
            yield f"{wrong} rows differ"

    def _command(self, mode: str) -> list[str]:
        command = [sys.executable, "-m", "crm_warehouse", "sync", "--source", "genius"]
        return [*command, "--entity", "prospects", "--via", "database", "--mode", mode]

    def _environment(self) -> dict[str, str]:
        source = self._source
        connections = {
            "CRM_WAREHOUSE": postgres_connection(self._to),
            "GENIUS_DATABASE": {
                "conn_type": "mysql",
                "host": "127.0.0.1",
                "port": source.port,
                "login": source.reader,
                "password": source.passwords[source.reader],
                "schema": self._name,
            },
        }
        found = {f"AIRFLOW_CONN_{k}": json.dumps(v) for k, v in connections.items()}
        return {"PYTHONPATH": "plugins", "CRM_WAREHOUSE_ENV": "dev", **found}


def _too_much(what: str, cost: Cost, watch: Watch) -> Iterator[str]:
    """What a load must not do."""
    if watch.transaction_seconds > _MOST_TRANSACTION_SECONDS:
        yield f"{what}: a transaction of {watch.transaction_seconds:.0f} s"
    if watch.wait_seconds > _MOST_WAIT_SECONDS:
        yield f"{what}: a writer waited for {watch.wait_seconds:.1f} s"
    if watch.locked_rows:
        yield f"{what}: {watch.locked_rows} rows were locked"
    if cost.memory > _MOST_MEMORY:
        yield f"{what}: {cost.memory:.0f} MB"


@contextmanager
def source_server() -> Iterator[MariaDb]:
    """A server as MariaDB comes, with a buffer pool for the table."""
    folder = Path(tempfile.mkdtemp(prefix="crm-maria-"))
    server = MariaDb(folder / "server", **{"innodb-buffer-pool-size": "512M"})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def prove(records: int) -> int:
    """Fill, load whole, change, load what changed, and compare.

    Returns:
        0: it holds.
    """
    report = Report("database", f"{records:,} prospects in MariaDB are read")
    with (
        source_server() as source,
        postgres_server() as server,
        fresh_warehouse(server) as conninfo,
    ):
        name = source.make_database()
        owner = sa.create_engine(
            "mysql+pymysql://", creator=lambda: source.connect(source.owner, name)
        )
        GeniusDatabase(owner).create()
        with owner.begin() as conn:
            conn.exec_driver_sql(_FILL.format(records=records).replace("%", "%%"))
            conn.exec_driver_sql("ANALYZE TABLE prospect")
        load = Load(report, source, name, server, conninfo)
        load.run("full, all new", records, "full")
        report.fail(load.differences())
        load.run("incremental, nothing changed", records, "incremental")
        with owner.begin() as conn:
            conn.exec_driver_sql(
                "UPDATE prospect SET status = 'sold', updated_at = UTC_TIMESTAMP()"
                f" WHERE id MOD {max(records // CHANGED, 1)} = 0"
            )
        load.run(f"incremental, {CHANGED:,} changed", records, "incremental")
        report.fail(load.differences())
        load.run("full, nothing changed", records, "full")
        owner.dispose()
    return report.end()


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    words = parser.parse_args()
    if not is_installed():
        print(LEFT_OUT)
        return 0
    return prove(words.records)


if __name__ == "__main__":
    sys.exit(main())
