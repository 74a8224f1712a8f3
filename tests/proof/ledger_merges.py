"""Merges of webhooks by the command line, many of which are killed."""

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.proof.command import CommandLine
from tests.proof.stage import DONE

_WORDS = ("webhooks", "merge", "--source", "hubspot")
_WAITING = """
SELECT EXISTS (SELECT FROM staging.webhook_deliveries WHERE state = 'pending')
    OR EXISTS (SELECT FROM staging.webhook_events WHERE state = 'pending')
"""
#: One whose session is there, so that it has begun.
_AT_WORK = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE application_name = 'crm_warehouse hubspot webhooks'
        AND datname = current_database()
)
"""
_PATIENCE_SECONDS = 1_200.0
_DATABASE_AWAY = "cannot reach the warehouse"
_POLL_SECONDS = 0.01


class Merges:
    """One merge after the other, as somebody would run them who never gives up.

    Args:
        line: The command line.
        longest: Seconds of work after which a merge is killed at the latest. Less
            after merges that were quicker, so that about every second one is killed
            on whatever machine.
        rng: Decides when.

    Attributes:
        ends: How often a merge ended in which way.
    """

    def __init__(self, line: CommandLine, longest: float, rng: random.Random) -> None:
        self._line, self._longest, self._rng = line, longest, rng
        self._limit = longest
        self._stop = threading.Event()
        self._faults: list[BaseException] = []
        self._wrong: list[str] = []
        self.ends: Counter[str] = Counter()

    @property
    def killed(self) -> int:
        """How many were."""
        return self.ends["killed"]

    @contextmanager
    def merging(self) -> Iterator[None]:
        """Merge until the block ends, killing each that has not ended soon."""
        thread = threading.Thread(target=self._merge_all)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self._faults:
            raise self._faults[0]

    def finish(self, kills: int) -> list[str]:
        """Kill on until so many were killed in all, and let the next one end.

        Returns:
            What went wrong in any merge.
        """
        while self.killed < kills and self._waits():
            self._merge()
        last = self._line.run(*_WORDS, timeout=_PATIENCE_SECONDS)
        if last.status not in DONE:
            self._wrong.append(f"the last merge: {last.status} {last.errors[-500:]}")
        if self._waits():
            self._wrong.append("something waits although a merge ended undisturbed")
        return self._wrong

    def _merge_all(self) -> None:
        try:
            while not self._stop.is_set():
                if self._is_seen(_WAITING):
                    self._merge()
                else:
                    time.sleep(_POLL_SECONDS)
        except BaseException as error:  # noqa: BLE001  raised where the block ends
            self._faults.append(error)

    def _merge(self) -> None:
        """One merge, killed at a random moment of its work unless it has ended."""
        with self._line.start(*_WORDS) as process:
            self._begins(process)
            try:
                moment = self._rng.uniform(0, self._limit)
                _, errors = process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
                errors = ""
            status = process.wait()
        if status in DONE:
            self.ends["ended well"] += 1
            self._limit /= 2
        elif status == -signal.SIGKILL:
            self.ends["killed"] += 1
            self._limit = min(2 * self._limit, self._longest)
        elif _DATABASE_AWAY in errors:
            self.ends["ended with the database"] += 1
        else:
            self._wrong.append(f"a merge: {status} {errors[-500:]}")

    def _begins(self, process: subprocess.Popen[str]) -> None:
        """Until it works, or has ended."""
        while process.poll() is None and not self._is_seen(_AT_WORK):
            time.sleep(_POLL_SECONDS)

    def _is_seen(self, question: str) -> bool:
        """Whether it is so; not while the database is away."""
        try:
            return self._is(question)
        except psycopg.OperationalError:
            return False

    def _waits(self) -> bool:
        return self._is(_WAITING)

    def _is(self, question: str) -> bool:
        with psycopg.connect(self._line.conninfo) as conn:
            return conn.execute(question).fetchone() == (True,)
