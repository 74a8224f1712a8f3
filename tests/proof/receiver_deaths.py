"""Sources send, processes die: ``python -m tests.proof.receiver_deaths``.

Sixteen sources repeat each delivery until it is taken. Every two seconds a worker, or
the receiver as a whole, or PostgreSQL dies without a word, or the receiver reads its
settings anew. Whatever was acknowledged must be in the inbox, once, and nothing else
may have been answered than what makes a source come again.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import psycopg

from include.local_stack.postgres import Postgres
from tests.proof.receiver_clients import HARMLESS, Clients
from tests.proof.receiver_process import HUBSPOT, Receiver, started
from tests.proof.report import Report
from tests.proof.servers import fresh_warehouse, postgres_server


class Scene:
    """A receiver and its database, to be struck.

    Args:
        begin: Starts a receiver, in the place of one that died.
        server: The database's.
    """

    def __init__(self, begin: Callable[[], Receiver], server: Postgres) -> None:
        self._begin, self._server = begin, server
        self._receiver = begin()

    def port(self) -> int:
        """Where the receiver is now."""
        return self._receiver.port

    def kill_worker(self) -> None:
        """One of the processes that serve; gunicorn replaces it."""
        os.kill(self._receiver.workers()[0], signal.SIGKILL)

    def kill_receiver(self) -> None:
        """All its processes; a supervisor starts it again."""
        self._receiver.kill()
        self._receiver = self._begin()

    def reload_receiver(self) -> None:
        """New workers for old ones, as for another secret."""
        self._receiver.process.send_signal(signal.SIGHUP)

    def crash_database(self) -> None:
        """As a power cut would; then it recovers."""
        self._server.crash()
        self._server.start()

    def end(self) -> None:
        """Leave nothing."""
        self._receiver.kill()


BLOWS = (
    Scene.kill_worker,
    Scene.kill_receiver,
    Scene.reload_receiver,
    Scene.crash_database,
)


def wrongs(conninfo: str, clients: Clients) -> Iterator[str]:
    """What must not be, once all have ended."""
    with psycopg.connect(conninfo) as conn:
        rows = conn.execute("SELECT body FROM staging.webhook_deliveries").fetchall()
    found = Counter(zlib.decompress(body) for (body,) in rows)
    taken = Counter(clients.taken)
    if lost := taken - found:
        yield f"{lost.total()} of {taken.total()} acknowledged deliveries are not there"
    if more := found - taken:
        yield f"{more.total()} deliveries are there twice, or were never sent"
    if strange := clients.answers.keys() - HARMLESS:
        yield f"answers that do not make a source come again: {sorted(strange)}"


def prove(seconds: float) -> None:
    """Strike every two seconds.

    Raises:
        SystemExit: Something was lost.
    """
    report = Report("receiver_deaths", "Deliveries while processes die")
    folder = Path(tempfile.mkdtemp(prefix="crm-receiver-"))
    with postgres_server() as server, fresh_warehouse(server) as conninfo:

        def begin() -> Receiver:
            log = folder / f"{len(list(folder.iterdir()))}.log"
            return started(conninfo, HUBSPOT, log, CRM_WAREHOUSE_ENV="prod")

        scene = Scene(begin, server)
        clients = Clients(scene.port, 16)
        blows: Counter[str] = Counter()
        ends = time.monotonic() + seconds
        with clients.sending():
            for blow in cycle(BLOWS):
                time.sleep(2)
                if time.monotonic() > ends:
                    break
                blow(scene)
                blows[blow.__name__] += 1
        scene.end()
        report.add({**blows, "taken": len(clients.taken), **clients.answers})
        report.fail(wrongs(conninfo, clients))
    shutil.rmtree(folder)
    report.end()


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    prove(parser.parse_args().seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
